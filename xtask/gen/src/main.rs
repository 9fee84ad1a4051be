//! xtask-gen — writes the pages that have their source in the code, or with `--check` proves that they are fresh.
//! `cargo xtask gen [--check]` builds and runs it; it is apart from xtask so that a newcomer's first command stays small.

mod configuration;
mod errors;
mod kinds;
mod lifecycle;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Generated files by their path in the checkout.
type Pages = BTreeMap<PathBuf, String>;

/// The one source that is read and not compiled in.
const DEFAULTS: &str = "config/default.toml";

/// Folders whose every file is generated: what is left there of something that is gone is stale.
const OWNED: &[&str] = &["docs/errors"];

fn main() -> ExitCode {
    let check = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => {
            eprintln!("usage: cargo xtask gen [--check]");
            return ExitCode::from(2);
        }
    };
    // xtask runs this in the checkout, which need not be the one that it was compiled in: two may share a target folder.
    match run(Path::new("."), check) {
        Ok(said) => {
            println!("gen: {said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("gen: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(root: &Path, check: bool) -> Result<String, String> {
    let defaults = std::fs::read_to_string(root.join(DEFAULTS)).map_err(|error| format!("not in a checkout: {DEFAULTS}: {error}"))?;
    let pages = pages(&defaults);
    let stale = stale(root, &pages);
    if check {
        told(&stale)?;
    } else {
        stale.iter().try_for_each(|page| page.mend(root))?;
    }
    Ok(format!("{} pages, {} {}", pages.len(), stale.len(), if check { "stale" } else { "written" }))
}

fn pages(defaults: &str) -> Pages {
    let mut pages = Pages::new();
    pages.insert("docs/lifecycle.md".into(), lifecycle::page());
    let catalog = longshore_jobs::Catalog::standard();
    pages.insert("docs/kinds.md".into(), kinds::page(&catalog));
    pages.insert("docs/openapi.json".into(), format!("{:#}\n", longshore_api::openapi(&catalog.records())));
    pages.insert("docs/configuration.md".into(), configuration::page(defaults));
    pages.extend(errors::pages());
    pages
}

/// A file that is not what it should be; no text: it should not be.
struct Stale {
    path: PathBuf,
    text: Option<String>,
}

impl Stale {
    fn mend(&self, root: &Path) -> Result<(), String> {
        let file = root.join(&self.path);
        let done = match &self.text {
            Some(text) => file.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&file, text)),
            None => std::fs::remove_file(&file),
        };
        println!("gen: {}", self.path.display());
        done.map_err(|error| format!("{}: {error}", file.display()))
    }
}

fn stale(root: &Path, pages: &Pages) -> Vec<Stale> {
    let differs = |(path, text): &(&PathBuf, &String)| std::fs::read_to_string(root.join(path)).ok().as_ref() != Some(*text);
    let mut stale: Vec<Stale> =
        pages.iter().filter(differs).map(|(path, text)| Stale { path: path.clone(), text: Some(text.clone()) }).collect();
    for folder in OWNED {
        let files = std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
        let paths = files.map(|file| Path::new(folder).join(file.file_name()));
        stale.extend(paths.filter(|path| !pages.contains_key(path)).map(|path| Stale { path, text: None }));
    }
    stale
}

fn told(stale: &[Stale]) -> Result<(), String> {
    if stale.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = stale.iter().map(|page| page.path.display().to_string()).collect();
    Err(format!("not fresh, run `cargo xtask gen`: {}", names.join(", ")))
}

#[cfg(test)]
mod tests;
