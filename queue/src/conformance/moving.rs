//! Jobs that go on in another queue.

use super::{Case, LONG, args, complete, for_signal, only, retry, seeing::pages};
use crate::{
    BrokerError, Counters, Delivery, Due, EventKind, Filter, JobId, NewJob, Outcome, Parent, Policy, Priority, Reason, Relocation, Scope,
    State, Tick, Unique, UniqueMode, Wait, WaitOn, WaitPolicy,
};
use longshore_base::{Code, Name};
use std::{future::Future, pin::pin, task::Poll};

/// How far a call gets before its caller goes away, in steps of its future.
const CUTS: u32 = 24;

/// The move of a job to the queue of `to`, by somebody of its own.
fn way(id: JobId, to: &Case) -> Relocation {
    Relocation { id, new_id: Relocation::id_of(id, to.id(), to.home), queue: to.queue.clone() }
}

async fn try_move(c: &Case, way: &Relocation) -> Result<JobId, BrokerError> {
    only(c.broker.relocate(&Scope::All, vec![way.clone()]).await?)
}

/// Moves a job and waits until it is there.
async fn moved(c: &Case, id: JobId, to: &Case) -> JobId {
    let way = way(id, to);
    assert_eq!(try_move(c, &way).await.expect("moved"), way.new_id);
    c.until("the new job is there", async || is_there(c, way.new_id).await).await;
    way.new_id
}

async fn is_there(c: &Case, id: JobId) -> bool {
    only(c.broker.get(&Scope::All, &[id]).await.expect("an answer")).is_some()
}

/// The new job is what was asked for, and each names the other.
pub async fn q5_moves_keep_every_field(c: &Case) {
    let (other, name) = (c.beside().await, Name::literal);
    let new = NewJob {
        kind_version: 7,
        tenant: name("two"),
        client: Some(name("acme")),
        lane_key: "k".into(),
        cost: 3,
        resources: vec![c.own("quota")],
        priority: Priority::new(8).expect("at most 9"),
        due: Due::In(LONG),
        unique: Some(Unique { key: "u".into(), mode: UniqueMode::Keep }),
        policy: Policy { attempts_max: 2, timeout_ms: 5, ..Policy::default() },
        expires_at: Some(c.now().await + 7_200_000),
        tags: vec![name("red"), name("blue")],
        tick: Some(Tick { schedule: name("nightly"), at: 1_700_000_000_000 }),
        trace: longshore_base::Trace::new([7; 16], [9; 8], 1),
        ..c.job()
    };
    let id = c.put(new.clone()).await;
    let before = c.get(id).await;
    let to = moved(c, id, &other).await;
    let (old, job) = (c.get(id).await, c.get(to).await);
    assert_eq!((job.id, &job.queue, job.state), (to, &other.queue, State::Scheduled));
    assert_eq!((job.kind, job.kind_version, job.tenant, job.client), (new.kind, 7, new.tenant, new.client));
    assert_eq!((job.lane_key, job.cost, job.resources, job.priority), (new.lane_key, 3, new.resources, new.priority));
    assert_eq!((job.args.get(), job.policy, job.tags, job.tick), (new.args.get(), new.policy, new.tags, new.tick));
    assert_eq!(job.trace, new.trace);
    assert_eq!((job.due_at, job.expires_at, job.unique), (before.due_at, new.expires_at, new.unique));
    assert_eq!((job.counters, job.history.len(), job.started_at, job.reason), (Counters::default(), 0, None, None));
    assert_eq!((job.moved_from, job.moved_to, old.moved_from, old.moved_to), (Some(id), None, None, Some(to)));
    assert_eq!((old.state, old.reason, old.due_at), (State::Cancelled, Some(Reason::Moved), None));
    assert!(old.ended_at.is_some());
    assert_eq!(old.history.last().map(|event| event.what), Some(EventKind::Moved));
}

