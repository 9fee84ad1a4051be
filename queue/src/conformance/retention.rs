//! Retention and purge.

use super::{Case, LONG, SHORT, burying::bury_of_many, complete, dead, error, for_signal, only};
use crate::{Delivery, JobId, Keep, NewJob, Outcome, Parent, Policy, Scope, State};
use longshore_base::Name;
use std::time::Duration;

async fn purge(c: &Case, id: JobId) -> bool {
    only(c.broker.purge(&Scope::All, &[id]).await.expect("an answer"))
}

async fn is_there(c: &Case, id: JobId) -> bool {
    only(c.broker.get(&Scope::All, &[id]).await.expect("an answer")).is_some()
}

/// Ended jobs are removed, with everything that was kept for them.
pub async fn q5_retention_purge_removes_ended_jobs(c: &Case) {
    for state in [State::Completed, State::Cancelled, State::Dead] {
        let (id, _) = c.in_state(state).await;
        assert!(purge(c, id).await, "{state}");
        assert!(!is_there(c, id).await);
    }
    assert!(c.all().await.is_empty());
    assert!(c.broker.groups(&Scope::All, Some(&c.queue)).await.expect("groups").is_empty());
}

/// Live jobs are not.
pub async fn q5_retention_purge_leaves_live_jobs(c: &Case) {
    for state in [State::Scheduled, State::Ready, State::Running, State::Retrying, State::Waiting] {
        let (id, _) = c.in_state(state).await;
        assert!(!c.unchanged(purge(c, id)).await, "{state}");
        assert_eq!(c.state(id).await, state);
    }
}

/// Another tenant's job is not removed.
pub async fn q5_retention_purge_keeps_to_its_scope(c: &Case) {
    let (id, _) = c.in_state(State::Completed).await;
    let scope = Scope::Tenant(Name::literal("two"));
    c.unchanged(c.broker.purge(&scope, &[id])).await.expect("an answer");
    assert!(is_there(c, id).await);
    let scope = Scope::Tenant(Name::literal("one"));
    assert_eq!(c.broker.purge(&scope, &[id]).await.expect("an answer"), [true]);
}

/// Letters stay, of however many tenants they are, and what ended after them goes.
pub async fn q5_retention_is_not_held_up_by_letters(c: &Case) {
    bury_of_many(c, 300).await;
    let (done, _) = c.in_state(State::Completed).await;
    c.pass(SHORT).await;
    let ids = async |keep, count| {
        let jobs = c.broker.expired(&c.queue, keep, count, 10).await.expect("a list");
        jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(Duration::ZERO, u64::MAX).await, [done], "by time");
    assert_eq!(ids(LONG, 0).await, [done], "by count");
    assert!(ids(LONG, 1).await.is_empty());
}

/// A live parent pins its children.
pub async fn q5_retention_a_parent_pins_its_children(c: &Case) {
    let lease = c.running().await;
    let link = Parent { id: lease.job.id, key: "k".into() };
    let child = link.child_id(c.home);
    let opened = Delivery::ChildOpened { parent: link.id, token: lease.token, key: "k".into(), child };
    only(c.broker.deliver(vec![opened]).await.expect("an answer")).expect("kept");
    let done = c.run(NewJob { id: child, parent: Some(link), ..c.job() }).await;
    c.ack(&done, complete()).await;
    assert!(!purge(c, child).await, "the parent lives");
    c.pass(SHORT).await;
    let listed = c.broker.expired(&c.queue, Duration::ZERO, u64::MAX, 10).await.expect("a list");
    assert!(listed.iter().all(|job| job.id != child), "pinned children are left out");
    c.ack(&lease, complete()).await;
    c.until("the child may go", async || purge(c, child).await).await;
}

/// Ended jobs are listed for removal by age, oldest first.
pub async fn q5_retention_lists_by_time_oldest_first(c: &Case) {
    let mut ended = Vec::new();
    for _ in 0..3 {
        let lease = c.running().await;
        c.ack(&lease, complete()).await;
        ended.push(lease.job.id);
        c.pass(Duration::from_millis(5)).await;
    }
    assert!(c.broker.expired(&c.queue, LONG, u64::MAX, 10).await.expect("a list").is_empty());
    c.pass(SHORT).await;
    let listed = c.broker.expired(&c.queue, SHORT, u64::MAX, 2).await.expect("a list");
    assert_eq!(listed.iter().map(|job| job.id).collect::<Vec<_>>(), ended[..2]);
    assert_eq!(c.unchanged(c.broker.expired(&c.queue, SHORT, u64::MAX, 10)).await.expect("a list").len(), 3);
}

/// … and by count.
pub async fn q5_retention_lists_what_is_beyond_the_count(c: &Case) {
    let mut ended = Vec::new();
    for _ in 0..5 {
        let lease = c.running().await;
        c.ack(&lease, complete()).await;
        ended.push(lease.job.id);
        c.pass(Duration::from_millis(5)).await;
    }
    let listed = c.broker.expired(&c.queue, LONG, 3, 10).await.expect("a list");
    assert_eq!(listed.iter().map(|job| job.id).collect::<Vec<_>>(), ended[..2]);
}

/// Live jobs and dead letters are never listed: letters are removed by an explicit policy only.
pub async fn q5_retention_never_lists_live_or_dead_jobs(c: &Case) {
    for state in [State::Scheduled, State::Ready, State::Running, State::Retrying, State::Waiting, State::Dead] {
        c.in_state(state).await;
    }
    c.pass(SHORT).await;
    let listed = c.broker.expired(&c.queue, Duration::ZERO, 0, 100).await.expect("a list");
    assert!(listed.is_empty(), "{:?}", listed.iter().map(|job| job.state).collect::<Vec<_>>());
}

/// A job's own policy goes before the engine's default.
pub async fn q5_retention_follows_the_jobs_own_policy(c: &Case) {
    let keeps = |keep| NewJob { policy: Policy { keep: Some(keep), ..Policy::default() }, ..c.job() };
    let long = c.run(keeps(Keep::Ms(7 * 24 * 3_600_000))).await;
    c.ack(&long, complete()).await;
    let none = c.run(keeps(Keep::None)).await;
    c.ack(&none, complete()).await;
    c.pass(SHORT).await;
    let listed = c.broker.expired(&c.queue, Duration::ZERO, u64::MAX, 10).await.expect("a list");
    assert!(listed.iter().all(|job| job.id != long.job.id), "kept for a week");
    assert!(listed.iter().all(|job| job.id != none.job.id), "a repeated call must find it for ten minutes");
    let repeated = c.enqueue(NewJob { id: none.job.id, ..c.job() }).await;
    assert!(repeated.duplicate);
}

/// What a purged job held is free: its unique key, and its place in the counts.
pub async fn q5_retention_purge_of_letters_updates_groups(c: &Case) {
    let mut letters = Vec::new();
    for _ in 0..3 {
        let lease = c.running().await;
        c.ack(&lease, Outcome::Dead { reason: crate::Reason::Fatal, error: error("alpha") }).await;
        letters.push(lease.job.id);
    }
    assert!(purge(c, letters[1]).await);
    assert_eq!(only(c.broker.groups(&Scope::All, Some(&c.queue)).await.expect("groups")).count, 2);
    let lease = c.run(NewJob { kind: Name::literal(super::KIND), ..c.job() }).await;
    c.ack(&lease, dead()).await;
    let waiting = c.put(NewJob { wait: Some(for_signal("go")), ..c.job() }).await;
    let answers = c.broker.purge(&Scope::All, &[letters[0], waiting, letters[2]]).await.expect("an answer");
    assert_eq!(answers, [true, false, true]);
}
