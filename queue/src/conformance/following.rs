//! Jobs that wait for the end of another job: depends-on.

use super::{Case, LONG, SHORT, complete, dead, for_signal, only, retry};
use crate::{
    BrokerError, Due, FOLLOWERS_MAX, JobId, LeaseRequest, NewJob, Obstacle, Outcome, Priority, Scope, State, Unique, UniqueMode, Wait,
    WaitOn, WaitPolicy, Woken,
};
use longshore_base::Code;

/// A wait for the end of that job.
fn until_ended(id: JobId) -> Wait {
    Wait { on: WaitOn::Job(id), timeout: None, on_timeout: WaitPolicy::Ignore, on_child_failed: WaitPolicy::Ignore }
}

/// A job that follows another.
fn follower(c: &Case, id: JobId) -> NewJob {
    NewJob { wait: Some(until_ended(id)), ..c.job() }
}

/// In every live state of the other job it waits.
pub async fn q3_waiting_for_a_job_that_has_not_ended(c: &Case) {
    for state in State::ALL.into_iter().filter(|state| !state.is_ended()) {
        let (other, _) = c.in_state(state).await;
        let enqueued = c.enqueue(follower(c, other)).await;
        assert_eq!((enqueued.state, enqueued.duplicate), (State::Waiting, false), "{state}");
        let job = c.get(enqueued.id).await;
        assert_eq!((job.state, job.due_at, c.state(other).await), (State::Waiting, None, state));
    }
    assert!(c.lease(10).await.is_empty());
}

/// One that has ended, or is not there, holds nobody.
pub async fn q3_enqueue_after_the_end_of_another_job_is_ready(c: &Case) {
    let mut ids = vec![c.id()];
    for state in [State::Completed, State::Cancelled, State::Dead] {
        ids.push(c.in_state(state).await.0);
    }
    let (gone, _) = c.in_state(State::Completed).await;
    c.broker.purge(&Scope::All, &[gone]).await.expect("an answer");
    ids.push(gone);
    for id in ids {
        let enqueued = c.enqueue(follower(c, id)).await;
        assert_eq!((enqueued.state, enqueued.duplicate), (State::Ready, false));
        assert_eq!(c.one().await.job.id, enqueued.id);
    }
    let later = c.enqueue(NewJob { due: Due::In(LONG), ..follower(c, c.id()) }).await;
    assert_eq!(later.state, State::Scheduled, "as if it had no wait");
}

/// The end wakes all that follow, in the order of their lane, and tells them why.
pub async fn q3_waiting_for_a_job_wakes_all_that_follow(c: &Case) {
    let other = c.put(NewJob { priority: Priority::new(9).expect("at most 9"), ..c.job() }).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(c.put(follower(c, other)).await);
    }
    let urgent = c.put(NewJob { priority: Priority::new(8).expect("at most 9"), ..follower(c, other) }).await;
    let plain = c.put(c.job()).await;
    let lease = c.one().await;
    assert_eq!(lease.job.id, other);
    assert_eq!(c.ack(&lease, complete()).await, State::Completed);
    ids.insert(0, urgent);
    ids.push(plain);
    let leases = c.lease(10).await;
    assert_eq!(leases.iter().map(|lease| lease.job.id).collect::<Vec<_>>(), ids, "the order of enqueue is kept");
    assert!(leases[..5].iter().all(|lease| lease.woken == Some(Woken::Met) && lease.job.counters.runs == 1));
    assert_eq!(leases[5].woken, None);
}

/// Every end is one; a chain wakes link by link.
pub async fn q3_waiting_for_a_job_wakes_link_by_link(c: &Case) {
    let first = c.put(c.job()).await;
    let second = c.put(follower(c, first)).await;
    let third = c.put(follower(c, second)).await;
    let fourth = c.put(follower(c, third)).await;
    c.ack(&c.one().await, dead()).await;
    assert_eq!((c.state(second).await, c.state(third).await), (State::Ready, State::Waiting));
    let lease = c.one().await;
    assert_eq!(lease.job.id, second);
    c.ack(&lease, retry(LONG)).await;
    assert_eq!(c.state(third).await, State::Waiting, "no end yet");
    c.broker.give_up(&Scope::All, second).await.expect("given up");
    assert_eq!((c.state(third).await, c.state(fourth).await), (State::Ready, State::Waiting));
    c.cancel(third).await.expect("cancelled");
    assert_eq!(c.one().await.job.id, fourth);
}

