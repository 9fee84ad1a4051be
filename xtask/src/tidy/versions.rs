//! One version of each direct dependency: the workspace names it, every crate takes it from there, and nobody lists what it does not use.

use super::{
    source,
    tree::{Fault, File, Tree},
};

/// Dependencies whose name never stands in the code of the crate that lists them.
const SILENT: &[(&str, &str, &str)] = &[];

/// What a manifest depends on, with the way it says so; faulty TOML depends on nothing and cargo tells about it.
pub(super) fn dependencies(manifest: &File) -> Vec<(String, toml::Value)> {
    let Ok(toml::Value::Table(table)) = manifest.text.parse::<toml::Table>().map(toml::Value::Table) else { return Vec::new() };
    let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
    sections.iter().filter_map(|section| table.get(*section)?.as_table()).flatten().map(|(k, v)| (k.clone(), v.clone())).collect()
}

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut used = std::collections::BTreeSet::new();
    for (folder, file) in tree.manifests() {
        for (name, value) in dependencies(file) {
            if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                faults.push(
                    file.fault(0, format!("{name}: its version belongs in the workspace's Cargo.toml, here `{name}.workspace = true`")),
                );
            }
            if !is_named(tree, folder, &name) && !SILENT.iter().any(|(own, silent, _)| *own == folder && *silent == name) {
                faults.push(file.fault(0, format!("{name} is listed, and nothing in {folder} names it")));
            }
            used.insert(name);
        }
    }
    let Some(root) = tree.get("Cargo.toml") else { return faults };
    let workspace = root.text.parse::<toml::Table>().ok();
    let listed = workspace.as_ref().and_then(|table| table.get("workspace")?.get("dependencies")?.as_table());
    for name in listed.into_iter().flatten().map(|(name, _)| name).filter(|name| !used.contains(*name)) {
        faults.push(root.fault(0, format!("no crate uses {name}")));
    }
    faults
}

/// Whether a source file below `folder`, and not of a crate below it, names the dependency in code.
fn is_named(tree: &Tree, folder: &str, dependency: &str) -> bool {
    let ident = dependency.replace('-', "_");
    let own_folder = format!("{folder}/");
    let folders = tree.manifests().map(|(other, _)| format!("{other}/"));
    let inner: Vec<String> = folders.filter(|other| other.starts_with(&own_folder) && *other != own_folder).collect();
    let own = tree.with("rs").filter(|file| file.path.starts_with(&own_folder));
    let mut own = own.filter(|file| !inner.iter().any(|inner| file.path.starts_with(inner)));
    own.any(|file| file.text.lines().any(|line| source::words(source::code(line)).any(|word| word == ident)))
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, check};

    #[test]
    fn a_version_of_its_own_is_refused() {
        let tree = Tree::of(&[("api/Cargo.toml", "[dependencies]\nurl = \"2\"\n"), ("api/src/lib.rs", "use url::Url;")]);
        assert_eq!(check(&tree).len(), 1);
    }

    #[test]
    fn what_nothing_names_is_refused() {
        let manifest = ("api/Cargo.toml", "[dependencies]\nhyper-util.workspace = true\n");
        assert!(check(&Tree::of(&[manifest, ("api/src/lib.rs", "use hyper_util::rt;")])).is_empty());
        assert_eq!(check(&Tree::of(&[manifest, ("api/src/lib.rs", "// hyper_util\n")])).len(), 1);
    }

    #[test]
    fn what_no_crate_uses_is_refused() {
        let tree = Tree::of(&[("Cargo.toml", "[workspace.dependencies]\nhex = \"1\"\n")]);
        assert_eq!(check(&tree).len(), 1);
    }
}
