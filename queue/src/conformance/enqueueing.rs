//! Enqueue, due times, expiry, and the order inside a lane.

use super::{Case, LONG, OTHER, SHORT, args, complete, for_signal, only, retry};
use crate::{BrokerError, Due, Durability, NewJob, Policy, Priority, Reason, State};
use longshore_base::{Name, Trace};
use std::time::Duration;

/// A plain job is Ready, and shows what it was made of.
pub async fn q3_enqueue_makes_a_ready_job(c: &Case) {
    let before = c.now().await;
    let new = NewJob {
        client: Some(Name::literal("acme")),
        lane_key: "key with ünicode / and spaces".into(),
        priority: Priority::new(7).expect("at most 9"),
        tags: vec![Name::literal("a"), Name::literal("b")],
        kind_version: 3,
        args: args("as it came"),
        ..c.job()
    };
    let id = c.put(new.clone()).await;
    let job = c.get(id).await;
    assert_eq!((job.state, &job.queue, &job.kind, &job.tenant), (State::Ready, &c.queue, &new.kind, &new.tenant));
    assert_eq!((job.client, job.lane_key, job.priority), (new.client, new.lane_key, new.priority));
    assert_eq!((job.tags, job.kind_version, job.args.get()), (new.tags, 3, new.args.get()));
    assert_eq!((job.policy, job.counters, job.due_at, job.unique), (new.policy, crate::Counters::default(), None, None));
    assert!(before <= job.created_at && job.created_at <= c.now().await, "created by the server's clock");
}

/// The place in a trace stays with the job, its longest state included, over its attempts.
pub async fn q3_enqueue_keeps_the_trace(c: &Case) {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for state in [None, Some("vendor=opaque".to_owned()), Some(format!("vendor={}", "x".repeat(505)))] {
        let trace = Trace::parse(parent, state.as_deref());
        assert!(trace.as_ref().is_some_and(|trace| trace.state() == state.as_deref()));
        let id = c.put(NewJob { trace: trace.clone(), ..c.job() }).await;
        assert_eq!(c.get(id).await.trace, trace);
        let lease = c.one().await;
        assert_eq!((lease.job.id, &lease.job.trace), (id, &trace));
        c.ack(&lease, retry(Duration::ZERO)).await;
        let again = c.one_soon().await;
        assert_eq!((again.job.id, &again.job.trace), (id, &trace));
        c.ack(&again, complete()).await;
    }
    let without = c.put(c.job()).await;
    assert_eq!(c.get(without).await.trace, None);
}

/// A job with a due time ahead is Scheduled, by duration and by a user's time.
pub async fn q3_enqueue_with_a_due_time_is_scheduled(c: &Case) {
    let id = c.put(NewJob { due: Due::In(LONG), ..c.job() }).await;
    let job = c.get(id).await;
    assert_eq!((job.state, job.due_at), (State::Scheduled, Some(job.created_at + 3_600_000)));
    let at = c.now().await + 7_200_000;
    let id = c.put(NewJob { due: Due::At(at), ..c.job() }).await;
    assert_eq!((c.state(id).await, c.get(id).await.due_at), (State::Scheduled, Some(at)));
    assert!(c.lease(10).await.is_empty(), "nothing is due");
}

/// A due time that is over makes a Ready job.
pub async fn q3_enqueue_with_a_due_time_behind_is_ready(c: &Case) {
    let id = c.put(NewJob { due: Due::At(c.now().await - 3_600_000), ..c.job() }).await;
    assert_eq!(c.state(id).await, State::Ready);
    assert_eq!(c.one().await.job.id, id);
}

/// A job that depends on something starts as Waiting.
pub async fn q3_enqueue_with_a_wait_is_waiting(c: &Case) {
    let id = c.put(NewJob { wait: Some(for_signal("go")), ..c.job() }).await;
    assert_eq!(c.state(id).await, State::Waiting);
    assert!(c.lease(10).await.is_empty());
}

/// The same id again answers the job that is there, and changes nothing, whatever else the second one says.
pub async fn q3_enqueue_of_a_known_id_answers_its_job(c: &Case) {
    let job = c.job();
    c.put(job.clone()).await;
    let again = NewJob { args: args("other"), due: Due::In(LONG), ..job.clone() };
    let enqueued = c.unchanged(c.enqueue(again.clone())).await;
    assert_eq!((enqueued.id, enqueued.state, enqueued.duplicate), (job.id, State::Ready, true));
    let lease = c.one().await;
    assert_eq!(c.enqueue(again.clone()).await.state, State::Running);
    c.ack(&lease, complete()).await;
    let enqueued = c.unchanged(c.enqueue(again)).await;
    assert_eq!((enqueued.id, enqueued.state, enqueued.duplicate), (job.id, State::Completed, true));
    assert_eq!(c.all().await.len(), 1);
}

