//! Rules, kinds, workers and requests: what is not a job.

use super::{Case, KIND, LONG, SHORT, complete, feeding::LOOKS, retry};
use crate::{
    Begun, BrokerError, Command, Due, KindRecord, NewJob, Pause, Policy, RuleChange, RuleScope, Scope, ServedQueue, State, Watched,
    WorkerReport, WorkerState,
};
use longshore_base::Name;
use serde_json::json;
use std::{sync::Arc, time::Duration};

fn pause(until: Option<i64>) -> RuleChange {
    RuleChange::Pause(Pause { until, reason: Some("because".into()), by: Some("somebody".into()) })
}

async fn rule(c: &Case, change: RuleChange) {
    c.broker.rule(&c.queue, &RuleScope::Queue, change, None).await.expect("the rule is kept");
}

/// A paused queue leases nothing; what runs goes on, expiry too.
pub async fn q2_gates_pause_never_touches_running_jobs(c: &Case) {
    let lease = c.running().await;
    let ready = c.put(c.job()).await;
    rule(c, pause(None)).await;
    assert!(c.lease(5).await.is_empty());
    let stats = c.broker.stats(&Scope::All, &c.queue).await.expect("stats");
    let told = stats.paused.expect("paused");
    assert_eq!((told.until, told.reason.as_deref(), told.by.as_deref()), (None, Some("because"), Some("somebody")));
    let held = [crate::Held { id: lease.job.id, token: lease.token }];
    let reply = c.broker.extend(&c.queue, "w1", &held, 0, LONG).await.expect("a reply");
    assert!(reply.lost.is_empty() && reply.cancel.is_empty());
    assert_eq!(c.ack(&lease, retry(LONG)).await, State::Retrying);
    let late = c.put(NewJob { expires_at: Some(c.now().await + 50), ..c.job() }).await;
    c.until_state(late, State::Cancelled).await;
    rule(c, RuleChange::Resume).await;
    assert_eq!(c.one().await.job.id, ready);
    assert!(c.broker.stats(&Scope::All, &c.queue).await.expect("stats").paused.is_none());
}

/// A pause may end by itself.
pub async fn q2_gates_pause_until_ends_by_itself(c: &Case) {
    let id = c.put(c.job()).await;
    rule(c, pause(Some(c.now().await + 3_600_000))).await;
    assert!(c.lease(5).await.is_empty());
    let until = c.now().await + 150;
    rule(c, pause(Some(until))).await;
    let lease = c.one_soon().await;
    assert!(lease.job.id == id && lease.job.started_at.expect("it runs") >= until);
    assert!(c.broker.stats(&Scope::All, &c.queue).await.expect("stats").paused.is_none());
}

/// Other queues are not paused with it.
pub async fn q2_gates_pause_is_of_one_queue(c: &Case) {
    let other = c.beside().await;
    rule(c, pause(None)).await;
    other.add(1).await;
    assert_eq!(other.lease(5).await.len(), 1);
}

/// Scale caps what runs over all workers, and holds from the next lease.
pub async fn q6_contract_scale_caps_what_runs(c: &Case) {
    c.add(10).await;
    rule(c, RuleChange::Scale(Some(3))).await;
    assert_eq!(c.broker.stats(&Scope::All, &c.queue).await.expect("stats").slots, Some(3));
    let mut running = c.lease_by("w1", 2, LONG).await;
    running.extend(c.lease_by("w2", 10, LONG).await);
    assert_eq!(running.len(), 3);
    assert!(c.lease_by("w3", 10, LONG).await.is_empty());
    c.ack(&running[0], complete()).await;
    c.ack(&running[1], retry(LONG)).await;
    assert_eq!(c.lease_by("w3", 10, LONG).await.len(), 2, "every end frees a slot");
    rule(c, RuleChange::Scale(Some(1))).await;
    assert_eq!(c.broker.stats(&Scope::All, &c.queue).await.expect("stats").running, 3, "running jobs are not touched");
    c.ack(&running[2], complete()).await;
    assert!(c.lease_by("w3", 10, LONG).await.is_empty());
    rule(c, RuleChange::Scale(None)).await;
    assert_eq!(c.lease_by("w3", 10, LONG).await.len(), 5);
    assert_eq!(c.broker.stats(&Scope::All, &c.queue).await.expect("stats").slots, None);
}

