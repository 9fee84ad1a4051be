//! A link from one page of ours to another file leads somewhere.

use super::tree::{Fault, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for page in tree.with("md") {
        let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (at, line) in page.lines() {
            for target in targets(line) {
                if !joined(folder, target).is_some_and(|path| there(tree, &path)) {
                    faults.push(page.fault(at, format!("the link to {target} leads nowhere")));
                }
            }
        }
    }
    faults
}

/// What a line links to inside the tree, without the heading.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let ends = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    ends.map(|(target, _)| target.split('#').next().unwrap_or_default()).filter(|target| !target.is_empty() && !target.contains(':'))
}

/// None: outside of the tree.
fn joined(folder: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A file, or a folder of files.
fn there(tree: &Tree, path: &str) -> bool {
    tree.get(path).is_some() || tree.files().iter().any(|file| file.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, check};

    #[test]
    fn a_link_that_leads_nowhere_is_told() {
        let tree = Tree::of(&[
            ("README.md", "[a](docs/a.md) [b](docs/b.md#there), [folder](examples/x)\n[site](https://example.com/x)"),
            ("docs/a.md", "# A\n[home](../README.md#a) [self](#a)\n[gone](c.md) and [out](../../x.md)"),
            ("examples/x/main.rs", "//! x"),
        ]);
        let told: Vec<_> = check(&tree).into_iter().map(|fault| (fault.path, fault.line, fault.what)).collect();
        let nowhere = |path: &str, line, target: &str| (path.to_owned(), line, format!("the link to {target} leads nowhere"));
        assert_eq!(told, [nowhere("README.md", 1, "docs/b.md"), nowhere("docs/a.md", 3, "c.md"), nowhere("docs/a.md", 3, "../../x.md")]);
    }
}
