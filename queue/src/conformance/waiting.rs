//! Waiting: children, signals, timeouts, and the races around them.

use super::{Case, LONG, SHORT, args, complete, dead, for_signal, only};
use crate::{
    BrokerError, ChildOutcome, Delivered, Delivery, JobId, Lease, MAILBOX_MAX, NewJob, Outcome, Parent, Reason, State, Wait, WaitOn,
    WaitPolicy, Woken,
};
use std::time::Duration;

async fn deliver(c: &Case, delivery: Delivery) -> Result<Delivered, BrokerError> {
    only(c.broker.deliver(vec![delivery]).await?)
}

fn signal(job: JobId, once: &str, name: &str) -> Delivery {
    Delivery::Signal { job, once: once.into(), name: name.into(), payload: args(once) }
}

/// A child of `parent`'s run: opened there, enqueued in the queue of `c`.
async fn child(c: &Case, parent: &Lease, key: &str) -> JobId {
    let link = Parent { id: parent.job.id, key: key.into() };
    let id = link.child_id(c.home);
    let opened = Delivery::ChildOpened { parent: link.id, token: parent.token, key: key.into(), child: id };
    assert_eq!(deliver(c, opened).await.expect("opened"), Delivered::Kept);
    c.put(NewJob { id, parent: Some(link), ..c.job() }).await
}

fn wait(on: WaitOn) -> Wait {
    Wait { on, ..for_signal("") }
}

/// Runs the child and ends it.
async fn end(c: &Case, child: JobId, outcome: Outcome) {
    let lease = c.one_soon().await;
    assert_eq!(lease.job.id, child);
    c.ack(&lease, outcome).await;
}

/// Unmet: the job waits without a slot, and no counter moves.
pub async fn q3_wait_unmet_frees_the_slot(c: &Case) {
    c.broker.rule(&c.queue, &crate::RuleScope::Queue, crate::RuleChange::Scale(Some(1)), None).await.expect("scaled");
    let lease = c.running().await;
    assert_eq!(c.ack(&lease, Outcome::Wait(for_signal("go"))).await, State::Waiting);
    let job = c.get(lease.job.id).await;
    assert_eq!((job.state, job.worker, job.due_at), (State::Waiting, None, None));
    assert_eq!((job.counters.attempts, job.counters.crashes, job.counters.interruptions), (0, 0, 0));
    c.running().await;
}

/// Already met: straight to Ready, and told so.
pub async fn q3_wait_already_met_is_ready(c: &Case) {
    let lease = c.running().await;
    deliver(c, signal(lease.job.id, "1", "go")).await.expect("kept");
    assert_eq!(c.ack(&lease, Outcome::Wait(for_signal("go"))).await, State::Ready);
    let again = c.one().await;
    assert_eq!((again.job.id, again.woken), (lease.job.id, Some(Woken::Met)));
    c.ack(&again, complete()).await;
}

/// A delivery that comes before the Wait ack is not lost, wherever it falls.
pub async fn q4_waiting_delivery_before_the_wait_is_not_lost(c: &Case) {
    let parent = c.running().await;
    let first = child(c, &parent, "a").await;
    end(c, first, complete()).await;
    c.until("the parent knows", async || {
        c.broker.inbox(parent.job.id).await.expect("an inbox").children.iter().all(|child| child.outcome.is_some())
    })
    .await;
    assert_eq!(c.ack(&parent, Outcome::Wait(wait(WaitOn::AllChildren))).await, State::Ready);
    assert_eq!(c.one().await.woken, Some(Woken::Met));
}

/// Deliveries and Wait acks race; every time the job wakes.
pub async fn q4_waiting_races_always_wake(c: &Case) {
    for round in 0..30 {
        let lease = c.running().await;
        let (told, acked) =
            tokio::join!(deliver(c, signal(lease.job.id, &round.to_string(), "go")), c.try_ack(&lease, Outcome::Wait(for_signal("go"))),);
        assert_eq!(told.expect("kept"), Delivered::Kept);
        assert!(matches!(acked.expect("accepted").state, State::Waiting | State::Ready));
        let again = c.one_soon().await;
        assert_eq!((again.job.id, again.woken), (lease.job.id, Some(Woken::Met)));
        c.ack(&again, complete()).await;
    }
}

/// Nobody's children: met at once.
pub async fn q4_waiting_for_no_children_is_met(c: &Case) {
    let lease = c.running().await;
    assert_eq!(c.ack(&lease, Outcome::Wait(wait(WaitOn::AllChildren))).await, State::Ready);
}

