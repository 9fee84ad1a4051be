//! The page of metrics and what is served: every metric that is shown is listed with its labels, and those that are always there are shown.

use crate::{
    harness::{folder, free_port, longshore::Longshore},
    scenarios::Engine,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(30);
const PAGE: &str = include_str!("../../../docs/operating.md");

/// (metric, labels) of the page's tables: `| `name` | a, b | meaning |`.
fn listed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `longshore_") && line.matches('|').count() >= 4);
    let row = |line: &'static str| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let labels = cells[1].split(',').map(str::trim).filter(|label| !label.is_empty()).collect();
        (cells[0].trim_matches('`'), labels, cells[2])
    };
    let mut all = BTreeMap::new();
    for (name, labels, meaning) in rows.map(row).filter(|(name, ..)| !name.contains(' ')) {
        assert!(!meaning.is_empty(), "{name} has no meaning");
        assert!(all.insert(name, labels).is_none(), "{name} is listed twice");
    }
    all
}

/// (metric, labels) of what is served, without those that belong to histograms.
fn shown(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut histograms = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            if kind == "histogram" {
                histograms.insert(name.to_owned());
            }
            all.entry(name.to_owned()).or_default();
        } else if !line.starts_with('#') && !line.is_empty() {
            let (name, rest) = line.split_once(['{', ' ']).expect("a sample");
            let parts = ["_bucket", "_sum", "_count"];
            let whole = parts.iter().find_map(|part| name.strip_suffix(part).filter(|whole| histograms.contains(*whole))).unwrap_or(name);
            let labels = rest.split_once('}').map_or("", |(labels, _)| labels);
            let names = labels.split("\",").filter_map(|pair| pair.split_once("=\"")).map(|(label, _)| label.to_owned());
            all.entry(whole.to_owned()).or_default().extend(names.filter(|label| label != "le"));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_is_shown_is_listed_with_its_labels() {
    let mut engine = Engine::up(&[]).await;
    engine.call("PUT", "/v1/queues/default/limits", Some(json!({ "max_running": 8 }))).await;
    engine.call("PUT", "/v1/resources/quota", Some(json!({ "max_running": 4 }))).await;
    engine.call("PUT", "/v1/queues/default/scale", Some(json!({ "slots": 8 }))).await;
    engine.call("PUT", "/v1/schedules/often", Some(json!({ "every_ms": 1000, "kind": "demo.echo", "args": {} }))).await;
    let jobs = [
        json!({ "kind": "demo.echo", "args": {} }),
        json!({ "kind": "demo.fail", "args": { "fatal": true } }),
        json!({ "kind": "demo.echo", "args": {}, "delay_ms": 100 }),
    ];
    let ids = engine.enqueue(jobs.to_vec()).await;
    for (id, state) in ids.iter().zip(["completed", "dead", "completed"]) {
        engine.until(id, state, SOON).await;
    }
    let listed = listed();
    let always = [
        "longshore_broker_up",
        "longshore_queue_jobs",
        "longshore_queue_slots",
        "longshore_resource_running",
        "longshore_jobs_started_total",
        "longshore_jobs_ended_total",
        "longshore_attempt_duration_seconds",
        "longshore_http_requests_total",
        "longshore_http_request_seconds",
        "longshore_schedule_ticks_total",
        "longshore_chores_total",
        "longshore_rule_changes_total",
    ];
    crate::harness::eventually("what is counted is shown", SOON, async || {
        let Value::String(text) = engine.get("/metrics").await else { panic!("/metrics is text") };
        let shown = shown(&text);
        for (name, labels) in &shown {
            let told = listed.get(name.as_str()).unwrap_or_else(|| panic!("{name} is shown and not listed in docs/operating.md"));
            assert!(
                labels.iter().map(String::as_str).eq(told.iter().copied()) || labels.is_empty(),
                "{name} has {labels:?}; listed are {told:?}"
            );
        }
        let missing: Vec<_> = always.iter().filter(|name| !shown.contains_key(**name)).collect();
        println!("not shown yet: {missing:?}");
        missing.is_empty()
    })
    .await;
    engine.front().kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_bounded_whatever_people_make() {
    const QUEUES: usize = 230;
    // Workers are not the matter here.
    let mut engine = Engine::up(&[("LONGSHORE_WORKER__QUEUES", "default")]).await;
    let jobs: Vec<_> =
        (0..QUEUES).map(|n| json!({ "kind": "demo.echo", "args": {}, "queue": format!("q{n:03}"), "delay_ms": 3_600_000 })).collect();
    for some in jobs.chunks(30) {
        engine.enqueue(some.to_vec()).await;
    }
    let Value::String(text) = engine.get("/metrics").await else { panic!("/metrics is text") };
    let scheduled: Vec<(&str, u64)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("longshore_queue_jobs{queue=\"")?.split_once("\",state=\"scheduled\"} "))
        .map(|(queue, count)| (queue, count.parse().expect("a count")))
        .collect();
    assert!(scheduled.len() <= 201, "{} values", scheduled.len());
    assert_eq!(scheduled.iter().map(|(_, count)| count).sum::<u64>(), QUEUES as u64, "nothing is lost by that");
    assert!(scheduled.iter().any(|(queue, count)| *queue == "other" && *count >= (QUEUES - 200) as u64));
    engine.front().kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_roles_in_one_process_serve_metrics_without_a_key_where_they_are_told_to() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let metrics = format!("127.0.0.1:{}", free_port());
    let engine = Longshore::start("longshore", "up", folder("metrics"), &["--metrics-listen", &metrics]).await;
    let status = async |url: String| reqwest::get(url).await.expect("an answer").status().as_u16();
    assert_eq!(status(format!("{}/metrics", engine.url)).await, 401, "on the API's address a key is wanted");
    for path in ["healthz", "readyz", "metrics"] {
        assert_eq!(status(format!("http://{metrics}/{path}")).await, 200, "{path}");
    }
    assert_eq!(status(format!("http://{metrics}/v1/jobs")).await, 404, "nothing else is served there");
    assert_eq!(engine.terminate().await, Some(0));
}
