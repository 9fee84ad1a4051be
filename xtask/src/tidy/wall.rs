//! Time and chance are arguments, and only `config` reads the environment. Clippy bans the calls; an `expect` of that lint is a door,
//! and the doors are listed here.

use super::tree::{Fault, Tree};

/// (file or folder, why it may)
const DOORS: &[(&str, &str)] = &[
    ("base/src/clock.rs", "the machine's clock"),
    ("base/src/random.rs", "the machine's random source"),
    ("config/src/", "the environment"),
    ("bench/src/clock.rs", "a benchmark measures real time, of several processes"),
    ("backup/src/sqlite/copy.rs", "SQLite asks on its own thread how long to wait for a lock, and has no signal for it"),
];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.with("rs").filter(|file| !file.is_test() && !DOORS.iter().any(|(door, _)| file.path.starts_with(door))) {
        let opened = file.lines().filter(|(_, line)| line.contains("clippy::disallowed_methods"));
        faults
            .extend(opened.map(|(at, _)| {
                file.fault(at, "take Clock, Random or Settings as an argument, or list the door in xtask/src/tidy/wall.rs")
            }));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, check};

    #[test]
    fn only_listed_doors_open() {
        let door = "#[expect(clippy::disallowed_methods, reason = \"x\")]";
        let tree = Tree::of(&[("base/src/clock.rs", door), ("tests/it/wait.rs", door), ("worker/src/pool.rs", door)]);
        let faults = check(&tree);
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].path, "worker/src/pool.rs");
    }
}