/// A job may follow one that waits itself, and its cancel is an end too.
pub async fn q3_waiting_for_a_job_is_woken_by_a_cancelled_follower(c: &Case) {
    let (first, _) = c.in_state(State::Ready).await;
    let second = c.put(follower(c, first)).await;
    let third = c.put(follower(c, second)).await;
    c.cancel(second).await.expect("cancelled");
    assert_eq!((c.state(second).await, c.state(third).await), (State::Cancelled, State::Ready));
    c.cancel(first).await.expect("cancelled");
    assert_eq!((c.state(second).await, only(c.lease(5).await).job.id), (State::Cancelled, third), "what has ended stays ended");
}

/// A job of another queue, or the job itself, cannot be followed; an attempt cannot end so.
pub async fn q3_waiting_for_a_job_of_this_queue_only(c: &Case) {
    let there = c.beside().await;
    let far = there.put(there.job()).await;
    assert_eq!(c.refused(c.try_enqueue(follower(c, far))).await.code(), Code::RequestInvalid);
    let job = c.job();
    let own = NewJob { wait: Some(until_ended(job.id)), ..job };
    assert_eq!(c.refused(c.try_enqueue(own)).await.code(), Code::RequestInvalid);
    let other = c.put(NewJob { kind: c.own("other"), ..c.job() }).await;
    let lease = c.running().await;
    let error = c.refused(c.try_ack(&lease, Outcome::Wait(until_ended(other)))).await;
    assert_eq!(error.code(), Code::RequestInvalid);
    assert_eq!(c.state(lease.job.id).await, State::Running);
    assert_eq!(c.ack(&lease, complete()).await, State::Completed, "the lease is still good");
    let batch = vec![c.job(), follower(c, far), follower(c, other)];
    let answers = c.broker.enqueue(batch).await.expect("an answer");
    let told: Vec<_> = answers.iter().map(|answer| answer.as_ref().map(|enqueued| enqueued.state).map_err(BrokerError::code)).collect();
    assert_eq!(told, [Ok(State::Ready), Err(Code::RequestInvalid), Ok(State::Waiting)]);
}

/// So many and no more; who does not wait any more makes room.
pub async fn q3_waiting_for_a_job_is_bounded(c: &Case) {
    let (other, _) = c.in_state(State::Ready).await;
    let jobs: Vec<_> = (0..FOLLOWERS_MAX).map(|_| follower(c, other)).collect();
    let first = jobs[0].clone();
    for enqueued in c.broker.enqueue(jobs).await.expect("an answer") {
        assert_eq!(enqueued.expect("one of those that may").state, State::Waiting);
    }
    assert_eq!(c.refused(c.try_enqueue(follower(c, other))).await.code(), Code::RequestInvalid);
    assert!(c.unchanged(c.try_enqueue(first.clone())).await.expect("it is there").duplicate);
    c.cancel(first.id).await.expect("cancelled");
    assert_eq!(c.enqueue(follower(c, other)).await.state, State::Waiting, "there is room");
    assert_eq!(c.refused(c.try_enqueue(follower(c, other))).await.code(), Code::RequestInvalid);
    c.cancel(other).await.expect("cancelled");
    assert_eq!(c.lease(500).await.len(), FOLLOWERS_MAX);
    assert_eq!(c.enqueue(follower(c, other)).await.state, State::Ready);
}

/// A timeout goes by its policy, and the other job's end comes too late then.
pub async fn q3_waiting_for_a_job_timeout_by_policy(c: &Case) {
    let (other, _) = c.in_state(State::Ready).await;
    let kind = c.own("timed");
    let timed = |on_timeout| {
        let wait = Wait { timeout: Some(SHORT), on_timeout, ..until_ended(other) };
        NewJob { wait: Some(wait), kind: kind.clone(), ..c.job() }
    };
    let wakes = c.put(timed(WaitPolicy::Wake)).await;
    let dies = c.put(timed(WaitPolicy::Die)).await;
    let stays = c.put(timed(WaitPolicy::Ignore)).await;
    assert!(c.get(wakes).await.due_at.is_some());
    c.until_state(wakes, State::Ready).await;
    c.until_state(dies, State::Dead).await;
    c.until("the third has no end any more", async || c.get(stays).await.due_at.is_none()).await;
    assert_eq!(c.state(stays).await, State::Waiting);
    let lease = only(c.ask(&LeaseRequest { kinds: [kind.clone()].into(), ..c.request("w1", 5, LONG) }).await.leases);
    assert_eq!((lease.job.id, lease.woken), (wakes, Some(Woken::TimedOut)));
    c.cancel(other).await.expect("cancelled");
    assert_eq!((c.state(wakes).await, c.state(dies).await, c.state(stays).await), (State::Running, State::Dead, State::Ready));
}

