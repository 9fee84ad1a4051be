//! Obstacles as codes, sentences and calls, without a broker.

use super::{Facts, Reason};
use longshore_base::Name;
use longshore_queue::{Gate, GateCause, Job, JobId, Obstacle, Pause, Points, Quota, Rate, ResourceState, RuleScope};
use serde_json::{Value, json};

const ID: &str = "0199b0c4-0000-7000-8000-000000000001";
const OTHER: &str = "0199b0c4-0000-7000-8000-000000000002";
const NOON: i64 = 1_800_014_400_000;

fn job() -> Job {
    let value = json!({
        "id": ID, "queue": "q", "kind": "k", "kind_version": 1, "tenant": "t", "client": null, "lane_key": "a/b", "cost": 7, "resources": ["ads"], "priority": 5,
        "state": "ready", "args": {}, "policy": longshore_queue::Policy::default(), "counters": longshore_queue::Counters::default(), "created_at": 0, "due_at": null,
        "started_at": null, "ended_at": null, "expires_at": null, "revision": 1, "unique": null, "tags": [], "parent": null, "replay_of": null, "replays": [],
        "output": null, "reason": null, "history": [], "progress": null, "cancel_requested": false, "worker": null,
    });
    // Jobs hold raw JSON, which is read from text only.
    serde_json::from_str(&value.to_string()).expect("a job")
}

fn id(text: &str) -> JobId {
    text.parse().expect("an id")
}

fn reason(obstacle: &Obstacle, facts: &Facts) -> Value {
    serde_json::to_value(Reason::new(&job(), obstacle, facts)).expect("JSON")
}

fn operator() -> Facts {
    Facts { operator: true, ..Facts::default() }
}

#[test]
fn every_obstacle_has_a_code_and_a_sentence() {
    let key = RuleScope::Key { tenant: Name::literal("t"), key: "a/b".into() };
    let gate = Gate { pause: Pause { until: Some(NOON), reason: Some("429".into()), by: None }, cause: GateCause::Handler };
    let cases = [
        (Obstacle::NotDue { until: NOON }, "not_due", "it is due at 2027-01-15T12:00:00.000Z"),
        (Obstacle::Waiting { what: "2 children".into(), by: vec![id(OTHER)], until: None }, "waiting", "it waits for 2 children"),
        (
            Obstacle::Gated { scope: key.clone(), gate: gate.clone() },
            "gated.key",
            "a job's code closed the key `a/b` of the tenant `t` in the queue `q` until 2027-01-15T12:00:00.000Z: 429",
        ),
        (
            Obstacle::Limit { scope: RuleScope::Queue, max: 3, rule: "scale", by: vec![] },
            "limit.queue",
            "the queue `q` is scaled to 3 at once, and as many run",
        ),
        (
            Obstacle::Rate { scope: RuleScope::Kind(Name::literal("k")), until: NOON },
            "rate.kind",
            "the kind `k` in the queue `q` has started all that its rate allows until 2027-01-15T12:00:00.000Z",
        ),
        (
            Obstacle::Budget { tenant: Name::literal("t"), used: 9, units: 8, until: NOON },
            "budget",
            "the tenant `t` has used 9 of 8 units; a new period begins at 2027-01-15T12:00:00.000Z",
        ),
        (
            Obstacle::Resource { name: Name::literal("ads"), gate: None, until: Some(NOON) },
            "resource",
            "the resource `ads` has nothing left to lend; more comes at 2027-01-15T12:00:00.000Z",
        ),
        (
            Obstacle::Resource { name: Name::literal("ads"), gate: Some(gate), until: None },
            "gated.resource",
            "a job's code closed the resource `ads` until 2027-01-15T12:00:00.000Z: 429",
        ),
        (Obstacle::NoWorker, "no_worker", "no live worker serves the queue `q`; start one, or resume one that is quiet"),
        (
            Obstacle::UnknownKind { kind: Name::literal("k") },
            "unknown_kind",
            "no live worker of the queue `q` carries the kind `k`; start one that does",
        ),
        (
            Obstacle::Probe { by: Some(id(OTHER)) },
            "gated.key",
            "too many failures in a row closed the key `a/b` of the tenant `t` in the queue `q`; one job tries, and it is another one",
        ),
        (Obstacle::Behind { ahead: 1, first: id(OTHER) }, "behind", "1 job stands before it in its lane"),
        (
            Obstacle::Turn { behind_ms: 1_500.4 },
            "turn",
            "nothing but others' turns: every slot is taken, or another tenant is next; others get 1500 ms of slot-time first",
        ),
    ];
    for (obstacle, code, detail) in cases {
        let told = reason(&obstacle, &operator());
        assert_eq!((&told["code"], &told["detail"]), (&json!(code), &json!(detail)));
    }
    let suspect = reason(&Obstacle::Suspect { by: vec![id(OTHER)] }, &operator());
    assert_eq!((&suspect["code"], &suspect["by"]), (&json!("suspect"), &json!([OTHER])));
}

#[test]
fn a_probe_is_ended_by_resuming_the_key() {
    let told = reason(&Obstacle::Probe { by: Some(id(OTHER)) }, &operator());
    assert_eq!(told["change"], json!({ "method": "POST", "path": "/v1/queues/q/keys/t/a%2Fb/resume", "body": {} }));
    assert!(reason(&Obstacle::Probe { by: None }, &Facts::default()).get("change").is_none(), "a tenant's key cannot");
}

#[test]
fn a_quota_is_made_as_wide_as_the_job_needs() {
    let points = Points { count: 10, period_ms: 60_000 };
    let quota = Quota { points: Some(points), max_running: Some(2), rate: Some(Rate { count: 1, period_ms: 1_000, burst: 1 }) };
    let body = |points_used, running, learned| {
        let state = ResourceState {
            name: Name::literal("ads"),
            quota: quota.clone(),
            revision: 1,
            gate: None,
            points_used,
            running,
            learned,
            queues: vec![],
        };
        let facts = Facts { resources: vec![state], ..operator() };
        let told = reason(&Obstacle::Resource { name: Name::literal("ads"), gate: None, until: None }, &facts);
        told.get("change").map(|change| change["body"].clone())
    };
    let rate = json!({ "count": 1, "period_ms": 1_000, "burst": 1 });
    let full = json!({ "points": { "count": 10, "period_ms": 60_000 }, "max_running": 3, "rate": rate });
    assert_eq!(body(3, 2, None), Some(full));
    let spent = json!({ "points": { "count": 11, "period_ms": 60_000 }, "max_running": 2, "rate": rate });
    assert_eq!(body(4, 1, None), Some(spent), "four are used and the job costs seven");
    let fast = json!({ "points": { "count": 10, "period_ms": 60_000 }, "max_running": 2 });
    assert_eq!(body(0, 0, None), Some(fast));
    assert_eq!(body(0, 0, Some((6, NOON))), None, "the provider has less than the job costs");
}
