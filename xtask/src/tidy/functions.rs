//! No function over 70 lines: what does not fit a screen has a part with a name of its own.
//! The code is formatted, so a function ends with the first `}` that stands where it began.

use super::{
    source,
    tree::{Fault, File, Tree},
};

const LINES_MAX: usize = 70;

/// (file, function, why it may be long)
const LONG: &[(&str, &str, &str)] = &[];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let functions = tree.with("rs").flat_map(|file| functions(file).into_iter().map(move |found| (file, found)));
    let long = functions
        .filter(|(file, (_, name, lines))| *lines > LINES_MAX && !LONG.iter().any(|(path, own, _)| *path == file.path && own == name));
    long.map(|(file, (at, name, lines))| file.fault(at, format!("{name} has {lines} lines; the limit is {LINES_MAX}"))).collect()
}

/// Where each function with a body begins, its name, and its lines.
fn functions(file: &File) -> Vec<(usize, &str, usize)> {
    let lines: Vec<&str> = file.text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = name(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let (end, one_line) = (format!("{indent}}}"), line.trim_end().ends_with([';', '}']));
        if let Some(length) = lines[at..].iter().position(|line| *line == end).filter(|_| !one_line) {
            found.push((at + 1, name, length + 1));
        }
    }
    found
}

/// `pub(crate) async fn name(…` → name
fn name(line: &str) -> Option<&str> {
    let (before, rest) = source::code(line).split_once("fn ")?;
    let modifier = |word: &str| matches!(word, "pub" | "async" | "const") || word.starts_with("pub(");
    before.split_whitespace().all(modifier).then(|| source::words(rest).next()).flatten()
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, check};

    fn with_lines(lines: usize) -> String {
        format!(
            "impl A {{\n    pub(crate) async fn long(\n        &self,\n    ) -> u8 {{\n{}    }}\n}}\n",
            "        x();\n".repeat(lines - 4)
        )
    }

    #[test]
    fn seventy_lines_are_enough() {
        assert!(check(&Tree::of(&[("a.rs", &with_lines(70))])).is_empty());
        let faults = check(&Tree::of(&[("a.rs", &with_lines(71))]));
        assert_eq!(faults.len(), 1);
        assert!(faults[0].what.starts_with("long has 71 lines"), "{}", faults[0]);
    }

    #[test]
    fn declarations_and_words_are_no_functions() {
        let text = format!("trait A {{\n    fn short(&self);\n}}\n// fn old() {{\n{}}}\n", "x\n".repeat(100));
        assert!(check(&Tree::of(&[("a.rs", &text)])).is_empty());
    }
}
