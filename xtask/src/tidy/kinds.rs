//! `api`, `worker`, `scheduler` and `cli` cannot name a kind: the modules of `jobs` that hold kinds are private,
//! and no string literal of those four crates is a kind's name. A longer text (help, an example) may contain one.

use super::{
    source,
    tree::{Fault, File, Tree},
};

const ABOVE: &[&str] = &["api/src/", "worker/src/", "scheduler/src/", "cli/src/"];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let shipped: Vec<(&File, &str)> = tree
        .with("rs")
        .filter(|file| file.path.starts_with("jobs/src/") && !file.is_test())
        .flat_map(|file| file.text.lines().filter_map(kind_name).map(move |name| (file, name)))
        .collect();
    let mut faults = Vec::new();
    for file in tree.with("rs").filter(|file| ABOVE.iter().any(|above| file.path.starts_with(above)) && !file.is_test()) {
        let engine = file.lines().take_while(|(_, line)| line.trim() != "#[cfg(test)]");
        for (at, line) in engine {
            for literal in source::literals(line).into_iter().filter(|text| shipped.iter().any(|(_, name)| name == text)) {
                faults.push(file.fault(at, format!("this crate knows kinds from their records only, and names {literal}")));
            }
        }
    }
    faults.extend(tree.get("jobs/src/lib.rs").into_iter().flat_map(|lib| open_modules(lib, &shipped)));
    faults
}

/// `const NAME: &'static str = "demo.echo";` → demo.echo
fn kind_name(line: &str) -> Option<&str> {
    let rest = line.trim().strip_prefix("const NAME: &")?;
    rest.split_once('"')?.1.split_once('"').map(|(name, _)| name)
}

/// A module that holds kinds must be neither public nor exported from.
fn open_modules(lib: &File, shipped: &[(&File, &str)]) -> Vec<Fault> {
    let module = |file: &File| file.path.trim_start_matches("jobs/src/").split(['/', '.']).next().unwrap_or_default().to_owned();
    let domains: std::collections::BTreeSet<String> = shipped.iter().map(|(file, _)| module(file)).filter(|name| name != "lib").collect();
    let open = |line: &str| {
        domains.iter().any(|name| line.starts_with(&format!("pub mod {name}")) || line.starts_with(&format!("pub use {name}::")))
    };
    lib.lines().filter(|(_, line)| open(line.trim())).map(|(at, _)| lib.fault(at, "a module that holds kinds must stay private")).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, check};

    const ECHO: (&str, &str) = ("jobs/src/demo/echo.rs", "    const NAME: &'static str = \"demo.echo\";");

    #[test]
    fn help_may_show_a_kind() {
        let tree = Tree::of(&[ECHO, ("cli/src/enqueue.rs", "let help = \"longshore enqueue demo.echo '{}'\";")]);
        assert!(check(&tree).is_empty());
    }

    #[test]
    fn code_may_not_name_one() {
        let tree = Tree::of(&[ECHO, ("worker/src/run.rs", "if kind == \"demo.echo\" { skip(); }")]);
        assert_eq!(check(&tree).len(), 1);
    }

    #[test]
    fn kinds_stay_private() {
        let tree = Tree::of(&[ECHO, ("jobs/src/lib.rs", "pub mod demo;\npub use demo::Echo;\npub use kind::Kind;")]);
        assert_eq!(check(&tree).len(), 2);
    }
}
