//! Letters that are changed, and replays that are taken back.

use super::{
    Case, LONG, args, complete,
    letters::{groups, letter, replay},
    only, retry,
    seeing::pages,
};
use crate::{
    BrokerError, Due, Edit, Event, EventKind, Filter, JobId, NewJob, Outcome, PAYLOAD_MAX, Parent, Priority, Reason, Replay, Scope, State,
    Undo, Unique, UniqueMode, Wait, WaitOn, WaitPolicy,
};
use longshore_base::{Code, Name, rfc3339};
use std::time::Duration;

async fn undo(c: &Case, id: JobId, replay: JobId) -> Result<(), BrokerError> {
    only(c.broker.undo(&Scope::All, vec![Undo { id, replay }]).await?)
}

/// A letter that was repeated; the job that repeats it.
async fn repeated(c: &Case, job: NewJob) -> (JobId, JobId) {
    let old = letter(c, job, "alpha").await;
    let new = replay(c, old, c.id()).await.expect("replayed");
    (old, new)
}

async fn last(c: &Case, id: JobId) -> Event {
    c.get(id).await.history.pop().expect("a line")
}

/// The dead letters in the order in which they are listed.
async fn listed(c: &Case) -> Vec<JobId> {
    let filter = Filter { queue: Some(c.queue.clone()), state: Some(State::Dead), ..Filter::default() };
    pages(c, &Scope::All, &filter, 2).await.into_iter().map(|job| job.id).collect()
}

fn lines(event: &Event) -> Vec<&str> {
    let mut lines: Vec<_> = event.before.as_deref().unwrap_or_default().lines().collect();
    lines.sort_unstable();
    lines
}

/// Args and tags of a letter may be changed; it stays where it is, and its replay is called with them.
pub async fn q5_letters_edited_keep_their_place(c: &Case) {
    let mut letters = Vec::new();
    for _ in 0..3 {
        letters.push(letter(c, NewJob { tags: vec![Name::literal("a"), Name::literal("b")], ..c.job() }, "alpha").await);
        c.pass(Duration::from_millis(5)).await;
    }
    let (before, order, told) = (c.get(letters[1]).await, listed(c).await, groups(c).await);
    let edit = Edit { args: Some(args("patched")), tags: Some(vec![Name::literal("c")]), by: Some("a key".into()), ..Edit::default() };
    let revision = c.broker.edit(&Scope::All, before.id, before.revision, edit).await.expect("edited");
    let job = c.get(before.id).await;
    assert_eq!((job.revision, revision), (before.revision + 1, before.revision + 1));
    assert_eq!((job.args.get(), job.tags.as_slice()), (args("patched").get(), &[Name::literal("c")][..]));
    assert_eq!((job.state, job.reason, job.ended_at, job.counters), (State::Dead, before.reason, before.ended_at, before.counters));
    assert_eq!((listed(c).await, groups(c).await), (order, told));
    let event = last(c, job.id).await;
    assert_eq!((event.what, event.worker.as_deref(), event.error.clone()), (EventKind::Edited, Some("a key"), None));
    assert_eq!(lines(&event), [format!("args {} bytes", before.args.get().len()).as_str(), "tags a,b"]);
    assert_eq!(job.history.len(), before.history.len() + 1);
    let new = replay(c, job.id, c.id()).await.expect("replayed");
    assert_eq!(c.get(new).await.args.get(), args("patched").get());
}

/// Nothing else of a letter may be changed, nothing of a repeated one, and nothing from another revision.
pub async fn q5_letters_edited_no_further(c: &Case) {
    let id = letter(c, c.job(), "alpha").await;
    let revision = c.get(id).await.revision;
    let patch = || Edit { args: Some(args("patched")), ..Edit::default() };
    let edit = async |revision, edit| c.broker.edit(&Scope::All, id, revision, edit).await;
    for wrong in [Edit { priority: Priority::new(9), ..patch() }, Edit { due: Some(Due::In(LONG)), ..patch() }] {
        assert_eq!(c.refused(edit(revision, wrong)).await.code(), Code::NotEditable);
    }
    assert_eq!(c.refused(edit(revision + 1, patch())).await.code(), Code::RevisionMismatch);
    let large = Edit { args: Some(args(&"x".repeat(PAYLOAD_MAX))), ..Edit::default() };
    assert_eq!(c.refused(edit(revision, large)).await.code(), Code::ArgsTooLarge);
    let other = Scope::Tenant(Name::literal("two"));
    assert!(matches!(c.refused(c.broker.edit(&other, id, revision, patch())).await, BrokerError::NotFound));
    let new = replay(c, id, c.id()).await.expect("replayed");
    let revision = c.get(id).await.revision;
    assert_eq!(c.refused(edit(revision, patch())).await.code(), Code::NotEditable);
    undo(c, id, new).await.expect("taken back");
    edit(c.get(id).await.revision, patch()).await.expect("edited");
}

