use super::{Keeping, Plan, UNFINISHED_MS, plan};
use crate::{Listed, manifest::tests::draft};
use longshore_base::{Millis, rfc3339};

fn at(text: &str) -> Millis {
    chrono::DateTime::parse_from_rfc3339(text).expect("a time").timestamp_millis()
}

fn good(text: &str) -> Listed {
    let mut draft = draft();
    draft.started_at_ms = at(text);
    draft.started_at = rfc3339(draft.started_at_ms);
    draft.run = text.into();
    Listed::Good(Box::new(draft.sealed()))
}

fn kept(plan: &Plan) -> Vec<String> {
    plan.kept.iter().map(|kept| format!("{}: {}", &kept.at[..16], kept.why.join(", "))).collect()
}

const NOW: &str = "2026-11-23T12:00:00Z";

fn check(times: &[&str], keeping: (u32, u32, u32), wanted: &[&str]) {
    let listed: Vec<_> = times.iter().map(|time| good(time)).collect();
    let (daily, weekly, monthly) = keeping;
    let plan = plan(&listed, Keeping { daily, weekly, monthly }, at(NOW));
    assert_eq!(kept(&plan), wanted);
    assert_eq!(plan.kept.len() + plan.removed.len(), times.len(), "every one stays or goes");
}

#[test]
fn the_newest_of_each_period_stays_and_says_why() {
    let times = [
        "2026-09-30T23:59:59Z",
        "2026-10-01T00:00:00Z",
        "2026-10-31T10:00:00Z",
        "2026-11-15T23:00:00Z",
        "2026-11-16T01:00:00Z",
        "2026-11-22T05:00:00Z",
        "2026-11-22T22:00:00Z",
        "2026-11-23T02:00:00Z",
        "2026-11-23T03:00:00Z",
    ];
    check(
        &times,
        (2, 3, 3),
        &[
            "2026-11-23T03:00: newest, daily 2026-11-23, weekly 2026-W48, monthly 2026-11",
            "2026-11-22T22:00: daily 2026-11-22, weekly 2026-W47",
            "2026-11-15T23:00: weekly 2026-W46",
            "2026-10-31T10:00: monthly 2026-10",
            "2026-09-30T23:59: monthly 2026-09",
        ],
    );
}

#[test]
fn periods_without_a_backup_do_not_count() {
    let times = ["2024-02-29T00:00:00Z", "2025-12-29T12:00:00Z", "2026-01-01T12:00:00Z"];
    check(
        &times,
        (3, 0, 0),
        &["2026-01-01T12:00: newest, daily 2026-01-01", "2025-12-29T12:00: daily 2025-12-29", "2024-02-29T00:00: daily 2024-02-29"],
    );
    // Both days at the turn of the year are of the first ISO week of 2026.
    check(&times, (0, 2, 0), &["2026-01-01T12:00: newest, weekly 2026-W01", "2024-02-29T00:00: weekly 2024-W09"]);
}

#[test]
fn the_last_good_one_stays_whatever_the_numbers_say() {
    check(&["2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"], (0, 0, 0), &["2021-01-01T00:00: newest"]);
    check(&[], (0, 0, 0), &[]);
}

#[test]
fn what_is_damaged_or_unfinished_is_no_backup_and_is_told() {
    let damaged = Listed::Damaged { manifest: "db/z/manifest.json".into(), why: "cut".into() };
    let unfinished =
        |run: &str, ago| Listed::Unfinished { run: run.into(), files: vec![format!("db/{run}/data")], modified: at(NOW) - ago };
    let listed = [good("2026-01-01T00:00:00Z"), unfinished("old", UNFINISHED_MS + 1), unfinished("new", UNFINISHED_MS), damaged];
    let plan = plan(&listed, Keeping { daily: 0, weekly: 0, monthly: 0 }, at(NOW));
    assert_eq!(kept(&plan), ["2026-01-01T00:00: newest"], "a damaged one that is newer keeps nothing away");
    assert_eq!(plan.leftovers, ["db/old/data"]);
    let spared: Vec<_> = plan.spared.iter().map(|one| one.what.as_str()).collect();
    assert_eq!((spared, plan.removed), (vec!["new", "db/z/manifest.json"], vec![]));
}
