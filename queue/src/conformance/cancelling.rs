//! Cancel: at once, or asked of a running attempt.

use super::{Case, LONG, SHORT, complete, dead, error, for_signal, only, retry};
use crate::{BrokerError, Delivery, Held, NewJob, Outcome, Parent, Reason, Scope, State};
use longshore_base::{Code, Name};
use std::time::Duration;

/// At once in every state that holds no worker.
pub async fn q3_cancel_at_once_where_nobody_works(c: &Case) {
    for state in [State::Scheduled, State::Ready, State::Retrying, State::Waiting] {
        let (id, _) = c.in_state(state).await;
        assert_eq!(c.cancel(id).await.expect("cancelled"), State::Cancelled, "from {state}");
        let job = c.get(id).await;
        assert_eq!((job.state, job.reason, job.due_at), (State::Cancelled, Some(Reason::Cancelled), None));
        assert!(job.ended_at.is_some());
        let request = crate::LeaseRequest { kinds: [job.kind].into(), ..c.request("w1", 5, LONG) };
        assert!(c.ask(&request).await.leases.is_empty(), "a cancelled job does not run");
    }
}

/// An ended job cannot be cancelled.
pub async fn q3_cancel_of_an_ended_job_is_refused(c: &Case) {
    for state in [State::Completed, State::Dead] {
        let (id, _) = c.in_state(state).await;
        assert_eq!(c.refused(c.cancel(id)).await.code(), Code::NotCancellable);
    }
}

/// A batch is per item: unknown ids and other tenants' do not keep the rest.
pub async fn q3_cancel_batch_is_per_item(c: &Case) {
    let ids = c.add(2).await;
    let foreign = c.put(NewJob { tenant: Name::literal("two"), ..c.job() }).await;
    let asked = [ids[0], c.id(), foreign, ids[1]];
    let scope = Scope::Tenant(Name::literal("one"));
    let answers = c.broker.cancel(&scope, &asked).await.expect("an answer");
    let wanted =
        matches!(answers[..], [Ok(State::Cancelled), Err(BrokerError::NotFound), Err(BrokerError::NotFound), Ok(State::Cancelled)]);
    assert!(wanted, "{answers:?}");
    assert_eq!(c.state(foreign).await, State::Ready);
}

/// A cancelled job's open children are told, in its queue and in others.
pub async fn q3_cancel_tells_open_children(c: &Case) {
    let other = c.beside().await;
    let lease = c.running().await;
    let parent = lease.job.id;
    let mut children = Vec::new();
    for (case, key) in [(c, "near"), (&other, "far")] {
        let parent = Parent { id: parent, key: key.into() };
        let child = parent.child_id(case.home);
        let opened = Delivery::ChildOpened { parent: parent.id, token: lease.token, key: key.into(), child };
        only(c.broker.deliver(vec![opened]).await.expect("an answer")).expect("kept");
        case.put(NewJob { id: child, parent: Some(parent), due: crate::Due::In(LONG), ..case.job() }).await;
        children.push(child);
    }
    c.ack(&lease, Outcome::Wait(for_signal("never"))).await;
    assert_eq!(c.cancel(parent).await.expect("cancelled"), State::Cancelled);
    c.until_state(children[0], State::Cancelled).await;
    c.until_state(children[1], State::Cancelled).await;
}

/// A running job is asked: it goes on, extend tells its worker, and it may be asked again.
pub async fn q3_cancel_requested_is_told_by_extend(c: &Case) {
    let lease = c.running().await;
    for _ in 0..2 {
        assert_eq!(c.cancel(lease.job.id).await.expect("asked"), State::Running);
    }
    let job = c.get(lease.job.id).await;
    assert!(job.state == State::Running && job.cancel_requested);
    let held = [Held { id: lease.job.id, token: lease.token }];
    let reply = c.broker.extend(&c.queue, "w1", &held, 0, LONG).await.expect("a reply");
    assert_eq!((reply.cancel, reply.lost), (vec![lease.job.id], vec![]));
    assert_eq!(c.ack(&lease, Outcome::Cancel).await, State::Cancelled);
    assert_eq!(c.get(lease.job.id).await.reason, Some(Reason::Cancelled));
}

/// An attempt that completes wins over the request.
pub async fn q3_complete_wins_over_a_cancel_request(c: &Case) {
    let lease = c.running().await;
    c.cancel(lease.job.id).await.expect("asked");
    assert_eq!(c.ack(&lease, Outcome::Complete { output: Some(super::args("x")) }).await, State::Completed);
    let job = c.get(lease.job.id).await;
    assert_eq!((job.state, job.reason), (State::Completed, None));
}

/// Any end that is not final becomes Cancelled; a final one stays what it is.
pub async fn q3_cancel_requested_ends_what_would_go_on(c: &Case) {
    let ends = [
        (retry(Duration::ZERO), State::Cancelled),
        (Outcome::Snooze { after: Duration::ZERO }, State::Cancelled),
        (Outcome::Gate { after: Duration::ZERO, reason: "429".into() }, State::Cancelled),
        (Outcome::Release { started: true }, State::Cancelled),
        (Outcome::Release { started: false }, State::Cancelled),
        (Outcome::Wait(for_signal("go")), State::Cancelled),
        (dead(), State::Dead),
    ];
    for (outcome, wanted) in ends {
        let lease = c.running().await;
        c.cancel(lease.job.id).await.expect("asked");
        assert_eq!(c.ack(&lease, outcome.clone()).await, wanted, "{outcome:?}");
        assert_eq!(c.state(lease.job.id).await, wanted);
    }
}

/// A lost lease too.
pub async fn q3_cancel_requested_then_lost_is_cancelled(c: &Case) {
    let id = c.put(c.job()).await;
    c.lease_by("w1", 1, SHORT).await;
    c.cancel(id).await.expect("asked");
    c.until("it is reaped", async || c.state(id).await != State::Running).await;
    let job = c.get(id).await;
    assert_eq!((job.state, job.reason, job.counters.crashes), (State::Cancelled, Some(Reason::Cancelled), 1));
}

/// A request dies with its attempt: it does not reach a later one. (Nothing goes on after a request, so only a replay shows it.)
pub async fn q3_cancel_requested_is_not_inherited_by_a_replay(c: &Case) {
    let lease = c.running().await;
    c.cancel(lease.job.id).await.expect("asked");
    c.ack(&lease, Outcome::Dead { reason: Reason::Fatal, error: error("bad") }).await;
    let replay = crate::Replay { id: lease.job.id, new_id: c.id(), args: None };
    only(c.broker.replay(&Scope::All, vec![replay]).await.expect("an answer")).expect("replayed");
    let again = c.one().await;
    assert!(!again.job.cancel_requested);
    assert_eq!(c.ack(&again, complete()).await, State::Completed);
}