/// Ends and enqueues race; every time the follower wakes.
pub async fn q4_waiting_for_a_job_races_always_wake(c: &Case) {
    for _ in 0..30 {
        let lease = c.running().await;
        let job = follower(c, lease.job.id);
        let (enqueued, ended) = tokio::join!(c.try_enqueue(job), c.try_ack(&lease, complete()));
        assert_eq!(ended.expect("accepted").state, State::Completed);
        let next = c.one().await;
        assert_eq!(next.job.id, enqueued.expect("taken").id);
        c.ack(&next, complete()).await;
    }
}

/// What waits does not expire; what is woken too late does, and starts no more.
pub async fn q5_expires_holds_again_after_a_wait(c: &Case) {
    let (other, _) = c.in_state(State::Ready).await;
    let expires_at = Some(c.now().await + 100);
    let follows = c.put(NewJob { expires_at, ..follower(c, other) }).await;
    let listens = c.put(NewJob { expires_at, wait: Some(for_signal("go")), ..c.job() }).await;
    c.pass(SHORT).await;
    c.tick().await;
    assert_eq!((c.state(follows).await, c.state(listens).await), (State::Waiting, State::Waiting));
    c.cancel(other).await.expect("cancelled");
    let signal = crate::Delivery::Signal { job: listens, once: "1".into(), name: "go".into(), payload: super::args("x") };
    only(c.broker.deliver(vec![signal]).await.expect("an answer")).expect("kept");
    assert!(c.lease(10).await.is_empty());
    for id in [follows, listens] {
        assert_eq!(c.until_state(id, State::Cancelled).await.reason, Some(crate::Reason::Expired));
    }
}

/// A follower is told nothing by a signal or a child; it waits on.
pub async fn q4_waiting_for_a_job_is_woken_by_nothing_else(c: &Case) {
    let (other, _) = c.in_state(State::Ready).await;
    let id = c.put(follower(c, other)).await;
    let signal = crate::Delivery::Signal { job: id, once: "1".into(), name: "go".into(), payload: super::args("x") };
    only(c.broker.deliver(vec![signal]).await.expect("an answer")).expect("kept");
    let (bystander, _) = c.in_state(State::Completed).await;
    c.broker.purge(&Scope::All, &[bystander]).await.expect("an answer");
    c.tick().await;
    assert_eq!(c.state(id).await, State::Waiting);
    c.cancel(other).await.expect("cancelled");
    let lease = c.one().await;
    assert_eq!((lease.job.id, lease.woken), (id, Some(Woken::Met)));
    assert_eq!(only(c.broker.inbox(id).await.expect("an inbox").signals).once, "1");
    assert_eq!(c.ack(&lease, Outcome::Wait(for_signal("go"))).await, State::Ready, "the signal was kept");
}

/// A repeated enqueue finds the follower; a unique key is held while it waits.
pub async fn q4_repeating_an_enqueue_of_a_follower(c: &Case) {
    let other = c.put(NewJob { priority: Priority::new(9).expect("at most 9"), ..c.job() }).await;
    let unique = || Some(Unique { key: "k".into(), mode: UniqueMode::Keep });
    let job = NewJob { unique: unique(), ..follower(c, other) };
    let id = c.put(job.clone()).await;
    let again = c.unchanged(c.enqueue(job.clone())).await;
    assert_eq!((again.id, again.state, again.duplicate), (id, State::Waiting, true));
    let merged = c.unchanged(c.enqueue(NewJob { unique: unique(), ..c.job() })).await;
    assert_eq!((merged.id, merged.duplicate), (id, true));
    c.ack(&c.one().await, complete()).await;
    let again = c.unchanged(c.enqueue(job)).await;
    assert_eq!((again.id, again.state, again.duplicate), (id, State::Ready, true));
}

/// Who asks why hears which job it is.
pub async fn q2_explain_names_the_job_that_is_followed(c: &Case) {
    let (other, _) = c.in_state(State::Ready).await;
    let id = c.put(follower(c, other)).await;
    let told = c.broker.explain(&Scope::All, id).await.expect("an answer");
    assert_eq!(told.state, State::Waiting);
    let waits: Vec<_> = told.obstacles.iter().filter(|obstacle| matches!(obstacle, Obstacle::Waiting { .. })).collect();
    let Obstacle::Waiting { by, until, what } = only(waits) else { panic!("filtered above") };
    assert_eq!((by.as_slice(), *until), ([other].as_slice(), None));
    assert!(!what.is_empty());
    c.cancel(other).await.expect("cancelled");
    let told = c.broker.explain(&Scope::All, id).await.expect("an answer");
    assert!(!told.obstacles.iter().any(|obstacle| matches!(obstacle, Obstacle::Waiting { .. })));
}
