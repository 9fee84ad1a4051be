//! Dead letters: groups and replay.

use super::{
    Case, LONG, OTHER, SHORT, args, complete,
    crashes::{crash, unrepeatable},
    error, for_signal, only, retry,
};
use crate::{
    BrokerError, ChildOutcome, Delivery, Edit, Filter, Group, JobId, NewJob, Outcome, Parent, Policy, Reason, Replay, Scope, State, Unique,
    UniqueMode, Wait, WaitOn, WaitPolicy,
};
use longshore_base::{Code, Name};
use std::time::Duration;

/// A job that died of an error of that group.
pub(super) async fn letter(c: &Case, job: NewJob, fingerprint: &str) -> JobId {
    let lease = c.run(job).await;
    c.ack(&lease, Outcome::Dead { reason: Reason::Fatal, error: error(fingerprint) }).await;
    lease.job.id
}

pub(super) async fn groups(c: &Case) -> Vec<Group> {
    let mut groups = c.broker.groups(&Scope::All, Some(&c.queue)).await.expect("groups");
    groups.sort_by(|a, b| (&a.fingerprint, &a.kind, &a.tenant).cmp(&(&b.fingerprint, &b.kind, &b.tenant)));
    groups
}

pub(super) async fn replay(c: &Case, id: JobId, new_id: JobId) -> Result<JobId, BrokerError> {
    only(c.broker.replay(&Scope::All, vec![Replay { id, new_id, args: None }]).await?)
}

/// Letters are grouped by fingerprint, tenant and kind, with count, sample, first and last.
pub async fn q5_retry_and_dead_are_grouped_by_fingerprint(c: &Case) {
    for _ in 0..3 {
        letter(c, c.job(), "alpha").await;
    }
    letter(c, c.job(), "beta").await;
    letter(c, NewJob { kind: Name::literal(OTHER), ..c.job() }, "alpha").await;
    letter(c, NewJob { tenant: Name::literal("two"), ..c.job() }, "alpha").await;
    let lease = c.running().await;
    c.ack(&lease, retry(LONG)).await;
    let told: Vec<_> = groups(c).await;
    assert_eq!(
        told.iter().map(|g| (g.fingerprint.as_str(), g.count)).collect::<Vec<_>>(),
        [("alpha", 3), ("alpha", 1), ("alpha", 1), ("beta", 1)]
    );
    for group in &told {
        assert_eq!((group.sample.fingerprint.as_str(), &group.queue), (group.fingerprint.as_str(), &c.queue));
        assert!(group.first_at <= group.last_at && group.last_at <= c.now().await);
    }
    let own = c.broker.groups(&Scope::Tenant(Name::literal("two")), Some(&c.queue)).await.expect("groups");
    assert_eq!(only(own).tenant, Name::literal("two"));
    let every = c.broker.groups(&Scope::All, None).await.expect("groups");
    assert_eq!(every.iter().filter(|g| g.queue == c.queue).count(), 4);
}

/// How many letters of each group there are; every letter's last error is of its group.
async fn causes(c: &Case) -> Vec<(String, u64)> {
    for job in c.all().await.into_iter().filter(|job| job.state == State::Dead) {
        let error = job.last_error().unwrap_or_else(|| panic!("no cause: {job:?}"));
        assert!(groups(c).await.iter().any(|group| group.fingerprint == error.fingerprint), "{error:?}");
    }
    groups(c).await.into_iter().map(|group| (group.fingerprint, group.count)).collect()
}

