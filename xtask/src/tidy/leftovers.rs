//! Nothing is left for later in the code: a thing that is missing is told in an issue, not in a comment.

use super::tree::{Fault, Tree};

const LOOKED_AT: &[&str] = &["rs", "lua", "sql", "toml", "ts", "py", "sh"];

/// In two halves, so that this file does not find itself.
const LEFT: &[(&str, &str)] =
    &[("todo", "!("), ("unimplemented", "!("), ("FIX", "ME"), ("TO", "DO"), ("XX", "X"), ("not yet ", "implemented"), ("HA", "CK:")];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.files().iter().filter(|file| LOOKED_AT.iter().any(|extension| file.is(extension))) {
        for (at, line) in file.lines() {
            if let Some(left) = LEFT.iter().map(|(a, b)| format!("{a}{b}")).find(|left| line.contains(left.as_str())) {
                faults.push(file.fault(at, format!("`{left}` is left here")));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, LEFT, check};

    #[test]
    fn each_of_them_is_found() {
        for (a, b) in LEFT {
            let text = format!("fn f() {{ {a}{b} }}\n");
            assert_eq!(check(&Tree::of(&[("a.rs", &text)])).len(), 1, "{text}");
        }
        assert!(check(&Tree::of(&[("a.rs", "//! Todo lists are kept by people.\n")])).is_empty());
    }
}
