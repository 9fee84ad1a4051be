//! Every promise of the queue has a test that is named after it, and every such test a promise: `queue/src/conformance/bullets.toml`
//! lists what is built, and what is open with the work that brings it.

use super::tree::{Fault, Tree};
use std::collections::BTreeMap;

const BULLETS: &str = "queue/src/conformance/bullets.toml";
const SUITE: &str = "queue/src/conformance/";
/// The cases that run for every broker.
const RUN: &str = "queue/src/conformance/list.rs";

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let Some(file) = tree.get(BULLETS) else {
        return vec![Fault { path: BULLETS.into(), line: 0, what: "is missing".into() }];
    };
    let bullets = match file.text.parse::<toml::Table>() {
        Ok(bullets) => bullets,
        Err(error) => return vec![file.fault(0, error.to_string())],
    };
    let section = |name: &str| bullets.get(name).and_then(toml::Value::as_table).cloned().unwrap_or_default();
    let (built, open) = (section("built"), section("open"));
    let tests = tests(tree);

    let mut faults = Vec::new();
    for (key, value) in &built {
        let proved = match value.get("by").and_then(toml::Value::as_str) {
            Some(by) => tests.contains_key(by),
            None => tests.keys().any(|test| belongs(test, key)),
        };
        if !proved {
            faults.push(file.fault(line_of(&file.text, key), format!("no test proves {key}")));
        }
    }
    for (key, value) in &open {
        if value.as_str().is_none_or(|work| !work.contains(": ")) {
            faults.push(file.fault(line_of(&file.text, key), format!("{key} does not say which work brings it")));
        }
        if let Some(test) = tests.keys().find(|test| belongs(test, key)) {
            faults.push(file.fault(line_of(&file.text, key), format!("{test} proves {key}, which is listed as open")));
        }
    }
    let named = tests.iter().filter(|(test, _)| is_bullet(test) && !built.keys().any(|key| belongs(test, key)));
    faults.extend(named.map(|(test, (path, line))| Fault {
        path: (*path).into(),
        line: *line,
        what: format!("{test} is named after a bullet that {BULLETS} does not list as built"),
    }));
    let run = tree.get(RUN).map_or("", |file| file.text.as_str());
    let cases = tests.iter().filter(|(test, (path, _))| is_bullet(test) && path.starts_with(SUITE));
    let idle = cases.filter(|(test, _)| !run.split_whitespace().any(|word| word == **test));
    faults.extend(idle.map(|(test, (path, line))| Fault {
        path: (*path).into(),
        line: *line,
        what: format!("{test} is not listed in {RUN}, so no broker is tried by it"),
    }));
    faults
}

/// Every function by its name, with its place.
fn tests(tree: &Tree) -> BTreeMap<&str, (&str, usize)> {
    let lines = tree
        .with("rs")
        .filter(|file| !file.path.starts_with("xtask/"))
        .flat_map(|file| file.lines().map(move |(at, line)| (file, at, line)));
    let name = |line: &'_ str| -> Option<(usize, usize)> {
        let from = line.find("fn ")? + 3;
        let to = from + line[from..].find(['(', '<'])?;
        Some((from, to))
    };
    lines.filter_map(|(file, at, line)| name(line).map(|(from, to)| (&line[from..to], (file.path.as_str(), at)))).collect()
}

/// `q4_waiting_races` belongs to `q4_waiting` and not to `q4_wait`.
fn belongs(test: &str, key: &str) -> bool {
    test.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

/// `q` and the number of a section.
fn is_bullet(test: &str) -> bool {
    test.strip_prefix('q').and_then(|rest| rest.split_once('_')).is_some_and(|(section, _)| section.parse::<u8>().is_ok())
}

fn line_of(text: &str, key: &str) -> usize {
    text.lines().position(|line| line.split([' ', '=']).next() == Some(key)).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, check};

    const LIST: (&str, &str) = (
        "queue/src/conformance/bullets.toml",
        "[built]\nq2_lane = \"Order.\"\nq8_files = { says = \"One owner.\", by = \"a_second_is_refused\" }\n[open]\nq2_budgets = \"Lanes: budgets\"\n",
    );

    fn told(code: &str) -> Vec<String> {
        check(&Tree::of(&[LIST, ("tests/it/a.rs", code)])).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn proved_bullets_are_fine() {
        assert_eq!(
            told("pub async fn q2_lane_keeps_order(c: &Case) {}\nfn a_second_is_refused() {}\nfn quick_one() {}"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_case_of_the_suite_that_no_broker_runs_is_told() {
        let case = ("queue/src/conformance/lanes.rs", "pub async fn q2_lane_keeps_order(c: &Case) {}\nfn a_second_is_refused() {}");
        let list = |text| ("queue/src/conformance/list.rs", text);
        assert!(check(&Tree::of(&[LIST, case, list("lanes:\n    q2_lane_keeps_order\n ;")])).is_empty());
        assert_eq!(check(&Tree::of(&[LIST, case, list("lanes: ;")])).len(), 1);
    }

    #[test]
    fn a_bullet_without_a_test_is_told() {
        let told = told("fn a_second_is_refused() {}");
        assert_eq!(told, ["queue/src/conformance/bullets.toml:2: no test proves q2_lane"]);
    }

    #[test]
    fn a_test_without_a_bullet_and_an_open_one_that_is_proved_are_told() {
        let told = told("fn q2_lane() {}\nfn a_second_is_refused() {}\nfn q2_lanes_too() {}\nfn q2_budgets_reserve() {}");
        assert_eq!(told.len(), 3, "{told:?}");
    }
}