/// The same id twice in one batch makes one job.
pub async fn q4_repeating_inside_one_batch_makes_one_job(c: &Case) {
    let job = c.job();
    let answers = c.broker.enqueue(vec![job.clone(), job.clone(), c.job()]).await.expect("an answer");
    let told: Vec<_> = answers.into_iter().map(|a| a.expect("taken").duplicate).collect();
    assert_eq!(told, [false, true, false]);
    assert_eq!(c.all().await.len(), 2);
}

/// One batch may hold jobs for several queues; the answers come in the order of the batch.
pub async fn q4_repeating_a_batch_over_several_queues(c: &Case) {
    let other = c.beside().await;
    let jobs = vec![c.job(), other.job(), c.job(), other.job()];
    for duplicate in [false, true] {
        let answers = c.broker.enqueue(jobs.clone()).await.expect("an answer");
        for (job, answer) in jobs.iter().zip(answers) {
            let answer = answer.expect("taken");
            assert_eq!((answer.id, answer.duplicate), (job.id, duplicate));
        }
    }
    assert_eq!((c.all().await.len(), other.all().await.len()), (2, 2));
}

/// A due job is leased without anybody's tick, and not before its time.
pub async fn q3_due_is_promoted_by_a_lease(c: &Case) {
    let id = c.put(NewJob { due: Due::In(SHORT), ..c.job() }).await;
    let due = c.get(id).await.run_at.expect("it was scheduled");
    let mut leases = Vec::new();
    for _ in 0..1_000 {
        leases = c.lease(5).await;
        if !leases.is_empty() {
            break;
        }
        c.pass(Duration::from_millis(10)).await;
    }
    let job = &only(leases).job;
    assert!(job.id == id && job.started_at.expect("it runs") >= due, "started at {:?}, due at {due}", job.started_at);
}

/// A tick makes due jobs Ready, and says how many.
pub async fn q3_due_is_promoted_by_a_tick(c: &Case) {
    let id = c.put(NewJob { due: Due::In(SHORT), ..c.job() }).await;
    c.put(NewJob { due: Due::In(LONG), ..c.job() }).await;
    c.pass(SHORT).await;
    assert_eq!(c.tick().await.promoted, 1);
    assert_eq!(c.state(id).await, State::Ready);
}

/// A lease tells how long it is until something falls due.
pub async fn q3_due_time_is_told_by_an_empty_lease(c: &Case) {
    c.put(NewJob { due: Due::In(LONG), ..c.job() }).await;
    c.put(NewJob { due: Due::In(Duration::from_secs(600)), ..c.job() }).await;
    let reply = c.ask(&c.request("w1", 1, LONG)).await;
    let next = reply.next_due.expect("two jobs are due some day");
    assert!(reply.leases.is_empty() && next <= Duration::from_secs(600) && next > Duration::from_secs(500), "{next:?}");
}

/// Inside a lane: priority 9 first, then the order of enqueue.
pub async fn q2_lane_is_ordered_by_priority_then_enqueue(c: &Case) {
    let mut wanted = Vec::new();
    for priority in [5, 0, 9, 5, 9, 0, 3] {
        let job = NewJob { priority: Priority::new(priority).expect("at most 9"), ..c.job() };
        wanted.push((9 - priority, wanted.len(), c.put(job).await));
    }
    wanted.sort();
    let got: Vec<_> = c.lease(3).await.into_iter().chain(c.lease(10).await).map(|l| l.job.id).collect();
    assert_eq!(got, wanted.into_iter().map(|(_, _, id)| id).collect::<Vec<_>>());
}

/// A job that comes back keeps its place in its lane: the order is that of the enqueue.
pub async fn q2_lane_keeps_the_order_over_retries(c: &Case) {
    let ids = c.add(4).await;
    let leases = c.lease(2).await;
    assert_eq!(c.ack(&leases[0], retry(SHORT)).await, State::Retrying);
    assert_eq!(c.ack(&leases[1], crate::Outcome::Release { started: true }).await, State::Ready);
    c.until("the first is ready", async || c.state(ids[0]).await == State::Ready).await;
    let got: Vec<_> = c.lease(10).await.into_iter().map(|l| l.job.id).collect();
    assert_eq!(got, ids);
}

/// A scheduled job takes the place that its enqueue gave it.
pub async fn q2_lane_keeps_the_order_of_scheduled_jobs(c: &Case) {
    let late = c.put(NewJob { due: Due::In(SHORT), ..c.job() }).await;
    let plain = c.add(2).await;
    c.until_state(late, State::Ready).await;
    let got: Vec<_> = c.lease(10).await.into_iter().map(|l| l.job.id).collect();
    assert_eq!(got, [late, plain[0], plain[1]]);
}