/// What dies without a word of its handler is grouped by what the queue names as the cause, whatever was told before.
pub async fn q5_retry_and_dead_by_a_cause_of_the_queue(c: &Case) {
    let with = |policy: Policy| NewJob { policy, ..c.job() };
    for told_before in [true, false] {
        let id = c.put(with(Policy { crashes_max: 1, ..Policy::default() })).await;
        if told_before {
            c.ack(&c.one().await, retry(Duration::ZERO)).await;
        }
        assert_eq!(crash(c).await.job.id, id);
    }
    for outcome in [Outcome::Snooze { after: LONG }, Outcome::Gate { after: SHORT, reason: "busy".into() }] {
        let lane_key = if matches!(outcome, Outcome::Gate { .. }) { "closed".to_owned() } else { String::new() };
        let lease = c.run(NewJob { lane_key, ..with(Policy { runs_max: 1, ..Policy::default() }) }).await;
        assert_eq!(c.ack(&lease, outcome).await, State::Dead);
    }
    let lease = c.run(with(Policy { age_max_ms: Some(1), ..Policy::default() })).await;
    c.pass(Duration::from_millis(5)).await;
    assert_eq!(c.ack(&lease, Outcome::Snooze { after: LONG }).await, State::Dead);
    let timed = Wait { timeout: Some(SHORT), on_timeout: WaitPolicy::Die, ..for_signal("go") };
    let id = c.put(NewJob { wait: Some(timed), ..c.job() }).await;
    c.until_state(id, State::Dead).await;
    for told_first in [true, false] {
        let lease = c.running().await;
        let (parent, key, child) = (lease.job.id, "child".to_owned(), c.id());
        let opened = Delivery::ChildOpened { parent, token: lease.token, key: key.clone(), child };
        let ended = Delivery::ChildEnded { parent, key, child, outcome: ChildOutcome { state: State::Dead, output: None, error: None } };
        let wait = Wait { on: WaitOn::AllChildren, on_child_failed: WaitPolicy::Die, ..for_signal("") };
        only(c.broker.deliver(vec![opened]).await.expect("an answer")).expect("kept");
        if told_first {
            only(c.broker.deliver(vec![ended]).await.expect("an answer")).expect("kept");
            assert_eq!(c.ack(&lease, Outcome::Wait(wait)).await, State::Dead);
        } else {
            assert_eq!(c.ack(&lease, Outcome::Wait(wait)).await, State::Waiting);
            only(c.broker.deliver(vec![ended]).await.expect("an answer")).expect("kept");
            c.until_state(parent, State::Dead).await;
        }
    }
    let wanted = [("age_exhausted", 1), ("child_failed", 2), ("crashed", 2), ("runs_exhausted", 2), ("wait_timed_out", 1)];
    assert_eq!(causes(c).await, wanted.map(|(cause, n)| (format!("attempt.{cause}"), n)));
}

/// The same for what must not be repeated: a lost lease and a release after the start are one group.
pub async fn q5_retry_and_dead_of_an_unknown_outcome(c: &Case) {
    let c = &c.durable().await;
    c.put(unrepeatable(c)).await;
    crash(c).await;
    let lease = c.run(unrepeatable(c)).await;
    assert_eq!(c.ack(&lease, Outcome::Release { started: true }).await, State::Dead);
    assert_eq!(causes(c).await, [("attempt.outcome_unknown".to_owned(), 2)]);
}

/// A letter that is edited while it is repeated: an edit that was accepted is in the replay.
pub async fn q4_repeating_a_letter_while_it_is_edited(c: &Case) {
    for _ in 0..20 {
        let (old, new) = (letter(c, c.job(), "alpha").await, c.id());
        let revision = c.get(old).await.revision;
        let patch = Edit { args: Some(args("patched")), ..Edit::default() };
        let (edited, replayed) = futures::join!(c.broker.edit(&Scope::All, old, revision, patch), replay(c, old, new));
        replayed.expect("replayed");
        assert_eq!(c.get(new).await.args.get(), c.get(old).await.args.get(), "{edited:?}");
        assert_eq!(c.get(old).await.args.get() == args("patched").get(), edited.is_ok());
        c.cancel(new).await.expect("cancelled");
    }
}

/// A replay makes a new job with everything but the counters, and names both ways.
pub async fn q3_ended_replay_makes_a_new_job(c: &Case) {
    let new = NewJob {
        client: Some(Name::literal("acme")),
        lane_key: "k".into(),
        priority: crate::Priority::new(8).expect("at most 9"),
        tags: vec![Name::literal("t")],
        policy: Policy { attempts_max: 3, ..Policy::default() },
        trace: longshore_base::Trace::new([7; 16], [9; 8], 1),
        ..c.job()
    };
    let old = letter(c, new.clone(), "alpha").await;
    let id = replay(c, old, c.id()).await.expect("replayed");
    let (job, was) = (c.get(id).await, c.get(old).await);
    assert_eq!((job.state, job.counters, job.replay_of), (State::Ready, crate::Counters::default(), Some(old)));
    assert_eq!((job.client, job.lane_key, job.priority, job.tags), (new.client, new.lane_key, new.priority, new.tags));
    assert_eq!((job.args.get(), job.policy, job.kind, job.trace), (new.args.get(), new.policy, new.kind, new.trace));
    assert!(job.history.is_empty() && job.output.is_none() && job.reason.is_none());
    assert_eq!((was.state, was.replays), (State::Dead, vec![id]));
    c.ack(&c.one().await, complete()).await;
}