/// A job that rests moves, whatever it rests for: its due time goes with it, its attempts do not.
pub async fn q5_moves_from_every_state_of_rest(c: &Case) {
    let other = c.beside().await;
    for state in [State::Scheduled, State::Ready, State::Retrying] {
        let (id, _) = c.in_state(state).await;
        let before = c.get(id).await;
        let job = c.get(moved(c, id, &other).await).await;
        let then = if state == State::Ready { State::Ready } else { State::Scheduled };
        assert_eq!((job.state, job.due_at, job.counters), (then, before.due_at, Counters::default()), "from {state}");
        assert_eq!((c.state(id).await, c.get(id).await.reason), (State::Cancelled, Some(Reason::Moved)));
    }
    assert!(c.lease(5).await.is_empty());
    let id = moved(c, c.put(c.job()).await, &other).await;
    let lease = other.one().await;
    assert_eq!((lease.job.id, lease.job.counters.runs), (id, 1));
    other.ack(&lease, complete()).await;
    other.assert_counts_are_true().await;
}

/// Nothing moves that runs, waits or has ended, nor into its own queue.
pub async fn q5_moves_refused_elsewhere(c: &Case) {
    let other = c.beside().await;
    for state in [State::Running, State::Waiting, State::Completed, State::Cancelled, State::Dead] {
        let (id, _) = c.in_state(state).await;
        let error = c.refused(try_move(c, &way(id, &other))).await;
        assert_eq!(error.code(), Code::NotMovable, "in {state}");
    }
    let ready = c.put(c.job()).await;
    assert_eq!(c.refused(try_move(c, &way(ready, c))).await.code(), Code::NotMovable);
    let wrong = Relocation { new_id: c.id(), ..way(ready, &other) };
    c.refused(try_move(c, &wrong)).await;
    assert!(matches!(c.refused(try_move(c, &way(c.id(), &other))).await, BrokerError::NotFound));
    c.tick().await;
    assert!(other.all().await.is_empty(), "nothing came there");
}

/// Nothing moves that others know by its name: a child, a parent, a job that is followed.
pub async fn q5_moves_refused_where_others_wait(c: &Case) {
    let other = c.beside().await;
    let parent = c.put(NewJob { wait: Some(for_signal("go")), kind: c.own("parent"), ..c.job() }).await;
    let link = Parent { id: parent, key: "child".into() };
    let child = c.put(NewJob { id: link.child_id(c.home), parent: Some(link), kind: c.own("child"), ..c.job() }).await;
    let lease = c.running().await;
    let link = Parent { id: lease.job.id, key: "k".into() };
    let opened = Delivery::ChildOpened { parent: link.id, token: lease.token, key: link.key.clone(), child: link.child_id(c.home) };
    only(c.broker.deliver(vec![opened]).await.expect("an answer")).expect("kept");
    c.ack(&lease, retry(LONG)).await;
    let followed = c.put(NewJob { kind: c.own("followed"), ..c.job() }).await;
    let wait = Wait { on: WaitOn::Job(followed), timeout: None, on_timeout: WaitPolicy::Ignore, on_child_failed: WaitPolicy::Ignore };
    let follower = c.put(NewJob { wait: Some(wait), ..c.job() }).await;
    for id in [child, lease.job.id, followed] {
        let error = c.refused(try_move(c, &way(id, &other))).await;
        assert_eq!(error.code(), Code::NotMovable, "{:?}", c.get(id).await);
    }
    c.cancel(follower).await.expect("cancelled");
    moved(c, followed, &other).await;
}

/// What was leased in time does not expire, wherever it goes on; what was not, does.
pub async fn q5_moves_expire_only_what_never_started(c: &Case) {
    let other = c.beside().await;
    let soon = c.now().await + 4_000;
    let job = || NewJob { expires_at: Some(soon), due: Due::Now, ..c.job() };
    let lease = c.run(job()).await;
    c.ack(&lease, retry(LONG)).await;
    let started = moved(c, lease.job.id, &other).await;
    let never = moved(c, c.put(NewJob { due: Due::In(LONG), ..job() }).await, &other).await;
    other.until_state(never, State::Cancelled).await;
    assert_eq!((other.get(never).await.reason, other.state(started).await), (Some(Reason::Expired), State::Scheduled));
    assert_eq!((other.get(never).await.expires_at, other.get(started).await.expires_at), (Some(soon), None));
}

