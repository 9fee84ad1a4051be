//! Every Rust file begins with what it is for (`//!`), every script and statement file with a comment that says the same.
//! A module's `tests.rs` says it by its name.

use super::tree::{Fault, Tree};

/// (extension, what its first line begins with)
const FIRST: &[(&str, &[&str])] = &[("rs", &["//!"]), ("sql", &["-- "]), ("lua", &["-- ", "--- ", "#!lua"])];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (extension, allowed) in FIRST {
        for file in tree.with(extension) {
            let first = file.text.lines().next().unwrap_or_default();
            if !file.path.ends_with("/tests.rs") && !allowed.iter().any(|begin| first.starts_with(begin)) {
                faults.push(file.fault(1, format!("the first line should say what this file is for, with `{}`", allowed[0].trim())));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, check};

    #[test]
    fn a_file_without_a_first_sentence_is_told() {
        let tree = Tree::of(&[
            ("a/src/lib.rs", "//! a — the first.\n"),
            ("a/src/b.rs", "use std::fmt;\n"),
            ("a/src/b/tests.rs", "use super::*;\n"),
            ("a/x.sql", "select 1;\n"),
            ("a/y.sql", "-- y: all of them.\nselect 1;\n"),
        ]);
        assert_eq!(check(&tree).iter().map(|fault| fault.path.as_str()).collect::<Vec<_>>(), ["a/src/b.rs", "a/x.sql"]);
    }
}
