//! Every metric stands in docs/operating.md with its meaning and unit, and the page names none that is gone.

use super::{
    source,
    tree::{Fault, Tree},
};

const PAGE: &str = "docs/operating.md";
/// Names that begin like a metric and are none.
const CRATES: &[&str] = &["api", "base", "bench", "cli", "config", "data", "dlq", "jobs", "queue", "scheduler", "store", "tests", "worker"];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let sources = tree.with("rs").filter(|file| !file.is_test());
    let known: Vec<_> = sources
        .flat_map(|file| file.lines().flat_map(move |(at, line)| metrics(line).into_iter().map(move |name| (file, at, name))))
        .collect();
    let Some(page) = tree.get(PAGE) else {
        return known.iter().map(|(file, at, name)| file.fault(*at, format!("{name} is not in {PAGE}"))).collect();
    };
    let told: Vec<(usize, &str)> =
        page.lines().flat_map(|(at, line)| source::words(line).filter(|word| is_metric(word)).map(move |word| (at, word))).collect();
    let missing = known.iter().filter(|(.., name)| !told.iter().any(|(_, word)| word == name));
    let mut faults: Vec<Fault> = missing.map(|(file, at, name)| file.fault(*at, format!("{name} is not in {PAGE}"))).collect();
    let gone = told.iter().filter(|(_, word)| !known.iter().any(|(.., name)| name == word));
    faults.extend(gone.map(|(at, word)| page.fault(*at, format!("{word} is no metric"))));
    faults
}

fn metrics(line: &str) -> Vec<&str> {
    source::literals(line).into_iter().filter(|text| is_metric(text)).collect()
}

/// `longshore_…` in lower case, and not the name of a crate.
fn is_metric(text: &str) -> bool {
    let rest = text.strip_prefix("longshore_");
    rest.is_some_and(|rest| {
        !CRATES.contains(&rest) && !rest.is_empty() && rest.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, check};

    #[test]
    fn metrics_and_their_page_agree() {
        let code = ("worker/src/meter.rs", "counter!(\"longshore_jobs_started_total\"); use longshore_queue::Job;");
        assert!(check(&Tree::of(&[code, ("docs/operating.md", "| `longshore_jobs_started_total` | x |")])).is_empty());
        assert_eq!(check(&Tree::of(&[code, ("docs/operating.md", "| `longshore_jobs_gone_total` | x |")])).len(), 2);
        assert_eq!(check(&Tree::of(&[code])).len(), 1);
    }
}