/// A kind that nobody carries stays Ready and stands in nobody's way.
pub async fn q2_lane_of_an_uncarried_kind_blocks_nobody(c: &Case) {
    let stranger = c.own("stranger");
    let mut left = Vec::new();
    for _ in 0..30 {
        left.push(c.put(NewJob { kind: stranger.clone(), priority: Priority::new(9).expect("at most 9"), ..c.job() }).await);
    }
    let known = c.put(c.job()).await;
    let other = c.put(NewJob { kind: Name::literal(OTHER), ..c.job() }).await;
    let mut got: Vec<_> = c.lease(10).await.into_iter().map(|l| l.job.id).collect();
    got.sort();
    let mut wanted = [known, other];
    wanted.sort();
    assert_eq!(got, wanted);
    for id in left {
        assert_eq!(c.state(id).await, State::Ready);
    }
}

/// Tenants take turns: one with a long backlog does not keep another waiting. With two tenants and a quantum of four, the k-th job
/// of the second starts after at most k·2·4 starts.
pub async fn q2_fair_tenants_take_turns(c: &Case) {
    c.add(60).await;
    let mut late = Vec::new();
    for _ in 0..3 {
        late.push(c.put(NewJob { tenant: Name::literal("two"), ..c.job() }).await);
    }
    let mut starts = Vec::new();
    for _ in 0..30 {
        starts.push(c.one().await.job.id);
    }
    for (k, id) in late.iter().enumerate() {
        let place = starts.iter().position(|start| start == id).unwrap_or(usize::MAX);
        assert!(place <= (k + 1) * 8, "job {k} of the second tenant came {place} starts later");
    }
}

/// The same inside one large lease.
pub async fn q2_fair_inside_one_lease(c: &Case) {
    c.add(60).await;
    for tenant in ["two", "three"] {
        for _ in 0..2 {
            c.put(NewJob { tenant: Name::new(tenant).expect("a name"), ..c.job() }).await;
        }
    }
    let leases = c.lease(30).await;
    for tenant in ["two", "three"] {
        assert_eq!(leases.iter().filter(|l| l.job.tenant.as_str() == tenant).count(), 2, "both jobs of {tenant}");
    }
}

/// A job that has not started in time is cancelled by a tick, whether it was Scheduled or Ready.
pub async fn q3_expires_in_scheduled_and_ready(c: &Case) {
    let expires_at = Some(c.now().await + 100);
    let ready = c.put(NewJob { expires_at, ..c.job() }).await;
    let scheduled = c.put(NewJob { expires_at, due: Due::In(LONG), ..c.job() }).await;
    c.pass(SHORT).await;
    for id in [ready, scheduled] {
        let job = c.until_state(id, State::Cancelled).await;
        assert_eq!(job.reason, Some(Reason::Expired));
        assert!(job.ended_at.is_some());
    }
}

/// A lease looks at the expiry itself: a late job never starts, also when nobody ticked.
pub async fn q5_expires_is_checked_by_the_lease(c: &Case) {
    let late = c.put(NewJob { expires_at: Some(c.now().await + 100), ..c.job() }).await;
    let plain = c.put(c.job()).await;
    c.pass(SHORT).await;
    let got: Vec<_> = c.lease(10).await.into_iter().map(|l| l.job.id).collect();
    assert_eq!(got, [plain]);
    c.until_state(late, State::Cancelled).await;
}

/// A job that has started does not expire any more, not even between its attempts.
pub async fn q5_expires_only_before_the_first_start(c: &Case) {
    let expires_at = Some(c.now().await + 2_000);
    let lease = c.run(NewJob { expires_at, ..c.job() }).await;
    c.ack(&lease, retry(SHORT)).await;
    c.pass(Duration::from_millis(2_000)).await;
    c.tick().await;
    assert_eq!(c.one_soon().await.job.id, lease.job.id);
}

/// A kind that must not run twice needs a durable broker.
pub async fn q4_at_least_once_refuses_unrepeatable_kinds_unless_durable(c: &Case) {
    let job = || NewJob { policy: Policy { repeatable: false, ..Policy::default() }, ..c.job() };
    if c.broker.durability() == Durability::Fast {
        assert!(matches!(c.refused(c.try_enqueue(job())).await, BrokerError::NotDurable));
    } else {
        c.put(job()).await;
    }
    let durable = c.durable().await;
    assert_eq!(durable.broker.durability(), Durability::Durable);
    durable.put(NewJob { policy: Policy { repeatable: false, ..Policy::default() }, ..durable.job() }).await;
}
