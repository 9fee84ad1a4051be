//! Edit, retry now, give up: what people change, in which states.

use super::{Case, LONG, SHORT, args, complete, retry};
use crate::{BrokerError, Due, Edit, NewJob, Priority, Reason, Scope, State};
use longshore_base::{Code, Name};
use std::time::Duration;

/// Scheduled, Ready and Retrying jobs can be edited; the revision grows.
pub async fn q3_every_exit_and_edit_in_scheduled_ready_retrying(c: &Case) {
    for state in [State::Scheduled, State::Ready, State::Retrying] {
        let (id, _) = c.in_state(state).await;
        let before = c.get(id).await;
        let edit =
            Edit { args: Some(args("edited")), priority: Priority::new(8), due: None, tags: Some(vec![Name::literal("t")]), by: None };
        let revision = c.broker.edit(&Scope::All, id, before.revision, edit).await.expect("edited");
        let job = c.get(id).await;
        assert!(revision > before.revision && job.revision == revision);
        assert_eq!((job.state, job.args.get(), job.priority.get()), (state, args("edited").get(), 8));
        assert_eq!((job.tags, job.due_at, job.policy), (vec![Name::literal("t")], before.due_at, before.policy));
    }
}

/// In every other state it is refused; for letters see `q5_letters_edited`.
pub async fn q3_every_exit_and_edit_refused_elsewhere(c: &Case) {
    for state in [State::Running, State::Waiting, State::Completed, State::Cancelled] {
        let (id, _) = c.in_state(state).await;
        let revision = c.get(id).await.revision;
        let edit = Edit { args: Some(args("edited")), ..Edit::default() };
        let error = c.refused(c.broker.edit(&Scope::All, id, revision, edit)).await;
        assert_eq!(error.code(), Code::NotEditable, "in {state}");
    }
}

/// Another revision than the current one is refused.
pub async fn q6_contract_edit_needs_the_current_revision(c: &Case) {
    let (id, _) = c.in_state(State::Ready).await;
    let first = c.get(id).await.revision;
    let edit = |text| Edit { args: Some(args(text)), ..Edit::default() };
    let second = c.broker.edit(&Scope::All, id, first, edit("a")).await.expect("edited");
    for wrong in [first, second + 1, u32::MAX] {
        let error = c.refused(c.broker.edit(&Scope::All, id, wrong, edit("b"))).await;
        assert_eq!(error.code(), Code::RevisionMismatch);
    }
    c.broker.edit(&Scope::All, id, second, edit("c")).await.expect("edited");
    assert_eq!(c.get(id).await.args.get(), args("c").get());
}

/// An edited priority moves the job inside its lane.
pub async fn q2_lane_order_follows_an_edited_priority(c: &Case) {
    let ids = c.add(3).await;
    for (id, priority) in [(ids[2], 9), (ids[0], 1)] {
        let edit = Edit { priority: Priority::new(priority), ..Edit::default() };
        c.broker.edit(&Scope::All, id, c.get(id).await.revision, edit).await.expect("edited");
    }
    let got: Vec<_> = c.lease(10).await.into_iter().map(|l| l.job.id).collect();
    assert_eq!(got, [ids[2], ids[1], ids[0]]);
}

/// A Ready job whose time is moved ahead becomes Scheduled, and leaves its lane.
pub async fn q3_ready_replaced_or_edited_to_later_is_scheduled(c: &Case) {
    let id = c.put(c.job()).await;
    let edit = Edit { due: Some(Due::In(LONG)), ..Edit::default() };
    c.broker.edit(&Scope::All, id, c.get(id).await.revision, edit).await.expect("edited");
    assert_eq!(c.state(id).await, State::Scheduled);
    assert!(c.lease(5).await.is_empty());
}

