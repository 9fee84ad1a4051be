//! Every error code has its page, and no page is left of a code that is gone.

use super::tree::{Fault, File, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let Some(table) = tree.get("base/src/code.rs") else { return Vec::new() };
    let codes: Vec<(usize, &str)> = codes(table);
    let page = |code: &str| format!("docs/errors/{code}.md");
    let missing = codes.iter().filter(|(_, code)| tree.get(&page(code)).is_none());
    let mut faults: Vec<Fault> =
        missing.map(|(at, code)| table.fault(*at, format!("{code} has no page: cargo xtask gen writes docs/errors/{code}.md"))).collect();
    let pages = tree.files().iter().filter(|file| file.path.starts_with("docs/errors/") && !file.path.ends_with("/README.md"));
    faults.extend(
        pages.filter(|file| !codes.iter().any(|(_, code)| page(code) == file.path)).map(|file| file.fault(0, "no code has this page")),
    );
    faults
}

/// The rows `Variant = "queue.full", 503, …` of the table.
fn codes(table: &File) -> Vec<(usize, &str)> {
    let row = |line: &'_ str| -> Option<(usize, usize)> {
        let (variant, rest) = line.trim().split_once(" = \"")?;
        let (code, after) = rest.split_once("\", ")?;
        let row = variant.chars().all(char::is_alphanumeric) && after.starts_with(|c: char| c.is_ascii_digit());
        let start = line.find(" = \"")? + 4;
        row.then_some((start, start + code.len()))
    };
    table.lines().filter_map(|(at, line)| row(line).map(|(from, to)| (at, &line[from..to]))).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, check};

    #[test]
    fn a_code_without_a_page_and_a_page_without_a_code() {
        let table =
            ("base/src/code.rs", "codes! {\n    Full = \"queue.full\", 503, \"Full\";\n    Lost = \"queue.lost\", 409, \"Lost\";\n}");
        let tree = Tree::of(&[table, ("docs/errors/queue.full.md", "# x"), ("docs/errors/queue.gone.md", "# y")]);
        let told: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2);
        assert!(told[0].starts_with("base/src/code.rs:3: queue.lost"), "{told:?}");
        assert!(told[1].starts_with("docs/errors/queue.gone.md:0"), "{told:?}");
    }
}
