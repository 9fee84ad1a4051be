//! Crates depend downwards only: each stands on a floor, and an arrow ends on a lower one (docs/ARCHITECTURE.md draws them).
//! A few arrows that would go down are refused as well, because what they would bring is some other crate's business.

use super::tree::{Fault, Tree};

/// (folder, package, floor)
const FLOORS: &[(&str, &str, u8)] = &[
    ("base", "longshore-base", 0),
    ("config", "longshore-config", 1),
    ("queue", "longshore-queue", 2),
    ("store", "longshore-store", 2),
    ("dlq", "longshore-dlq", 3),
    ("backup", "longshore-backup", 3),
    ("jobs", "longshore-jobs", 4),
    ("worker", "longshore-worker", 5),
    ("scheduler", "longshore-scheduler", 5),
    ("api", "longshore-api", 5),
    ("bench", "longshore-bench", 5),
    ("cli", "longshore", 6),
    ("examples/own-kinds", "own-kinds", 7),
    ("tests/oracle", "longshore-oracle", 7),
    ("tests", "longshore-tests", 8),
    ("xtask/gen", "xtask-gen", 8),
    ("xtask", "xtask", 9),
];

/// (folder, dependency that it must not have, why)
const REFUSED: &[(&str, &str, &str)] = &[
    ("queue", "longshore-config", "a broker is told what it needs by the one who builds it"),
    ("worker", "axum", "a worker never speaks inbound HTTP"),
    ("worker", "hyper", "a worker never speaks inbound HTTP"),
    ("scheduler", "axum", "the scheduler never speaks inbound HTTP"),
    ("api", "apalis", "the API never runs a job"),
    ("api", "apalis-core", "the API never runs a job"),
    ("jobs", "axum", "a kind never speaks inbound HTTP"),
    ("xtask", "longshore", "xtask is the first thing that a newcomer builds: what needs the engine stands in xtask/gen"),
];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (folder, file) in tree.manifests() {
        let Some((.., floor)) = FLOORS.iter().find(|(own, ..)| *own == folder) else {
            faults.push(file.fault(0, "this crate has no floor in xtask/src/tidy/arrows.rs"));
            continue;
        };
        for dependency in super::versions::dependencies(file).into_iter().map(|(name, _)| name) {
            let below = FLOORS.iter().find(|(_, package, _)| *package == dependency);
            if below.is_some_and(|(.., other)| other >= floor) {
                faults.push(file.fault(0, format!("{folder} must not depend on {dependency}: arrows only go down")));
            }
            if let Some((.., why)) = REFUSED.iter().find(|(own, refused, _)| *own == folder && *refused == dependency) {
                faults.push(file.fault(0, format!("{folder} must not depend on {dependency}: {why}")));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, check};

    #[test]
    fn down_is_fine() {
        let tree = Tree::of(&[("jobs/Cargo.toml", "[dependencies]\nlongshore-queue.workspace = true\n")]);
        assert!(check(&tree).is_empty());
    }

    #[test]
    fn up_and_sideways_are_not() {
        let up = Tree::of(&[("queue/Cargo.toml", "[dev-dependencies]\nlongshore-jobs.workspace = true\n")]);
        assert_eq!(check(&up).len(), 1);
        let sideways = Tree::of(&[("api/Cargo.toml", "[dependencies]\nlongshore-worker.workspace = true\n")]);
        assert_eq!(check(&sideways).len(), 1);
    }

    #[test]
    fn refused_ones_and_unknown_crates_are_told() {
        assert_eq!(check(&Tree::of(&[("worker/Cargo.toml", "[dependencies]\naxum.workspace = true\n")])).len(), 1);
        assert_eq!(check(&Tree::of(&[("extra/Cargo.toml", "")])).len(), 1);
    }
}
