//! CHANGELOG.md has an Unreleased section with something in it, at the top.

use super::tree::{Fault, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let fault = |what: &str| vec![Fault { path: "CHANGELOG.md".into(), line: 0, what: what.into() }];
    let Some(file) = tree.get("CHANGELOG.md") else { return fault("is missing") };
    let mut lines = file.text.lines().skip_while(|line| !line.starts_with("## "));
    match lines.next() {
        Some("## [Unreleased]") if lines.take_while(|line| !line.starts_with("## ")).any(|line| line.starts_with("- ")) => Vec::new(),
        Some("## [Unreleased]") => fault("`## [Unreleased]` lists nothing"),
        _ => fault("its first section should be `## [Unreleased]`"),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, check};

    #[test]
    fn unreleased_stands_first_and_lists_something() {
        let faults = |text: &str| check(&Tree::of(&[("CHANGELOG.md", text)])).len();
        assert_eq!(faults("# Changelog\n\n## [Unreleased]\n### Added\n- a queue\n"), 0);
        assert_eq!(faults("# Changelog\n\n## [Unreleased]\n\n## [0.1.0]\n- a queue\n"), 1);
        assert_eq!(faults("# Changelog\n\n## [0.1.0]\n- a queue\n"), 1);
        assert_eq!(check(&Tree::of(&[])).len(), 1);
    }
}