/// All children: the last one wakes the parent, and the parent sees what they returned.
pub async fn q3_waiting_for_all_children(c: &Case) {
    let parent = c.running().await;
    let (a, b) = (child(c, &parent, "a").await, child(c, &parent, "b").await);
    assert_eq!(c.ack(&parent, Outcome::Wait(wait(WaitOn::AllChildren))).await, State::Waiting);
    end(c, a, Outcome::Complete { output: Some(args("from a")) }).await;
    c.tick().await;
    assert_eq!(c.state(parent.job.id).await, State::Waiting);
    end(c, b, complete()).await;
    c.until_state(parent.job.id, State::Ready).await;
    assert_eq!(c.one().await.woken, Some(Woken::Met));
    let children = c.broker.inbox(parent.job.id).await.expect("an inbox").children;
    let told: Vec<_> = children.iter().map(|c| (c.key.as_str(), c.id, c.outcome.as_ref().map(|o| o.state))).collect();
    assert_eq!(told, [("a", a, Some(State::Completed)), ("b", b, Some(State::Completed))]);
    let output = children[0].outcome.as_ref().and_then(|o| o.output.as_ref()).map(|o| o.get().to_owned());
    assert_eq!(output.as_deref(), Some(args("from a").get()));
}

/// Any child: the first one wakes the parent.
pub async fn q3_waiting_for_any_child(c: &Case) {
    let parent = c.running().await;
    let a = child(c, &parent, "a").await;
    child(c, &parent, "b").await;
    assert_eq!(c.ack(&parent, Outcome::Wait(wait(WaitOn::AnyChild))).await, State::Waiting);
    end(c, a, complete()).await;
    c.until_state(parent.job.id, State::Ready).await;
}

/// A failed child, by policy: wake and be told, die, or count it as ended.
pub async fn q3_waiting_child_failed_by_policy(c: &Case) {
    for policy in [WaitPolicy::Wake, WaitPolicy::Die, WaitPolicy::Ignore] {
        let kind = c.own("parent");
        let id = c.put(NewJob { kind: kind.clone(), ..c.job() }).await;
        let request = crate::LeaseRequest { kinds: [kind.clone()].into(), ..c.request("w1", 1, LONG) };
        let parent = only(c.ask(&request).await.leases);
        let (a, b) = (child(c, &parent, "a").await, child(c, &parent, "b").await);
        let wait = Wait { on_child_failed: policy, ..wait(WaitOn::AllChildren) };
        assert_eq!(c.ack(&parent, Outcome::Wait(wait)).await, State::Waiting);
        end(c, a, dead()).await;
        match policy {
            WaitPolicy::Wake => {
                c.until_state(id, State::Ready).await;
                let request = crate::LeaseRequest { kinds: [kind].into(), ..c.request("w1", 1, LONG) };
                assert_eq!(only(c.ask(&request).await.leases).woken, Some(Woken::ChildFailed));
            }
            WaitPolicy::Die => assert_eq!(c.until_state(id, State::Dead).await.reason, Some(Reason::ChildFailed)),
            WaitPolicy::Ignore => {
                c.tick().await;
                assert_eq!(c.state(id).await, State::Waiting);
            }
        }
        end(c, b, complete()).await;
        if policy == WaitPolicy::Ignore {
            c.until_state(id, State::Ready).await;
            c.cancel(id).await.expect("cancelled");
        }
    }
}

/// A cancelled child failed as well.
pub async fn q3_waiting_cancelled_child_counts_as_failed(c: &Case) {
    let parent = c.running().await;
    let a = child(c, &parent, "a").await;
    c.ack(&parent, Outcome::Wait(wait(WaitOn::AllChildren))).await;
    c.cancel(a).await.expect("cancelled");
    c.until_state(parent.job.id, State::Ready).await;
    assert_eq!(c.one().await.woken, Some(Woken::ChildFailed));
}

/// A wait that runs out, by policy.
pub async fn q3_waiting_timeout_by_policy(c: &Case) {
    let wait = |on_timeout| Wait { timeout: Some(SHORT), on_timeout, ..for_signal("go") };
    let lease = c.running().await;
    assert_eq!(c.ack(&lease, Outcome::Wait(wait(WaitPolicy::Wake))).await, State::Waiting);
    assert!(c.get(lease.job.id).await.due_at.is_some());
    c.until_state(lease.job.id, State::Ready).await;
    let again = c.one().await;
    assert_eq!(again.woken, Some(Woken::TimedOut));
    c.ack(&again, Outcome::Wait(wait(WaitPolicy::Die))).await;
    assert_eq!(c.until_state(lease.job.id, State::Dead).await.reason, Some(Reason::WaitTimedOut));
    let lease = c.running().await;
    c.ack(&lease, Outcome::Wait(wait(WaitPolicy::Ignore))).await;
    c.pass(SHORT * 2).await;
    c.tick().await;
    assert_eq!(c.state(lease.job.id).await, State::Waiting);
    deliver(c, signal(lease.job.id, "1", "go")).await.expect("kept");
    assert_eq!(c.one_soon().await.woken, Some(Woken::Met));
}