/// A Scheduled job may be moved to now or to another time.
pub async fn q3_scheduled_replaced_or_edited_run_at(c: &Case) {
    let id = c.put(NewJob { due: Due::In(LONG), ..c.job() }).await;
    let at = c.now().await + 10_000_000;
    let edit = Edit { due: Some(Due::At(at)), ..Edit::default() };
    let revision = c.broker.edit(&Scope::All, id, c.get(id).await.revision, edit).await.expect("edited");
    assert_eq!((c.state(id).await, c.get(id).await.due_at), (State::Scheduled, Some(at)));
    let edit = Edit { due: Some(Due::In(SHORT)), ..Edit::default() };
    let revision = c.broker.edit(&Scope::All, id, revision, edit).await.expect("edited");
    c.until_state(id, State::Ready).await;
    let edit = Edit { due: Some(Due::In(LONG)), ..Edit::default() };
    let revision = c.broker.edit(&Scope::All, id, revision, edit).await.expect("edited");
    let edit = Edit { due: Some(Due::Now), ..Edit::default() };
    c.broker.edit(&Scope::All, id, revision, edit).await.expect("edited");
    assert_eq!(c.state(id).await, State::Ready);
    assert_eq!(c.one().await.job.id, id);
}

/// A Retrying job stays Retrying when it is moved.
pub async fn q3_retrying_edited_run_at_stays_retrying(c: &Case) {
    let (id, _) = c.in_state(State::Retrying).await;
    let at = c.now().await + 10_000_000;
    let edit = Edit { due: Some(Due::At(at)), ..Edit::default() };
    let revision = c.broker.edit(&Scope::All, id, c.get(id).await.revision, edit).await.expect("edited");
    assert_eq!((c.state(id).await, c.get(id).await.due_at), (State::Retrying, Some(at)));
    let edit = Edit { due: Some(Due::In(SHORT)), ..Edit::default() };
    c.broker.edit(&Scope::All, id, revision, edit).await.expect("edited");
    c.until_state(id, State::Ready).await;
}

/// The next attempt may be brought forward.
pub async fn q3_retrying_retry_now_is_ready(c: &Case) {
    let lease = c.running().await;
    c.ack(&lease, retry(LONG)).await;
    assert_eq!(c.broker.retry_now(&Scope::All, lease.job.id).await.expect("ready"), State::Ready);
    let again = c.one().await;
    assert_eq!((again.job.id, again.job.counters.attempts), (lease.job.id, 1));
    c.ack(&again, complete()).await;
}

/// A Scheduled job too.
pub async fn q3_due_is_brought_forward_by_retry_now(c: &Case) {
    let id = c.put(NewJob { due: Due::In(LONG), ..c.job() }).await;
    assert_eq!(c.broker.retry_now(&Scope::All, id).await.expect("ready"), State::Ready);
    assert_eq!(c.one().await.job.id, id);
}

/// Nothing else can be brought forward.
pub async fn q3_retrying_retry_now_refused_elsewhere(c: &Case) {
    for state in [State::Running, State::Waiting, State::Completed, State::Cancelled, State::Dead] {
        let (id, _) = c.in_state(state).await;
        let error = c.refused(c.broker.retry_now(&Scope::All, id)).await;
        assert_eq!(error.code(), Code::NotRetryable, "in {state}");
    }
}

/// A Retrying job may be given up; nothing else.
pub async fn q3_retrying_given_up_is_dead(c: &Case) {
    let lease = c.running().await;
    c.ack(&lease, retry(LONG)).await;
    assert_eq!(c.broker.give_up(&Scope::All, lease.job.id).await.expect("dead"), State::Dead);
    let job = c.get(lease.job.id).await;
    assert_eq!((job.state, job.reason, job.counters.attempts, job.due_at), (State::Dead, Some(Reason::GivenUp), 1, None));
    for state in [State::Scheduled, State::Ready, State::Running, State::Waiting, State::Completed, State::Dead] {
        let (id, _) = c.in_state(state).await;
        let error = c.refused(c.broker.give_up(&Scope::All, id)).await;
        assert!(matches!(error, BrokerError::Conflict { .. }), "in {state}: {error:?}");
    }
}

/// A job that waits for its next attempt becomes due by itself.
pub async fn q3_retrying_due_is_ready(c: &Case) {
    let lease = c.running().await;
    c.ack(&lease, retry(SHORT)).await;
    c.pass(SHORT + Duration::from_millis(5)).await;
    assert_eq!(c.tick().await.promoted, 1);
    assert_eq!(c.state(lease.job.id).await, State::Ready);
}
