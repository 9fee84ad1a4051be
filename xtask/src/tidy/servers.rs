//! Only `queue/src/redis` knows Redis; only `queue/src/sqlite`, `store` and `backup/src/sqlite` know SQL. Tests look where they like.

use super::{
    source,
    tree::{Fault, Tree},
};

/// (crate, the folders that may name it)
const HOMES: &[(&str, &[&str])] = &[
    ("redis", &["queue/src/redis/", "queue/src/redis.rs"]),
    ("rusqlite", &["queue/src/sqlite/", "queue/src/sqlite.rs", "store/", "backup/src/sqlite/", "backup/src/sqlite.rs"]),
    ("sqlx", &["store/"]),
];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.with("rs").filter(|file| !file.is_test()) {
        for (name, homes) in HOMES {
            // `mod redis; pub use redis::RedisBroker;` speaks of the module beside it.
            let own_module = file.text.lines().any(|line| line.trim_start_matches("pub ").trim() == format!("mod {name};"));
            if own_module || homes.iter().any(|home| file.path.starts_with(home)) {
                continue;
            }
            let named = file.lines().filter(|(_, line)| source::names_crate(source::code(line), name));
            faults.extend(named.map(|(at, _)| file.fault(at, format!("only {} may name the crate {name}", homes.join(" and ")))));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, check};

    #[test]
    fn at_home_and_in_tests_they_may_be_named() {
        let tree = Tree::of(&[
            ("queue/src/redis/mod.rs", "use redis::Client;"),
            ("queue/src/lib.rs", "mod redis;\npub use redis::RedisBroker;"),
            ("tests/it/servers.rs", "use redis::Client;"),
            ("store/src/lib.rs", "use sqlx::Row;"),
        ]);
        assert!(check(&tree).is_empty());
    }

    #[test]
    fn elsewhere_not() {
        let tree = Tree::of(&[("api/src/jobs.rs", "use redis::Client;"), ("worker/src/pool.rs", "let row: sqlx::Row = get();")]);
        assert_eq!(check(&tree).len(), 2);
    }
}
