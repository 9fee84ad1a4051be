//! Every crate says `[lints] workspace = true`: a crate without it is a crate without rules.

use super::tree::{Fault, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (_, file) in tree.manifests() {
        let table = file.text.parse::<toml::Table>().unwrap_or_default();
        let takes = table.get("lints").and_then(|lints| lints.get("workspace")?.as_bool());
        if takes != Some(true) {
            faults.push(file.fault(0, "`[lints] workspace = true` is missing"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, check};

    #[test]
    fn a_crate_without_the_lints_is_told() {
        let tree = Tree::of(&[("a/Cargo.toml", "[lints]\nworkspace = true\n"), ("b/Cargo.toml", "[package]\nname = \"b\"\n")]);
        let faults = check(&tree);
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].path, "b/Cargo.toml");
    }
}