/// A slot that a lost lease held is free after the reap.
pub async fn q7_counters_of_running_jobs_survive_crashes(c: &Case) {
    c.add(4).await;
    rule(c, RuleChange::Scale(Some(2))).await;
    let doomed = c.lease_by("w1", 2, SHORT).await;
    assert_eq!(doomed.len(), 2);
    c.until("both are reaped", async || c.broker.stats(&Scope::All, &c.queue).await.expect("stats").running == 0).await;
    assert_eq!(c.lease_by("w2", 10, LONG).await.len(), 2);
    assert!(c.lease_by("w2", 10, LONG).await.is_empty());
}

fn kind(name: &Name, version: u32, owner: &str) -> KindRecord {
    KindRecord {
        name: name.clone(),
        version,
        args_schema: json!({"type": "object"}),
        output_schema: Some(json!(true)),
        queue: Name::literal("default"),
        policy: Policy { attempts_max: 4, ..Policy::default() },
        lane_by: vec!["/account".into()],
        cost: Some("/n".into()),
        unique_by: vec![],
        resources: vec!["r".into()],
        schedule: None,
        keep: Some(crate::Keep::Ms(5)),
        owner: Some(owner.into()),
        refused: None,
        internal: false,
        operators: false,
    }
}

/// Kinds are records: kept as they are, replaced by newer ones, never by older ones.
pub async fn q1_kinds_are_records_and_never_go_back(c: &Case) {
    let name = c.own("kind");
    let find = async || c.broker.kinds().await.expect("kinds").into_iter().find(|k| k.name == name);
    assert_eq!(find().await, None);
    c.broker.put_kinds(vec![kind(&name, 2, "first")]).await.expect("kept");
    assert_eq!(find().await, Some(kind(&name, 2, "first")));
    c.broker.put_kinds(vec![kind(&name, 1, "older")]).await.expect("left out");
    assert_eq!(find().await, Some(kind(&name, 2, "first")));
    c.broker.put_kinds(vec![kind(&c.own("neighbour"), 1, "n"), kind(&name, 3, "newer")]).await.expect("kept");
    assert_eq!(find().await, Some(kind(&name, 3, "newer")));
}

/// A job belongs to a tenant and, if it says so, to one of its clients.
pub async fn q1_words_a_job_belongs_to_tenant_and_client(c: &Case) {
    let id = c.put(NewJob { client: Some(Name::literal("acme")), tenant: Name::literal("two"), ..c.job() }).await;
    let lease = c.one().await;
    assert_eq!((lease.job.id, lease.job.tenant.as_str()), (id, "two"));
    assert_eq!(lease.job.client.as_ref().map(Name::as_str), Some("acme"));
}

fn report(c: &Case, id: &str) -> WorkerReport {
    WorkerReport {
        id: c.own(id).to_string(),
        host: "host".into(),
        pid: 7,
        version: "1".into(),
        started_at: 5,
        seen_at: 0,
        queues: vec![ServedQueue { name: c.queue.clone(), slots: 4, running: 1 }],
        kinds: vec![Name::literal(KIND)],
        state: WorkerState::Active,
    }
}

/// Workers report, are seen, are counted, and say good-bye.
pub async fn q6_contract_workers_report_and_leave(c: &Case) {
    let (a, b) = (report(c, "a"), report(c, "b"));
    let seen = async || {
        let workers = c.broker.workers().await.expect("workers");
        workers.into_iter().filter(|w| w.id == a.id || w.id == b.id).collect::<Vec<_>>()
    };
    let before = c.now().await;
    for worker in [&a, &b, &a] {
        assert_eq!(c.broker.beat(worker.clone(), LONG).await.expect("a reply").command, None);
    }
    let workers = seen().await;
    assert_eq!(workers.len(), 2);
    assert!(workers.iter().all(|w| w.seen_at >= before && w.queues == a.queues && w.kinds == a.kinds && w.pid == 7));
    assert_eq!(c.broker.stats(&Scope::All, &c.queue).await.expect("stats").workers, 2);
    c.broker.leave(&b.id).await.expect("good-bye");
    assert_eq!(super::only(seen().await).id, a.id);
    assert_eq!(c.broker.stats(&Scope::All, &c.queue).await.expect("stats").workers, 1);
    c.broker.leave(&b.id).await.expect("twice is harmless");
}