/// What a living job was before an edit is told too, and by whom it was changed.
pub async fn q5_letters_edited_like_living_jobs_tell_what_was_before(c: &Case) {
    let tags = vec![Name::literal("a"), Name::literal("b")];
    let id = c.put(NewJob { due: Due::In(LONG), tags, ..c.job() }).await;
    let job = c.get(id).await;
    let by = Some("operation:1".to_owned());
    let edit = Edit { args: Some(args("x")), priority: Priority::new(9), due: Some(Due::Now), tags: Some(vec![]), by: by.clone() };
    let revision = c.broker.edit(&Scope::All, id, job.revision, edit).await.expect("edited");
    let event = last(c, id).await;
    let due = format!("due {}", rfc3339(job.due_at.expect("scheduled")));
    assert_eq!((event.what, &event.worker), (EventKind::Edited, &by));
    assert_eq!(lines(&event), [format!("args {} bytes", job.args.get().len()).as_str(), &due, "priority 5", "tags a,b"]);
    let edit = Edit { due: Some(Due::In(LONG)), by: None, ..Edit::default() };
    c.broker.edit(&Scope::All, id, revision, edit).await.expect("edited");
    let event = last(c, id).await;
    assert_eq!((event.what, event.worker.as_deref(), lines(&event)), (EventKind::Edited, None, vec!["due none"]));
    assert_eq!(c.get(id).await.history.len(), 2);
}

/// A replay that has not begun is taken back: its job is over, and its letter is what it was.
pub async fn q5_letters_undone_are_dead_again(c: &Case) {
    let mut letters = Vec::new();
    for _ in 0..3 {
        letters.push(letter(c, c.job(), "alpha").await);
        c.pass(Duration::from_millis(5)).await;
    }
    let (before, order) = (c.get(letters[1]).await, listed(c).await);
    let new = replay(c, before.id, c.id()).await.expect("replayed");
    undo(c, before.id, new).await.expect("taken back");
    let (job, again) = (c.get(before.id).await, c.get(new).await);
    assert_eq!((job.state, job.reason, job.ended_at, job.replayed), (State::Dead, before.reason, before.ended_at, false));
    assert_eq!((job.replays.as_slice(), again.replay_of), (&[new][..], Some(before.id)), "the lineage stays");
    let told: Vec<_> = job.history.iter().skip(before.history.len()).map(|event| event.what).collect();
    assert_eq!(told, [EventKind::Replayed, EventKind::Undone]);
    assert_eq!((again.state, again.reason, again.counters.runs), (State::Cancelled, Some(Reason::Undone), 0));
    assert!(again.ended_at.is_some() && again.due_at.is_none());
    assert_eq!(again.history.last().map(|event| event.what), Some(EventKind::Cancelled));
    assert_eq!(listed(c).await, order);
    let group = only(groups(c).await);
    let (first, end) = (c.get(letters[0]).await.ended_at, c.get(letters[2]).await.ended_at);
    assert_eq!((group.count, Some(group.first_at), Some(group.last_at)), (3, first, end));
    let stats = c.broker.stats(&Scope::All, &c.queue).await.expect("stats");
    assert_eq!((stats.dead, stats.ready, stats.cancelled), (3, 0, 1));
    assert!(c.lease(5).await.is_empty(), "nothing of it runs");
}

/// A group that went with its last letter comes back with it.
pub async fn q5_letters_undone_bring_their_group_back(c: &Case) {
    let (old, new) = repeated(c, c.job()).await;
    assert!(groups(c).await.is_empty());
    undo(c, old, new).await.expect("taken back");
    let (group, job) = (only(groups(c).await), c.get(old).await);
    assert_eq!((group.count, group.fingerprint.as_str(), &group.kind, &group.tenant), (1, "alpha", &job.kind, &job.tenant));
    assert_eq!((Some(group.first_at), Some(group.last_at)), (job.ended_at, job.ended_at));
    assert_eq!(group.sample.fingerprint, "alpha");
    assert_eq!(c.broker.purge(&Scope::All, &[old]).await.expect("an answer"), [true]);
    assert!(groups(c).await.is_empty());
}

