//! Nothing here knows one machine or one mirror: no home folder, no registry but the default one.

use super::tree::{Fault, Tree};

/// In two halves, so that this file does not find itself.
const PLACES: &[(&str, &str)] = &[
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("/Us", "ers/"),
    ("C:\\Us", "ers"),
    ("artifac", "tory"),
    ("registry.npm", "js"),
    ("static.crates", ".io"),
];
const SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.files() {
        for (at, line) in file.lines() {
            if let Some(place) = PLACES.iter().map(|(a, b)| format!("{a}{b}")).find(|place| line.contains(place.as_str())) {
                faults.push(file.fault(at, format!("`{place}` is a place of one machine or mirror")));
            }
            let source = line.strip_prefix("source = \"").filter(|_| file.path == "Cargo.lock");
            if source.is_some_and(|source| source.trim_end_matches('"') != SOURCE) {
                faults.push(file.fault(at, "a crate from another place than the default registry"));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, PLACES, SOURCE, check};

    #[test]
    fn each_of_them_is_found() {
        for (a, b) in PLACES {
            assert_eq!(check(&Tree::of(&[("docs/x.md", &format!("see {a}{b}x\n"))])).len(), 1);
        }
    }

    #[test]
    fn the_lock_file_knows_one_registry() {
        let (ours, other) = (format!("source = \"{SOURCE}\"\n"), "source = \"git+https://example.org/x\"\n");
        assert!(check(&Tree::of(&[("Cargo.lock", &ours)])).is_empty());
        assert_eq!(check(&Tree::of(&[("Cargo.lock", other)])).len(), 1);
    }
}
