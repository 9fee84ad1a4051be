//! No file over 500 lines without a reason that stands here; and no reason for a file that no longer needs it.

use super::tree::{Fault, Tree};

const LINES_MAX: usize = 500;
const COUNTED: &[&str] = &["rs", "lua", "sql", "toml", "md", "ts", "py", "sh"];

/// (file, why it may be long)
const LONG: &[(&str, &str)] = &[];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    check_with(tree, LONG)
}

fn check_with(tree: &Tree, listed: &[(&str, &str)]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.files().iter().filter(|file| COUNTED.iter().any(|extension| file.is(extension))) {
        let (lines, reason) = (file.text.lines().count(), listed.iter().find(|(path, _)| *path == file.path));
        match (lines > LINES_MAX, reason) {
            (true, None) => faults.push(file.fault(0, format!("{lines} lines; split it, or give the reason in xtask/src/tidy/length.rs"))),
            (false, Some(_)) => faults.push(file.fault(0, "no longer needs its reason in xtask/src/tidy/length.rs")),
            _ => {}
        }
    }
    let gone = listed.iter().filter(|(path, _)| tree.get(path).is_none());
    faults.extend(gone.map(|(path, _)| Fault { path: (*path).into(), line: 0, what: "is listed as long, and is gone".into() }));
    faults
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, check_with};

    #[test]
    fn long_files_need_a_reason_and_short_ones_none() {
        let long = "x\n".repeat(501);
        let tree = Tree::of(&[("a.rs", &long), ("b.rs", &long), ("c.rs", "x\n")]);
        let paths: Vec<String> = check_with(&tree, &[("b.rs", "a table"), ("c.rs", "once")]).into_iter().map(|fault| fault.path).collect();
        assert_eq!(paths, ["a.rs", "c.rs"]);
        assert_eq!(check_with(&Tree::of(&[]), &[("d.rs", "gone")]).len(), 1);
    }
}
