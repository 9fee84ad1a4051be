//! No dead file: every `.rs` is reached from a crate's root by `mod`, every `.lua` and `.sql` is named by code of its crate.

use super::{
    source,
    tree::{Fault, File, Tree},
};
use std::collections::BTreeSet;

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut reached = BTreeSet::new();
    for (folder, manifest) in tree.all_manifests() {
        for root in roots(tree, folder, manifest) {
            follow(tree, &root, true, &mut reached);
        }
    }
    let rust = tree.with("rs").filter(|file| !reached.contains(&file.path)).map(|file| file.fault(0, "no `mod` reaches this file"));
    let scripts = tree.with("lua").chain(tree.with("sql")).filter(|file| !is_included(tree, file));
    rust.chain(scripts.map(|file| file.fault(0, "nothing includes this file"))).collect()
}

/// What cargo compiles by itself, and what the manifest names with `path = "….rs"`.
fn roots(tree: &Tree, folder: &str, manifest: &File) -> Vec<String> {
    let named = manifest.text.lines().filter_map(|line| line.trim().strip_prefix("path = \"")?.strip_suffix('"'));
    let mut roots: Vec<String> = named.filter(|path| path.ends_with(".rs")).map(|path| format!("{folder}/{path}")).collect();
    roots.extend(["src/lib.rs", "src/main.rs", "build.rs"].map(|path| format!("{folder}/{path}")));
    for targets in ["src/bin", "tests", "examples", "benches"] {
        let inside = |file: &&File| {
            file.path.strip_prefix(&format!("{folder}/{targets}/")).is_some_and(|rest| !rest.contains('/') || rest.ends_with("/main.rs"))
        };
        roots.extend(tree.with("rs").filter(inside).map(|file| file.path.clone()));
    }
    roots
}

fn follow(tree: &Tree, path: &str, root: bool, reached: &mut BTreeSet<String>) {
    let Some(file) = tree.get(path) else { return };
    if !reached.insert(path.to_owned()) {
        return;
    }
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = name.trim_end_matches(".rs");
    let inner = if root || stem == "mod" { folder.to_owned() } else { format!("{folder}/{stem}") };
    let mut placed: Option<String> = None;
    for line in file.text.lines() {
        let line = source::code(line).trim();
        if let Some(place) = line.strip_prefix("#[path = \"").and_then(|rest| rest.split_once('"')) {
            placed = Some(format!("{folder}/{}", place.0));
            continue;
        }
        let Some(module) = module(line) else { continue };
        match placed.take() {
            Some(place) => follow(tree, &place, true, reached),
            None => {
                follow(tree, &format!("{inner}/{module}.rs"), false, reached);
                follow(tree, &format!("{inner}/{module}/mod.rs"), false, reached);
            }
        }
    }
}

/// `pub(crate) mod name;` → name
fn module(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("mod ")?;
    let visible = before.is_empty() || before == "pub " || (before.starts_with("pub(") && before.ends_with(") "));
    rest.strip_suffix(';').filter(|name| visible && source::words(name).eq([*name]))
}

/// By its file name, by its stem as a literal, or as one of a folder of migrations.
fn is_included(tree: &Tree, script: &File) -> bool {
    let (folder, name) = script.path.rsplit_once('/').unwrap_or(("", &script.path));
    let top = script.path.split('/').next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let last = folder.rsplit('/').next().unwrap_or_default();
    tree.files()
        .iter()
        .filter(|file| file.path.starts_with(&format!("{top}/")) && (file.is("rs") || file.is("lua")) && file.path != script.path)
        .any(|file| {
            file.text.lines().any(|line| {
                let migrations = line.contains("migrate!(") && line.contains(last) || line.contains("include_dir!(") && line.contains(last);
                migrations
                    || line.contains(&format!("{name}\""))
                    || line.contains(&format!("\"{stem}\""))
                    || line.trim_start().starts_with(&format!("-- @include {stem}"))
            })
        })
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, check};

    #[test]
    fn reached_files_are_alive() {
        let tree = Tree::of(&[
            ("a/Cargo.toml", "[[test]]\npath = \"it/main.rs\"\n"),
            ("a/src/lib.rs", "mod b;\npub(crate) mod c;\n#[path = \"odd/place.rs\"]\nmod d;"),
            ("a/src/b.rs", "mod tests;"),
            ("a/src/b/tests.rs", ""),
            ("a/src/c/mod.rs", "const ACK: &str = include_str!(\"ack.lua\");\nmod e;"),
            ("a/src/c/e.rs", ""),
            ("a/src/c/ack.lua", ""),
            ("a/src/odd/place.rs", ""),
            ("a/it/main.rs", "mod f;"),
            ("a/it/f.rs", ""),
        ]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn the_others_are_dead() {
        let tree = Tree::of(&[
            ("a/Cargo.toml", ""),
            ("a/src/lib.rs", "// mod old;"),
            ("a/src/old.rs", ""),
            ("a/src/old.lua", ""),
            ("a/src/old.sql", ""),
        ]);
        assert_eq!(check(&tree).len(), 3);
    }
}