/// The same call again gives the same answer and makes nothing, whatever has become of the new job; another move is refused.
pub async fn q5_moves_may_be_repeated(c: &Case) {
    let other = c.beside().await;
    let id = c.put(c.job()).await;
    let way_there = way(id, &other);
    assert_eq!(try_move(c, &way_there).await.expect("moved"), way_there.new_id);
    c.until("the new job is there", async || is_there(c, way_there.new_id).await).await;
    assert_eq!(c.unchanged(try_move(c, &way_there)).await.expect("the same answer"), way_there.new_id);
    assert_eq!(c.refused(try_move(c, &way(id, &other))).await.code(), Code::NotMovable, "it has moved already");
    assert_eq!(only(other.all().await).id, way_there.new_id);
    let lease = other.one().await;
    assert_eq!(try_move(c, &way_there).await.expect("the same answer"), way_there.new_id);
    other.ack(&lease, complete()).await;
    assert_eq!(c.broker.purge(&Scope::All, &[way_there.new_id]).await.expect("an answer"), [true]);
    assert_eq!(try_move(c, &way_there).await.expect("the same answer"), way_there.new_id);
    c.tick().await;
    assert!(other.all().await.is_empty(), "what is over does not come again");
}

/// A moved job may go on, and back.
pub async fn q5_moves_may_follow_each_other(c: &Case) {
    let other = c.beside().await;
    let first = c.put(c.job()).await;
    let second = moved(c, first, &other).await;
    let third = moved(&other, second, c).await;
    let jobs = [c.get(first).await, c.get(second).await, c.get(third).await];
    assert_eq!(jobs.map(|job| (job.moved_from, job.moved_to)), [(None, Some(second)), (Some(first), Some(third)), (Some(second), None)]);
    assert_eq!(c.one().await.job.id, third);
}

/// The key is free here and taken there.
pub async fn q5_moves_take_their_key_along(c: &Case) {
    let other = c.beside().await;
    let unique = |c: &Case| NewJob { unique: Some(Unique { key: "k".into(), mode: UniqueMode::Keep }), ..c.job() };
    let new = moved(c, c.put(unique(c)).await, &other).await;
    c.put(unique(c)).await;
    assert_eq!(other.enqueue(unique(&other)).await.id, new);
}

/// Onto a taken key: the new job comes to the one that holds it, as an enqueue would.
pub async fn q5_moves_onto_a_taken_key_are_merged(c: &Case) {
    let other = c.beside().await;
    for (key, mode) in [("keep", UniqueMode::Keep), ("replace", UniqueMode::Replace { wait_max: None })] {
        let unique = |c: &Case, text: &str| NewJob { unique: Some(Unique { key: key.into(), mode }), args: args(text), ..c.job() };
        let holder = other.put(unique(&other, "before")).await;
        let old = c.put(unique(c, "after")).await;
        let way = way(old, &other);
        assert_eq!(try_move(c, &way).await.expect("moved"), way.new_id);
        let wanted = if key == "keep" { "before" } else { "after" };
        c.until("it was merged", async || c.get(holder).await.args.get() == args(wanted).get()).await;
        assert_eq!((c.state(old).await, c.get(old).await.reason), (State::Cancelled, Some(Reason::Moved)));
        c.tick().await;
        assert!(!is_there(c, way.new_id).await, "{key}");
        c.put(unique(c, "again")).await;
    }
    assert_eq!(other.all().await.len(), 2);
}

