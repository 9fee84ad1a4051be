//! Named statements: one `.sql` file per transition, sections that start with `-- name:`, and `{file.name}` for a shared piece.

use std::{collections::HashMap, sync::LazyLock};

macro_rules! files {
    ($($name:literal),*) => { &[$(($name, include_str!(concat!("sql/", $name, ".sql")))),*] };
}

const FILES: &[(&str, &str)] = files![
    "job", "tally", "scope", "park", "rule", "enqueue", "unique", "lease", "extend", "group", "tick", "deliver", "note", "purge",
    "workers", "read", "why", "around", "follow", "schedule", "fire"
];

/// The schema, oldest version first. `PRAGMA user_version` counts how many of them a file has.
pub(super) const SCHEMA: &[&str] = &[
    include_str!("sql/schema/001_jobs.sql"),
    include_str!("sql/schema/002_schedules.sql"),
    include_str!("sql/schema/003_letters.sql"),
    include_str!("sql/schema/004_ready_since.sql"),
];

/// Pieces that other statements include.
pub(super) const SHARED: &[&str] = &["job.columns", "scope.columns", "schedule.columns"];

static STATEMENTS: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let mut statements: HashMap<String, String> = FILES.iter().flat_map(|(file, text)| sections(file, text)).collect();
    for name in SHARED {
        let shared = statements.get(*name).cloned().unwrap_or_default();
        for text in statements.values_mut() {
            *text = text.replace(&format!("{{{name}}}"), &shared);
        }
    }
    statements
});

/// The statement `file.name`.
///
/// # Panics
/// When no file has it: a fault in the program, found by the test that prepares every name that the code uses.
pub(super) fn sql(name: &str) -> &'static str {
    STATEMENTS.get(name).unwrap_or_else(|| panic!("no statement is named {name}"))
}

/// Every statement's name.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    STATEMENTS.keys().map(String::as_str)
}

fn sections(file: &str, text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("-- name: ") {
            found.push((format!("{file}.{}", name.trim()), String::new()));
        } else if line.starts_with("--") {
        } else if let Some((_, body)) = found.last_mut() {
            body.push_str(line.trim());
            body.push('\n');
        }
    }
    for (_, body) in &mut found {
        *body = body.trim().to_owned();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{SCHEMA, SHARED, STATEMENTS};

    #[test]
    fn every_statement_fits_the_schema() {
        let file = rusqlite::Connection::open_in_memory().expect("a database in memory");
        SCHEMA.iter().for_each(|step| file.execute_batch(step).expect("the schema"));
        for (name, text) in STATEMENTS.iter().filter(|(name, _)| !SHARED.contains(&name.as_str())) {
            if let Err(fault) = file.prepare(text) {
                panic!("{name}: {fault}\n{text}");
            }
        }
    }

    #[test]
    fn every_name_in_the_code_has_a_statement() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sqlite");
        let files =
            STATEMENTS.keys().filter_map(|name| name.split_once('.')).map(|(file, _)| file).collect::<std::collections::HashSet<_>>();
        let mut seen = std::collections::HashSet::new();
        for entry in folder.read_dir().expect("the folder of this file").map(|entry| entry.expect("an entry").path()) {
            if entry.extension().is_none_or(|ext| ext != "rs") {
                continue;
            }
            let code = std::fs::read_to_string(&entry).expect("a source file");
            for literal in code.split('"').skip(1).step_by(1) {
                let named = literal.split_once('.').is_some_and(|(file, name)| {
                    files.contains(file) && !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
                });
                if named && !SHARED.contains(&literal) {
                    assert!(STATEMENTS.contains_key(literal), "{}: no statement {literal}", entry.display());
                    seen.insert(literal.to_owned());
                }
            }
        }
        let mut unused: Vec<_> = STATEMENTS.keys().filter(|name| !SHARED.contains(&name.as_str()) && !seen.contains(*name)).collect();
        unused.sort();
        assert!(unused.is_empty(), "no code uses {unused:?}");
    }
}