/// The timeout of a wait that ended is forgotten.
pub async fn q3_waiting_met_forgets_the_timeout(c: &Case) {
    let lease = c.running().await;
    let wait = Wait { timeout: Some(SHORT), on_timeout: WaitPolicy::Die, ..for_signal("go") };
    c.ack(&lease, Outcome::Wait(wait)).await;
    deliver(c, signal(lease.job.id, "1", "go")).await.expect("kept");
    assert_eq!(c.state(lease.job.id).await, State::Ready);
    c.pass(SHORT * 2).await;
    c.tick().await;
    let again = c.one().await;
    assert_eq!((again.job.id, again.woken, again.job.due_at), (lease.job.id, Some(Woken::Met), None));
    let later = c.ack(&again, crate::Outcome::Release { started: true }).await;
    assert_eq!(later, State::Ready);
    assert_eq!(c.one().await.job.id, lease.job.id);
}

/// Signals wake by name; others are kept for later.
pub async fn q3_waiting_for_a_signal_by_name(c: &Case) {
    let lease = c.running().await;
    c.ack(&lease, Outcome::Wait(for_signal("go"))).await;
    deliver(c, signal(lease.job.id, "1", "other")).await.expect("kept");
    c.tick().await;
    assert_eq!(c.state(lease.job.id).await, State::Waiting);
    deliver(c, signal(lease.job.id, "2", "go")).await.expect("kept");
    c.until_state(lease.job.id, State::Ready).await;
    let signals = c.broker.inbox(lease.job.id).await.expect("an inbox").signals;
    let told: Vec<_> = signals.iter().map(|s| (s.once.as_str(), s.name.as_str(), s.payload.get().to_owned())).collect();
    assert_eq!(told, [("1", "other", args("1").get().to_owned()), ("2", "go", args("2").get().to_owned())]);
}

/// A depends-on job that starts as Waiting is woken like any other.
pub async fn q3_waiting_from_the_start_is_woken(c: &Case) {
    let id = c.put(NewJob { wait: Some(for_signal("go")), ..c.job() }).await;
    deliver(c, signal(id, "1", "go")).await.expect("kept");
    let lease = c.one_soon().await;
    assert_eq!((lease.job.id, lease.job.counters.runs), (id, 1));
}

/// The mailbox takes signals in every live state, and none afterwards.
pub async fn q4_waiting_mailbox_is_open_in_every_live_state(c: &Case) {
    for state in State::ALL {
        let (id, _) = c.in_state(state).await;
        let wanted = if state.is_ended() { Delivered::Gone } else { Delivered::Kept };
        assert_eq!(deliver(c, signal(id, "1", "x")).await.expect("an answer"), wanted, "{state}");
        assert_eq!(c.state(id).await, state);
        if !state.is_ended() {
            assert_eq!(c.unchanged(deliver(c, signal(id, "1", "x"))).await.expect("an answer"), Delivered::Repeated);
            assert_eq!(only(c.broker.inbox(id).await.expect("an inbox").signals).once, "1");
        }
    }
    assert_eq!(deliver(c, signal(c.id(), "1", "x")).await.expect("an answer"), Delivered::Gone);
}

/// The mailbox is bounded: in number, in size, in names.
pub async fn q4_waiting_mailbox_is_bounded(c: &Case) {
    let (id, _) = c.in_state(State::Ready).await;
    let huge = Delivery::Signal { job: id, once: "h".into(), name: "x".into(), payload: args(&"y".repeat(9_000)) };
    c.refused(deliver(c, huge)).await;
    c.refused(deliver(c, signal(id, &"o".repeat(129), "x"))).await;
    c.refused(deliver(c, signal(id, "n", &"n".repeat(129)))).await;
    for number in 0..MAILBOX_MAX {
        assert_eq!(deliver(c, signal(id, &number.to_string(), "x")).await.expect("kept"), Delivered::Kept);
    }
    c.refused(deliver(c, signal(id, "one too many", "x"))).await;
    assert_eq!(deliver(c, signal(id, "7", "x")).await.expect("a repeat is harmless"), Delivered::Repeated);
    assert_eq!(c.broker.inbox(id).await.expect("an inbox").signals.len(), MAILBOX_MAX);
}