/// What was taken back can be repeated again; every job that ever did is named.
pub async fn q5_letters_undone_may_be_repeated_again(c: &Case) {
    let (old, first) = repeated(c, c.job()).await;
    undo(c, old, first).await.expect("taken back");
    let second = replay(c, old, c.id()).await.expect("replayed again");
    let job = c.get(old).await;
    assert_eq!((job.replays, job.replayed), (vec![first, second], true));
    assert!(groups(c).await.is_empty());
    assert_eq!(c.refused(replay(c, old, c.id())).await.code(), Code::NotRetryable);
    undo(c, old, second).await.expect("taken back");
    let third = replay(c, old, c.id()).await.expect("replayed again");
    let lease = c.one().await;
    assert_eq!((lease.job.id, lease.job.replay_of), (third, Some(old)));
    c.ack(&lease, complete()).await;
    assert_eq!(c.get(old).await.replays, [first, second, third]);
    assert_eq!(c.broker.purge(&Scope::All, &[old]).await.expect("an answer"), [true]);
}

/// Once is enough: the same answer again, and nothing changes.
pub async fn q5_letters_undone_once(c: &Case) {
    let (old, first) = repeated(c, c.job()).await;
    undo(c, old, first).await.expect("taken back");
    c.unchanged(undo(c, old, first)).await.expect("the same answer");
    let second = replay(c, old, c.id()).await.expect("replayed again");
    c.unchanged(undo(c, old, first)).await.expect("the same answer, whatever came later");
    assert!(c.get(old).await.replayed && c.state(second).await == State::Ready);
    undo(c, old, second).await.expect("taken back");
    assert_eq!(c.broker.purge(&Scope::All, &[first]).await.expect("an answer"), [true]);
    c.unchanged(undo(c, old, first)).await.expect("the same answer, though the job is gone");
}

/// A replay that waits for its time, or has been moved ahead, has not begun.
pub async fn q5_letters_undone_from_scheduled(c: &Case) {
    let (old, new) = repeated(c, c.job()).await;
    let edit = Edit { due: Some(Due::In(LONG)), ..Edit::default() };
    c.broker.edit(&Scope::All, new, c.get(new).await.revision, edit).await.expect("edited");
    assert_eq!(c.state(new).await, State::Scheduled);
    undo(c, old, new).await.expect("taken back");
    assert_eq!((c.state(new).await, c.get(new).await.due_at), (State::Cancelled, None));
}

/// What was leased, or ended in another way, is told and stays as it is.
pub async fn q5_letters_undone_not_after_the_start(c: &Case) {
    let ends: [fn() -> Option<Outcome>; 6] = [
        || None,
        || Some(retry(LONG)),
        || Some(Outcome::Release { started: true }),
        || Some(Outcome::Snooze { after: LONG }),
        || Some(complete()),
        || Some(super::dead()),
    ];
    for end in ends {
        let kind = c.own("kind");
        let (lease, new) = {
            let request = |c: &Case| crate::LeaseRequest { kinds: [kind.clone()].into(), ..c.request("w1", 1, LONG) };
            let old = c.put(NewJob { kind: kind.clone(), ..c.job() }).await;
            let first = only(c.ask(&request(c)).await.leases);
            c.ack(&first, super::dead()).await;
            let new = replay(c, old, c.id()).await.expect("replayed");
            (only(c.ask(&request(c)).await.leases), new)
        };
        let old = lease.job.replay_of.expect("it repeats a letter");
        if let Some(outcome) = end() {
            c.ack(&lease, outcome).await;
        }
        let state = c.state(new).await;
        assert_eq!(c.refused(undo(c, old, new)).await.code(), Code::ReplayStarted, "in {state}");
        assert!(c.get(old).await.replayed);
        if !state.is_ended() {
            // Whatever it is, the next one must be the only one that can be leased.
            c.cancel(new).await.expect("cancelled, or asked to stop");
        }
    }
    let (old, new) = repeated(c, c.job()).await;
    c.cancel(new).await.expect("cancelled");
    assert_eq!(c.refused(undo(c, old, new)).await.code(), Code::ReplayStarted, "somebody cancelled it");
}

