//! `longshore schedules …` and `operations …` against a running `longshore up`.

use crate::harness::{
    eventually, folder,
    longshore::{Longshore, Ran, path},
};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};

const SOON: Duration = Duration::from_secs(20);

fn put(up: &Longshore, name: &str, more: &[&str]) -> Value {
    let own = ["schedules", "put", name, "--kind", "demo.echo", "--args", r#"{"n":1}"#];
    up.json(&own.into_iter().chain(more.iter().copied()).collect::<Vec<_>>())
}

fn apply(up: &Longshore, file: &Path, text: &str, flags: &[&str]) -> Ran {
    std::fs::write(file, text).expect("a file");
    up.run(&["schedules", "apply", path(file)].into_iter().chain(flags.iter().copied()).collect::<Vec<_>>())
}

fn names(up: &Longshore) -> Vec<String> {
    let all = up.json(&["schedules", "list"]);
    let title = |item: &Value| format!("{}/{}", item["tenant"].as_str().unwrap_or_default(), item["name"].as_str().unwrap_or_default());
    all["items"].as_array().expect("items").iter().map(title).collect()
}

#[tokio::test]
async fn a_schedule_is_put_watched_paused_run_and_removed() {
    let up = Longshore::up().await;
    let bad =
        up.run(&["schedules", "put", "x", "--kind", "demo.sleep", "--args", r#"{"ms":"x"}"#, "--cron", "61 * * * *", "--timezone", "Mars"]);
    assert!(bad.code == 1 && ["/args/ms", "/cron", "/timezone"].iter().all(|part| bad.told.contains(part)), "{}", bad.told);
    assert_eq!(up.run(&["schedules", "put", "x", "--kind", "demo.echo", "--cron", "@daily", "--every", "5m"]).code, 2);
    assert_eq!(put(&up, "tried", &["--every", "1s", "--dry-run"])["revision"], 0);
    assert!(names(&up).is_empty(), "a dry run keeps nothing");

    put(&up, "often", &["--every", "1s", "--tag", "a"]);
    eventually("it ticks", SOON, async || up.json(&["schedules", "show", "often"])["last_tick"]["outcome"] == "started").await;
    let last = up.json(&["schedules", "ticks", "often", "--limit", "1"])["ticks"][0].clone();
    let job = up.json(&["jobs", "show", last["job"].as_str().expect("a job")]);
    assert_eq!((&job["tick"], &job["tags"]), (&json!({ "schedule": "often", "at": last["at"] }), &json!(["a"])));

    assert_eq!(up.run(&["schedules", "pause", "often", "--reason", "a test"]).code, 0);
    let table = up.run(&["schedules", "list"]).out;
    assert!(["NAME", "OUTCOME", "LATE", "every 1s", "a test"].iter().all(|part| table.contains(part)), "{table}");
    assert_eq!(
        up.run(&["schedules", "put", "often", "--kind", "demo.echo", "--args", "{}", "--revision", "1"]).code,
        1,
        "it has changed since"
    );
    let ran = up.json(&["schedules", "run", "often", "--idempotency-key", "k"]);
    assert_eq!((&ran["outcome"], &ran["by_hand"]), (&json!("started"), &json!(true)), "also while it is paused");
    assert_eq!(up.json(&["schedules", "run", "often", "--idempotency-key", "k"])["job"], ran["job"]);
    assert_eq!(up.run(&["jobs", "watch", ran["job"].as_str().expect("a job")]).code, 0);
    assert_eq!(up.run(&["schedules", "resume", "often"]).code, 0);

    put(&up, "nightly", &["--cron", "30 2 * * *", "--timezone", "Europe/Berlin"]);
    let next = up.run(&["schedules", "next", "nightly", "-n", "2", "--after", "2027-03-27T12:00:00Z"]).out;
    assert!(next.contains("2027-03-28T03:00:00+02:00") && next.contains("2027-03-28T01:00:00.000Z"), "the hour that is not: {next}");
    for name in ["often", "nightly"] {
        assert_eq!(up.run(&["schedules", "remove", name]).code, 0);
    }
    assert_eq!((up.run(&["schedules", "show", "often"]).code, names(&up).len()), (1, 0));
}

#[tokio::test]
async fn a_file_is_applied_as_it_is_shown() {
    let up = Longshore::up().await;
    let file = folder("schedules").join("house.toml");
    let table = |name: &str, more: &str| format!("[[schedule]]\nname = \"{name}\"\nkind = \"demo.echo\"\nargs = {{ n = 1 }}\n{more}\n");
    let nightly = |cron: &str| table("nightly", &format!("cron = \"{cron}\""));
    let both = nightly("0 3 * * *") + &table("pull", "every_ms = 60000\ntenants = [\"acme\", \"other\"]");

    let tried = apply(&up, &file, &both, &["--dry-run"]);
    assert!(
        tried.code == 0 && tried.out.contains("+ acme/pull") && tried.out.contains("nothing was changed"),
        "{}{}",
        tried.out,
        tried.told
    );
    assert!(names(&up).is_empty());
    let done = apply(&up, &file, &both, &[]);
    assert!(done.out.contains("3 made, 0 changed, 0 removed"), "{}{}", done.out, done.told);
    assert_eq!(names(&up), ["acme/pull", "default/nightly", "other/pull"]);
    assert_eq!(up.json(&["schedules", "show", "nightly"])["managed_by"], "house");
    let same = apply(&up, &file, &both, &[]);
    assert!(same.out.contains("= acme/pull") && same.out.contains("0 made, 0 changed, 0 removed; 3 as they were"), "{}", same.out);

    // A fault anywhere: each is told, and nothing is done.
    let bad = nightly("0 4 * * *") + &table("a", "cron = \"99 * * * *\"") + &table("b", "every_ms = 5\ncolour = 1\ntenant = \"acme\"");
    let refused = apply(&up, &file, &bad, &["--prune"]);
    assert_eq!(refused.code, 1);
    for part in ["a: /cron", "acme/b: /every_ms", "acme/b: /colour", "nothing was changed"] {
        assert!(refused.told.contains(part), "{part}: {}", refused.told);
    }
    assert_eq!(up.json(&["schedules", "show", "nightly"])["cron"], "0 3 * * *");
    assert!(apply(&up, &file, "[[schedule]]\nkind = 1", &[]).told.contains("schedule 1: /name"));

    put(&up, "by-hand", &["--every", "1h"]);
    let less = nightly("0 4 * * *");
    let left = apply(&up, &file, &less, &[]);
    for part in ["cron: 0 3 * * * → 0 4 * * *", "- acme/pull", "--prune removes them", "0 made, 1 changed, 0 removed"] {
        assert!(left.out.contains(part), "{part}: {}", left.out);
    }
    assert_eq!(names(&up).len(), 4, "what is gone from the file is left");
    assert!(apply(&up, &file, &less, &["--prune"]).out.contains("0 made, 0 changed, 2 removed"));
    assert_eq!(names(&up), ["default/by-hand", "default/nightly"], "what somebody else declared is left");
    let told = up.json(&["schedules", "apply", path(&file)]);
    assert_eq!((&told["managed_by"], &told["changes"][0]["change"], &told["applied"]), (&json!("house"), &json!("unchanged"), &json!(0)));
}

#[tokio::test]
async fn a_backfill_is_confirmed_watched_and_cancelled() {
    let up = Longshore::up().await;
    put(&up, "minutely", &["--cron", "* * * * *", "--tag", "filled"]);
    let backfill =
        |more: &[&str]| up.run(&["schedules", "backfill", "minutely"].into_iter().chain(more.iter().copied()).collect::<Vec<_>>());
    let large = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-08T00:00:00Z"];
    let refused = backfill(&large);
    assert!(refused.code == 1 && refused.told.contains("--confirm 10080"), "{}", refused.told);
    let none = backfill(&["--from", "2026-01-01T00:00:01Z", "--to", "2026-01-01T00:00:30Z"]);
    assert!(none.code == 0 && none.out.contains("no tick"), "{}{}", none.out, none.told);

    let small = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T00:10:00Z", "--per-second", "1000", "--watch"];
    let watched = backfill(&small);
    assert!(watched.code == 0 && watched.out.contains("10 of 10 made"), "{}{}", watched.out, watched.told);
    let jobs = up.json(&["jobs", "list", "--kind", "demo.echo", "--tag", "filled", "--limit", "1000"]);
    let of_2026 = |job: &&Value| job["tick"]["at"].as_str().is_some_and(|at| at.starts_with("2026-01-01T00:0"));
    assert_eq!(jobs["items"].as_array().map(|items| items.iter().filter(of_2026).count()), Some(10));
    let again = backfill(&small);
    assert!(again.code == 0 && again.out.contains("0 of 10 made, 10 passed over"), "their jobs are there: {}{}", again.out, again.told);

    let started = backfill(&[&large[..], &["--confirm", "10080", "--per-second", "1", "--json"]].concat());
    let answer: Value = serde_json::from_str(&started.out).unwrap_or_else(|_| panic!("{}", started.told));
    let operation = answer["operation"].as_str().expect("an operation").to_owned();
    eventually("it has begun", SOON, async || up.json(&["operations", "show", &operation])["made"].as_u64() > Some(0)).await;
    assert_eq!(up.run(&["operations", "cancel", &operation]).code, 0);
    eventually("it stops", SOON, async || up.json(&["operations", "show", &operation])["state"] == "cancelled").await;
    assert_eq!(up.run(&["operations", "show", "0199b0c4-0000-7000-8000-000000000001"]).code, 1);
}