/// Only the current run opens children, and the same key again opens none.
pub async fn q4_waiting_children_are_opened_under_the_token(c: &Case) {
    let old = c.running().await;
    c.ack(&old, Outcome::Release { started: true }).await;
    let parent = c.one().await;
    let link = Parent { id: parent.job.id, key: "k".into() };
    let opened = |token| Delivery::ChildOpened { parent: link.id, token, key: "k".into(), child: link.child_id(c.home) };
    assert!(matches!(c.refused(deliver(c, opened(old.token))).await, BrokerError::LeaseLost));
    assert_eq!(deliver(c, opened(parent.token)).await.expect("kept"), Delivered::Kept);
    assert_eq!(c.unchanged(deliver(c, opened(parent.token))).await.expect("again"), Delivered::Repeated);
    assert_eq!(only(c.broker.inbox(parent.job.id).await.expect("an inbox").children).outcome, None);
    c.ack(&parent, complete()).await;
    assert!(deliver(c, opened(parent.token)).await.is_err());
}

/// Telling a child's end twice is harmless.
pub async fn q4_waiting_child_ends_may_be_told_twice(c: &Case) {
    let parent = c.running().await;
    let (a, _b) = (child(c, &parent, "a").await, child(c, &parent, "b").await);
    c.ack(&parent, Outcome::Wait(wait(WaitOn::AllChildren))).await;
    let outcome = ChildOutcome { state: State::Completed, output: Some(args("x")), error: None };
    let ended = || Delivery::ChildEnded { parent: parent.job.id, key: "a".into(), child: a, outcome: outcome.clone() };
    assert_eq!(deliver(c, ended()).await.expect("kept"), Delivered::Kept);
    assert_eq!(c.unchanged(deliver(c, ended())).await.expect("again"), Delivered::Repeated);
    assert_eq!(c.state(parent.job.id).await, State::Waiting);
    end(c, a, complete()).await;
    c.tick().await;
    assert_eq!(c.state(parent.job.id).await, State::Waiting, "a's second end is not b's");
}

/// A child in another queue tells its end through the outbox.
pub async fn q4_waiting_for_a_child_in_another_queue(c: &Case) {
    let other = c.beside().await;
    let parent = c.running().await;
    let far = child(&other, &parent, "far").await;
    assert_eq!(c.ack(&parent, Outcome::Wait(wait(WaitOn::AllChildren))).await, State::Waiting);
    end(&other, far, Outcome::Complete { output: Some(args("from afar")) }).await;
    other.until("the parent wakes", async || c.state(parent.job.id).await == State::Ready).await;
    let told = only(c.broker.inbox(parent.job.id).await.expect("an inbox").children);
    assert_eq!(told.outcome.and_then(|o| o.output).map(|o| o.get().to_owned()), Some(args("from afar").get().to_owned()));
    assert_eq!(c.one().await.woken, Some(Woken::Met));
}

/// A child that crashes to death, expires or is given up tells its end too.
pub async fn q4_waiting_child_ends_without_an_ack_are_told(c: &Case) {
    let parent = c.running().await;
    let link = Parent { id: parent.job.id, key: "late".into() };
    let id = link.child_id(c.home);
    let opened = Delivery::ChildOpened { parent: link.id, token: parent.token, key: "late".into(), child: id };
    deliver(c, opened).await.expect("opened");
    let expires_at = Some(c.now().await + 100);
    c.put(NewJob { id, parent: Some(link), expires_at, due: crate::Due::In(LONG), ..c.job() }).await;
    let wait = Wait { on_child_failed: WaitPolicy::Ignore, ..wait(WaitOn::AllChildren) };
    c.ack(&parent, Outcome::Wait(wait)).await;
    c.until_state(parent.job.id, State::Ready).await;
    let told = only(c.broker.inbox(parent.job.id).await.expect("an inbox").children);
    assert_eq!(told.outcome.map(|o| o.state), Some(State::Cancelled));
}

/// A waiting job holds what it has kept, and its next run is the next one.
pub async fn q4_waiting_keeps_saves_and_counts_the_run(c: &Case) {
    let lease = c.running().await;
    let saves = crate::Saves { cursor: Some(args("here")), steps: vec![] };
    c.broker.save(lease.job.id, lease.token, saves).await.expect("kept");
    c.ack(&lease, Outcome::Wait(for_signal("go"))).await;
    c.pass(Duration::from_millis(5)).await;
    deliver(c, signal(lease.job.id, "1", "go")).await.expect("kept");
    let again = c.one_soon().await;
    assert_eq!((again.job.counters.runs, again.job.counters.attempts), (2, 0));
    let kept = c.broker.saved(lease.job.id).await.expect("kept");
    assert_eq!(kept.cursor.map(|c| c.get().to_owned()), Some(args("here").get().to_owned()));
}