/// The letter leaves the dead index, the counts and the groups.
pub async fn q3_ended_replay_takes_the_letter_out_of_the_counts(c: &Case) {
    let old = letter(c, c.job(), "alpha").await;
    let kept = letter(c, c.job(), "alpha").await;
    replay(c, old, c.id()).await.expect("replayed");
    assert_eq!(only(groups(c).await).count, 1);
    assert_eq!(c.broker.stats(&Scope::All, &c.queue).await.expect("stats").dead, 1);
    let filter = Filter { queue: Some(c.queue.clone()), state: Some(State::Dead), ..Filter::default() };
    let page = c.broker.list(&Scope::All, &filter, 10, None).await.expect("a page");
    assert_eq!(page.items.iter().map(|job| job.id).collect::<Vec<_>>(), [kept]);
    replay(c, kept, c.id()).await.expect("replayed");
    assert!(groups(c).await.is_empty());
}

/// A repeated call makes one job; a letter is not replayed twice.
pub async fn q4_repeating_a_replay_makes_one_job(c: &Case) {
    let old = letter(c, c.job(), "alpha").await;
    let new = c.id();
    assert_eq!(replay(c, old, new).await.expect("replayed"), new);
    assert_eq!(c.unchanged(replay(c, old, new)).await.expect("again"), new);
    assert!(matches!(c.refused(replay(c, old, c.id())).await, BrokerError::Conflict { .. }));
    assert_eq!(c.get(old).await.replays, [new]);
    assert_eq!(c.all().await.iter().filter(|job| job.replay_of == Some(old)).count(), 1);
}

/// Only dead jobs are replayed.
pub async fn q3_ended_replay_of_anything_else_is_refused(c: &Case) {
    for state in [State::Scheduled, State::Ready, State::Running, State::Retrying, State::Waiting, State::Completed, State::Cancelled] {
        let (id, _) = c.in_state(state).await;
        let error = c.refused(replay(c, id, c.id())).await;
        assert!(matches!(error, BrokerError::Conflict { .. }), "in {state}: {error:?}");
    }
    assert!(matches!(c.refused(replay(c, c.id(), c.id())).await, BrokerError::NotFound));
}

/// A replay onto a taken unique key is a conflict; once the key is free it is not.
pub async fn q5_unique_taken_refuses_a_replay(c: &Case) {
    let job = || NewJob { unique: Some(Unique { key: "k".into(), mode: UniqueMode::Keep }), ..c.job() };
    let old = letter(c, job(), "alpha").await;
    let holder = c.put(job()).await;
    assert_eq!(c.refused(replay(c, old, c.id())).await.code(), Code::UniqueTaken);
    c.cancel(holder).await.expect("cancelled");
    let id = replay(c, old, c.id()).await.expect("replayed");
    assert_eq!(c.enqueue(job()).await.id, id, "the replay holds the key now");
}

/// The replay of a child inherits its parent and its key there.
pub async fn q3_ended_replay_inherits_the_parent_key(c: &Case) {
    let parent = c.put(NewJob { wait: Some(super::for_signal("go")), kind: c.own("parent"), ..c.job() }).await;
    let link = Parent { id: parent, key: "child".into() };
    let old = letter(c, NewJob { id: link.child_id(c.home), parent: Some(link.clone()), ..c.job() }, "alpha").await;
    let id = replay(c, old, c.id()).await.expect("replayed");
    assert_eq!(c.get(id).await.parent, Some(link));
    c.ack(&c.one().await, Outcome::Complete { output: Some(args("second try")) }).await;
    c.until("the parent knows the replay's end", async || {
        let children = c.broker.inbox(parent).await.expect("an inbox").children;
        children.iter().any(|child| child.id == id && child.outcome.as_ref().is_some_and(|o| o.state == State::Completed))
    })
    .await;
    assert_eq!(c.broker.inbox(parent).await.expect("an inbox").children.len(), 1, "one key, one child");
}

/// Other args may be given; a batch is per item.
pub async fn q3_ended_replay_with_other_args(c: &Case) {
    let old = letter(c, c.job(), "alpha").await;
    let (live, _) = c.in_state(State::Ready).await;
    let batch = vec![Replay { id: live, new_id: c.id(), args: None }, Replay { id: old, new_id: c.id(), args: Some(args("patched")) }];
    let wanted = batch[1].new_id;
    let answers = c.broker.replay(&Scope::All, batch).await.expect("an answer");
    assert!(answers[0].is_err() && answers[1].as_ref().is_ok_and(|id| *id == wanted), "{answers:?}");
    assert_eq!(c.get(wanted).await.args.get(), args("patched").get());
    assert_ne!(c.get(old).await.args.get(), args("patched").get());
}