/// A worker that is silent for its time is not there any more.
pub async fn q6_contract_workers_that_fall_silent_are_gone(c: &Case) {
    let worker = report(c, "silent");
    c.broker.beat(worker.clone(), SHORT).await.expect("a reply");
    c.until("it is gone", async || c.broker.workers().await.expect("workers").iter().all(|w| w.id != worker.id)).await;
    let told = c.broker.command(&worker.id, Command::Drain).await;
    assert!(matches!(told, Err(BrokerError::NotFound)), "{told:?}");
}

/// A command reaches its worker once, the newest one.
pub async fn q6_contract_commands_reach_their_worker_once(c: &Case) {
    let (a, b) = (report(c, "a"), report(c, "b"));
    c.broker.beat(a.clone(), LONG).await.expect("a reply");
    c.broker.beat(b.clone(), LONG).await.expect("a reply");
    c.broker.command(&a.id, Command::Quiet).await.expect("told");
    c.broker.command(&a.id, Command::Drain).await.expect("told");
    assert_eq!(c.broker.beat(b, LONG).await.expect("a reply").command, None);
    assert_eq!(c.broker.beat(a.clone(), LONG).await.expect("a reply").command, Some(Command::Drain));
    assert_eq!(c.broker.beat(a, LONG).await.expect("a reply").command, None);
    let told = c.broker.command(c.own("nobody").as_str(), Command::Resume).await;
    assert!(matches!(told, Err(BrokerError::NotFound)), "{told:?}");
}

/// An Idempotency-Key: the first caller's seed and time until it is finished, then its answer; another body is a conflict.
pub async fn q4_repeating_a_request_under_a_key(c: &Case) {
    let (tenant, now) = (c.own("tenant"), c.now().await);
    let begin = async |key: &str, body: u8, seed: u8, at| c.broker.begin(&tenant, key, &[body; 32], &[seed; 16], at).await.expect("begun");
    let first = Begun::Run { seed: [1; 16], at: now };
    assert_eq!(begin("k", 7, 1, now).await, first);
    assert_eq!(begin("k", 7, 2, now + 5).await, first, "a repeat derives the same ids");
    assert_eq!(begin("k", 8, 3, now).await, Begun::Conflict);
    assert_eq!(begin("other", 8, 4, now).await, Begun::Run { seed: [4; 16], at: now });
    c.broker.finish(&tenant, "k", "the answer").await.expect("finished");
    assert_eq!(begin("k", 7, 5, now + 9).await, Begun::Answered("the answer".into()));
    assert_eq!(begin("k", 8, 6, now).await, Begun::Conflict);
    let stranger = c.broker.begin(&c.own("stranger"), "k", &[9; 32], &[9; 16], now).await.expect("begun");
    assert_eq!(stranger, Begun::Run { seed: [9; 16], at: now }, "keys are a tenant's own");
}

/// A lease that finds nothing does not lose what is enqueued before the wait begins.
pub async fn q7_wake_ups_between_lease_and_wait_are_not_lost(c: &Case) {
    for _ in 0..5 {
        assert!(c.lease(1).await.is_empty());
        c.add(1).await;
        wakes(c, "a job is ready already", async {}).await;
        let lease = c.one().await;
        c.ack(&lease, complete()).await;
    }
}