/// Both queues' counts follow.
pub async fn q5_moves_are_counted(c: &Case) {
    let other = c.beside().await;
    let ids = c.add(6).await;
    let late = c.put(NewJob { due: Due::In(LONG), tenant: Name::literal("two"), ..c.job() }).await;
    let ways: Vec<_> = ids[..4].iter().chain([&late]).map(|id| way(*id, &other)).collect();
    let told = c.broker.relocate(&Scope::All, ways.clone()).await.expect("an answer");
    assert_eq!(told.into_iter().map(|one| one.expect("moved")).collect::<Vec<_>>(), ways.iter().map(|way| way.new_id).collect::<Vec<_>>());
    c.until("all are there", async || other.all().await.len() == 5).await;
    let (here, there) = (c.broker.stats(&Scope::All, &c.queue).await, c.broker.stats(&Scope::All, &other.queue).await);
    let (here, there) = (here.expect("stats"), there.expect("stats"));
    assert_eq!((here.ready, here.scheduled, here.cancelled), (2, 0, 5));
    assert_eq!((there.ready, there.scheduled, there.cancelled), (4, 1, 0));
    c.assert_counts_are_true().await;
    other.assert_counts_are_true().await;
    let filter = Filter { queue: Some(other.queue.clone()), state: Some(State::Ready), ..Filter::default() };
    assert_eq!(pages(c, &Scope::All, &filter, 3).await.len(), 4);
    assert_eq!(other.lease(10).await.len(), 4);
}

/// Another tenant's job does not exist; a batch is per item.
pub async fn q5_moves_within_their_scope(c: &Case) {
    let other = c.beside().await;
    let (id, foreign) = (c.put(c.job()).await, c.put(c.of("two")).await);
    let batch = vec![way(foreign, &other), way(id, &other), way(c.id(), &other)];
    let told = c.broker.relocate(&Scope::Tenant(Name::literal("one")), batch.clone()).await.expect("an answer");
    assert!(matches!(told[0], Err(BrokerError::NotFound)) && matches!(told[2], Err(BrokerError::NotFound)), "{told:?}");
    assert_eq!(told[1].as_ref().ok(), Some(&batch[1].new_id));
    assert_eq!((c.state(foreign).await, c.state(id).await), (State::Ready, State::Cancelled));
}

/// Whoever asks for a move may go away at any moment: a job that has ended as moved goes on there, by ticks if need be, and once.
pub async fn q5_moves_outlive_who_asked_for_them(c: &Case) {
    let other = c.beside().await;
    let ids = c.add(CUTS as usize).await;
    let ways: Vec<_> = ids.iter().map(|id| way(*id, &other)).collect();
    for (cut, way) in (1..).zip(&ways) {
        first_steps(try_move(c, way), cut).await;
    }
    c.until("every job that has moved goes on", async || {
        for way in &ways {
            if c.state(way.id).await == State::Cancelled && !is_there(c, way.new_id).await {
                return false;
            }
        }
        true
    })
    .await;
    for way in &ways {
        assert_eq!(try_move(c, way).await.expect("moved, or moved before"), way.new_id);
    }
    c.until("all are there", async || other.all().await.len() == ways.len()).await;
    c.tick().await;
    assert_eq!(other.all().await.len(), ways.len());
    assert!(c.lease(1).await.is_empty());
}

/// Lets a call go on for so many steps, and drops it there.
async fn first_steps<T>(call: impl Future<Output = T>, steps: u32) -> Option<T> {
    let (mut call, mut left) = (pin!(call), steps);
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        call.as_mut().poll(context).map(Some)
    })
    .await
}

/// An ended job that is on its way keeps its record until the new one is there; then it may be removed like any other.
pub async fn q5_moves_leave_a_record_that_may_be_purged(c: &Case) {
    let other = c.beside().await;
    let id = c.put(c.job()).await;
    let new = moved(c, id, &other).await;
    assert_eq!(c.broker.purge(&Scope::All, &[id]).await.expect("an answer"), [true]);
    let lease = other.one().await;
    assert_eq!((lease.job.id, lease.job.moved_from), (new, Some(id)));
    assert_eq!(other.ack(&lease, Outcome::Retry { after: LONG, error: super::error("x") }).await, State::Retrying);
}