/// What is no letter, or was never repeated by this job, is not found.
pub async fn q5_letters_undone_by_their_names_only(c: &Case) {
    let fresh = letter(c, c.job(), "beta").await;
    let (old, new) = repeated(c, c.job()).await;
    for (id, by) in [(c.id(), new), (old, c.id()), (fresh, new), (new, old), (fresh, fresh)] {
        assert!(matches!(c.refused(undo(c, id, by)).await, BrokerError::NotFound), "{id} by {by}");
    }
    assert_eq!(c.state(new).await, State::Ready);
}

/// The unique key that the replay held is free.
pub async fn q5_letters_undone_free_the_key(c: &Case) {
    let job = || NewJob { unique: Some(Unique { key: "k".into(), mode: UniqueMode::Keep }), ..c.job() };
    let (old, new) = repeated(c, job()).await;
    assert_eq!(c.enqueue(job()).await.id, new, "the replay holds the key");
    undo(c, old, new).await.expect("taken back");
    let holder = c.put(job()).await;
    assert_eq!(c.refused(replay(c, old, c.id())).await.code(), Code::UniqueTaken);
    c.cancel(holder).await.expect("cancelled");
    replay(c, old, c.id()).await.expect("replayed again");
}

/// It ends as by a cancel: who waits for it is woken, and its parent is told.
pub async fn q5_letters_undone_are_told_like_a_cancel(c: &Case) {
    let parent = c.put(NewJob { wait: Some(super::for_signal("go")), kind: c.own("parent"), ..c.job() }).await;
    let link = Parent { id: parent, key: "child".into() };
    let (old, new) = repeated(c, NewJob { id: link.child_id(c.home), parent: Some(link), ..c.job() }).await;
    let wait = Wait { on: WaitOn::Job(new), timeout: None, on_timeout: WaitPolicy::Ignore, on_child_failed: WaitPolicy::Ignore };
    let follower = c.put(NewJob { wait: Some(wait), kind: c.own("follower"), ..c.job() }).await;
    assert_eq!(c.state(follower).await, State::Waiting);
    undo(c, old, new).await.expect("taken back");
    assert_eq!(c.state(follower).await, State::Ready);
    c.until("the parent is told", async || {
        let children = c.broker.inbox(parent).await.expect("an inbox").children;
        children.iter().any(|child| child.id == new && child.outcome.as_ref().is_some_and(|o| o.state == State::Cancelled))
    })
    .await;
}

/// Another tenant's letter does not exist; a batch is per item.
pub async fn q5_letters_undone_within_their_scope(c: &Case) {
    let (old, new) = repeated(c, c.job()).await;
    let as_tenant = async |name: &'static str, undos: Vec<Undo>| c.broker.undo(&Scope::Tenant(Name::literal(name)), undos).await;
    let this = Undo { id: old, replay: new };
    let refused = c.refused(async { only(as_tenant("two", vec![this]).await?) }).await;
    assert!(matches!(refused, BrokerError::NotFound));
    let batch = vec![Undo { id: c.id(), replay: new }, this, Undo { id: old, replay: c.id() }, this];
    let told = as_tenant("one", batch).await.expect("an answer");
    assert_eq!(told.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true, false, true], "{told:?}");
    assert_eq!((c.state(new).await, c.get(old).await.replayed), (State::Cancelled, false));
}

/// A replay's id is made of the letter and the operation: the same operation makes one job, another one another.
pub async fn q5_letters_repeated_by_operations(c: &Case) {
    let old = letter(c, c.job(), "alpha").await;
    let (one, two) = (Replay::id_of(old, c.id()), Replay::id_of(old, c.id()));
    assert!(one != two && one.home() == c.home && one.time() == old.time());
    assert_eq!(replay(c, old, one).await.expect("replayed"), one);
    assert_eq!(c.unchanged(replay(c, old, one)).await.expect("again"), one);
    assert_eq!(c.refused(replay(c, old, two)).await.code(), Code::NotRetryable);
    undo(c, old, one).await.expect("taken back");
    assert_eq!(replay(c, old, two).await.expect("replayed again"), two);
    assert_eq!(c.unchanged(replay(c, old, one)).await.expect("told again, and nothing made"), one);
    assert_eq!((c.state(one).await, c.state(two).await), (State::Cancelled, State::Ready));
}