/// Whatever makes a job leasable wakes the one who waits: enqueue, release, resume, retry now, a signal.
pub async fn q7_wake_ups_come_with_everything_that_makes_ready(c: &Case) {
    assert!(c.lease(1).await.is_empty());
    wakes(c, "enqueue", c.add(1)).await;
    let lease = c.one().await;
    assert!(c.lease(1).await.is_empty());
    wakes(c, "release", c.ack(&lease, crate::Outcome::Release { started: true })).await;
    let lease = c.one().await;
    c.ack(&lease, retry(LONG)).await;
    assert!(c.lease(1).await.is_empty());
    wakes(c, "retry now", c.broker.retry_now(&Scope::All, lease.job.id)).await;
    let lease = c.one().await;
    c.ack(&lease, crate::Outcome::Wait(super::for_signal("go"))).await;
    assert!(c.lease(1).await.is_empty());
    let signal = crate::Delivery::Signal { job: lease.job.id, once: "1".into(), name: "go".into(), payload: super::args("x") };
    wakes(c, "signal", c.broker.deliver(vec![signal])).await;
    let lease = c.one().await;
    c.ack(&lease, complete()).await;
    rule(c, pause(None)).await;
    c.add(1).await;
    assert!(c.lease(1).await.is_empty());
    wakes(c, "resume", rule(c, RuleChange::Resume)).await;
}

/// A new earliest due time wakes too, so that the waiter can wait for that.
pub async fn q7_wake_ups_come_with_a_new_earliest_due_time(c: &Case) {
    c.put(NewJob { due: Due::In(LONG), ..c.job() }).await;
    assert!(c.lease(1).await.is_empty());
    wakes(c, "an earlier due time", c.put(NewJob { due: Due::In(LONG / 2), ..c.job() })).await;
}

/// Promotion by somebody's tick wakes.
pub async fn q7_wake_ups_come_with_promotion(c: &Case) {
    // Long enough that the lease, which promotes too, comes before it on a busy machine.
    let due = SHORT * 4;
    c.put(NewJob { due: Due::In(due), ..c.job() }).await;
    assert!(c.lease(1).await.is_empty());
    wakes(c, "promotion", async {
        c.pass(due).await;
        c.tick().await;
    })
    .await;
}

/// A wait ends by itself.
pub async fn q7_wake_ups_are_bounded(c: &Case) {
    ends(c, c.broker.wait(&c.queue, SHORT)).await;
}

/// Whoever watches a job hears of a cancel request, and of its end.
pub async fn q7_wake_ups_reach_those_who_watch_a_job(c: &Case) {
    let lease = c.running().await;
    let watched = Arc::new(Watched::default());
    watched.add(lease.job.id);
    let news = async || {
        while !watched.take_news() {
            c.broker.watch(&c.queue, &watched, LONG).await;
        }
    };
    // A watch that begins, and what was done before, may give news that nothing else comes of.
    let silence = async || {
        loop {
            ends(c, c.broker.watch(&c.queue, &watched, SHORT)).await;
            if !watched.take_news() {
                return;
            }
        }
    };
    silence().await;
    hears("cancel", news(), async || c.cancel(lease.job.id).await).await;
    silence().await;
    hears("end", news(), async || c.try_ack(&lease, complete()).await).await;
}

/// Starts waiting, does it, and expects the wait to end long before its time.
pub(super) async fn wakes<T>(c: &Case, what: &str, act: impl Future<Output = T>) {
    let wait = c.broker.wait(&c.queue, LONG);
    let both = async { tokio::join!(wait, act) };
    let woken = tokio::time::timeout(Duration::from_secs(10), both).await;
    assert!(woken.is_ok(), "nobody woke the waiter: {what}");
}

/// The same for a watch, which is a hint only: what is done may come before the watch has begun, so it is done until it is heard.
pub(super) async fn hears<T>(what: &str, watch: impl Future<Output = ()>, act: impl AsyncFn() -> T) {
    let again = async {
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        loop {
            pace.tick().await;
            act().await;
        }
    };
    let heard = async {
        tokio::select! { () = watch => {}, () = again => {} }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), heard).await.is_ok(), "nobody heard: {what}");
}

/// A wait that nothing comes for has an end, by whichever clock.
pub(super) async fn ends(c: &Case, wait: impl Future<Output = ()>) {
    let time = async {
        for _ in 0..LOOKS {
            c.pass(Duration::from_millis(20)).await;
        }
    };
    tokio::select! { () = wait => {}, () = time => panic!("the wait has no end") }
}
