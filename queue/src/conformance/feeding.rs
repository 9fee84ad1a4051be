//! Feeds: what they tell of a queue's jobs. `listening.rs` is about who listens.

use super::{Case, LONG, SHORT, args, complete, dead, for_signal, letters::letter, only, retry};
use crate::{
    Alert, Change, Delivery, Due, Edit, Feed, FeedEntry, JobId, LOGS_MAX, Letter, LogLine, NewJob, Note, Outcome, Priority, Reason,
    Relocation, Replay, Scope, State, Undo, Wait, WaitOn, WaitPolicy,
};
use longshore_base::Name;
use std::{future::Future, time::Duration};

/// How often a listener looks for what must come.
pub(super) const LOOKS: usize = 500;

/// Somebody who listens.
pub(super) struct Ear<'a> {
    pub(super) c: &'a Case,
    pub(super) place: String,
}

impl<'a> Ear<'a> {
    /// Listens from now on.
    pub(super) async fn open(c: &'a Case) -> Self {
        let feed = read(c, None, 100).await;
        assert!(feed.entries.is_empty() && !feed.missed, "from now on: {feed:?}");
        Self { c, place: feed.next }
    }

    /// Everything that came since the last call: `n` entries at least, and no more than there are.
    pub(super) async fn hears(&mut self, n: usize) -> Vec<FeedEntry> {
        let mut heard: Vec<FeedEntry> = Vec::new();
        for _ in 0..LOOKS {
            let feed = read(self.c, Some(&self.place), 7).await;
            assert!(!feed.missed, "nothing is missed from {}", self.place);
            assert!(feed.next >= self.place && feed.entries.len() <= 7);
            let places = || [self.place.as_str()].into_iter().chain(feed.entries.iter().map(|entry| entry.place.as_str()));
            assert!(places().zip(places().skip(1)).all(|(a, b)| a < b), "places grow: {:?}", places().collect::<Vec<_>>());
            assert_eq!(feed.entries.last().map_or(&self.place, |entry| &entry.place), &feed.next);
            let ended = feed.entries.is_empty();
            heard.extend(feed.entries);
            self.place = feed.next;
            if ended && heard.len() >= n {
                return heard;
            }
            if ended {
                self.c.pass(Duration::from_millis(2)).await;
            }
        }
        panic!("{n} entries were expected: {heard:?}");
    }

    /// Does it, and expects these jobs to stand there then: of one job in this order, and nothing else.
    pub(super) async fn tells<T>(&mut self, what: &str, act: impl Future<Output = T>, wanted: &[(JobId, State)]) -> T {
        let answer = act.await;
        let heard: Vec<_> = self.hears(wanted.len()).await.iter().map(state_of).collect();
        let of =
            |id: JobId, list: &[(JobId, State)]| list.iter().filter(|(one, _)| *one == id).map(|(_, state)| *state).collect::<Vec<_>>();
        for (id, _) in wanted.iter().chain(&heard) {
            assert_eq!(of(*id, &heard), of(*id, wanted), "{what}: {id}");
        }
        answer
    }
}

pub(super) async fn read(c: &Case, after: Option<&str>, limit: usize) -> Feed {
    c.broker.feed(&c.queue, after, limit).await.expect("a feed")
}

/// The entry's job, and where it stands; anything else is not expected.
pub(super) fn state_of(entry: &FeedEntry) -> (JobId, State) {
    match (&entry.id, &entry.what) {
        (Some(id), Change::State { state, .. }) => (*id, *state),
        _ => panic!("a state was expected: {entry:?}"),
    }
}

/// The states and runs that were told.
fn states(entries: &[FeedEntry]) -> Vec<(State, u32)> {
    let state = |entry: &FeedEntry| match entry.what {
        Change::State { state, run } => Some((state, run)),
        _ => None,
    };
    entries.iter().filter_map(state).collect()
}

pub(super) fn alert(code: &str) -> Alert {
    Alert { code: code.into(), tenant: Some(Name::literal("one")), detail: "so many".into() }
}

pub(super) async fn announce(c: &Case, code: &str) {
    c.broker.announce(&c.queue, alert(code)).await.expect("told");
}

/// Before somebody listens nothing is kept, and nothing is told later.
pub async fn q7_feed_tells_nothing_before_somebody_listens(c: &Case) {
    c.unchanged(announce(c, "early")).await;
    let early = c.add(2).await;
    announce(c, "early").await;
    let mut ear = Ear::open(c).await;
    assert!(ear.hears(0).await.is_empty());
    let late = c.put(c.job()).await;
    let heard = ear.hears(1).await;
    assert_eq!(heard.iter().map(state_of).collect::<Vec<_>>(), [(late, State::Ready)]);
    assert!(!early.contains(&late));
}

/// One job through a life: every state in order, with the number of its attempt.
pub async fn q7_feed_tells_every_state_in_order(c: &Case) {
    let mut ear = Ear::open(c).await;
    let id = c.put(NewJob { due: Due::In(SHORT), ..c.job() }).await;
    c.pass(SHORT).await;
    c.tick().await;
    let now = async || {
        c.broker.retry_now(&Scope::All, id).await.expect("ready");
        c.one().await
    };
    let lease = c.one().await;
    c.ack(&lease, retry(LONG)).await;
    let lease = now().await;
    c.ack(&lease, Outcome::Snooze { after: LONG }).await;
    let lease = now().await;
    c.ack(&lease, Outcome::Wait(for_signal("go"))).await;
    let signal = Delivery::Signal { job: id, once: "1".into(), name: "go".into(), payload: args("x") };
    only(c.broker.deliver(vec![signal]).await.expect("an answer")).expect("kept");
    let lease = c.one().await;
    c.ack(&lease, Outcome::Release { started: true }).await;
    let lease = c.one().await;
    c.ack(&lease, complete()).await;
    let heard = ear.hears(15).await;
    assert!(heard.iter().all(|entry| entry.id == Some(id)), "{heard:?}");
    let wanted = [
        (State::Scheduled, 0),
        (State::Ready, 0),
        (State::Running, 1),
        (State::Retrying, 1),
        (State::Ready, 1),
        (State::Running, 2),
        (State::Scheduled, 2),
        (State::Ready, 2),
        (State::Running, 3),
        (State::Waiting, 3),
        (State::Ready, 3),
        (State::Running, 4),
        (State::Ready, 4),
        (State::Running, 5),
        (State::Completed, 5),
    ];
    assert_eq!(states(&heard), wanted);
    let times: Vec<_> = heard.iter().map(|entry| entry.at).collect();
    let end = c.now().await;
    assert!(times.is_sorted() && times.iter().all(|at| *at <= end), "{times:?}");
}

/// Every end is told, whoever brought it.
pub async fn q7_feed_tells_every_end(c: &Case) {
    let mut ear = Ear::open(c).await;
    for (outcome, state) in [(complete(), State::Completed), (dead(), State::Dead), (Outcome::Cancel, State::Cancelled)] {
        let id = c.put(c.job()).await;
        let lease = c.one().await;
        ear.tells("an ack", c.ack(&lease, outcome), &[(id, State::Ready), (id, State::Running), (id, state)]).await;
    }
    let id = c.put(c.job()).await;
    ear.tells("cancel", c.cancel(id), &[(id, State::Ready), (id, State::Cancelled)]).await.expect("cancelled");
    let (id, _) = c.in_state(State::Retrying).await;
    ear.hears(3).await;
    ear.tells("give up", c.broker.give_up(&Scope::All, id), &[(id, State::Dead)]).await.expect("dead");
    let id = c.put(NewJob { expires_at: Some(c.now().await + 50), ..c.job() }).await;
    let expiry = async { c.until_state(id, State::Cancelled).await };
    ear.tells("expiry", expiry, &[(id, State::Ready), (id, State::Cancelled)]).await;
    let id = c.put(c.job()).await;
    let lost = async {
        assert_eq!(only(c.lease_by("w2", 1, SHORT).await).job.id, id);
        c.until_state(id, State::Retrying).await;
    };
    ear.tells("a lost lease", lost, &[(id, State::Ready), (id, State::Running), (id, State::Retrying)]).await;
}

/// What wakes and what is told to others: a follower, a parent, the children of a cancelled job.
pub async fn q7_feed_tells_what_a_step_brings_others(c: &Case) {
    let mut ear = Ear::open(c).await;
    let first = c.put(c.job()).await;
    let wait = Wait { on: WaitOn::Job(first), timeout: None, on_timeout: WaitPolicy::Ignore, on_child_failed: WaitPolicy::Ignore };
    let second = c.put(NewJob { wait: Some(wait), ..c.job() }).await;
    let wanted = [(first, State::Ready), (second, State::Waiting), (first, State::Cancelled), (second, State::Ready)];
    ear.tells("a job that was followed", c.cancel(first), &wanted).await.expect("cancelled");
    let lease = c.one().await;
    assert_eq!(lease.job.id, second);
    c.ack(&lease, complete()).await;
    ear.hears(2).await;
    let timed = Wait { timeout: Some(SHORT), on_timeout: WaitPolicy::Wake, ..for_signal("go") };
    let id = c.put(NewJob { wait: Some(timed), ..c.job() }).await;
    let time = async { c.until_state(id, State::Ready).await };
    ear.tells("a wait that ran out", time, &[(id, State::Waiting), (id, State::Ready)]).await;
    assert_eq!(c.one().await.job.id, id);
    ear.hears(1).await;
    let ids = c.add(3).await;
    ear.hears(3).await;
    let wanted: Vec<_> = ids.iter().map(|id| (*id, State::Running)).collect();
    let leases = ear.tells("a lease of three", c.lease(5), &wanted).await;
    let wanted: Vec<_> = ids.iter().map(|id| (*id, State::Completed)).collect();
    ear.tells("a batch of acks", c.finish(&leases, |_| SHORT), &wanted).await;
}

/// What is done with letters and moved jobs is told, in the queue where it happened.
pub async fn q7_feed_tells_what_becomes_of_letters(c: &Case) {
    let other = c.beside().await;
    let old = letter(c, c.job(), "alpha").await;
    let (mut ear, mut there) = (Ear::open(c).await, Ear::open(&other).await);
    let replay = Replay { id: old, new_id: c.id(), args: None };
    let new = replay.new_id;
    ear.tells("replay", c.broker.replay(&Scope::All, vec![replay]), &[(new, State::Ready)]).await.expect("an answer");
    let undo = c.broker.undo(&Scope::All, vec![Undo { id: old, replay: new }]);
    ear.tells("undo", undo, &[(new, State::Cancelled), (old, State::Dead)]).await.expect("an answer");
    let job = c.job();
    let buried = Letter {
        job: job.clone(),
        counters: crate::Counters { attempts: 1, runs: 4, ..crate::Counters::default() },
        reason: Reason::Fatal,
        history: Vec::new(),
        started_at: None,
        ended_at: 1_700_000_000_000,
    };
    ear.tells("bury", c.broker.bury(vec![buried]), &[(job.id, State::Dead)]).await.expect("an answer");
    let id = c.put(c.job()).await;
    ear.hears(1).await;
    let to = Relocation { id, new_id: Relocation::id_of(id, other.id(), other.home), queue: other.queue.clone() };
    let new = to.new_id;
    ear.tells("a move", c.broker.relocate(&Scope::All, vec![to]), &[(id, State::Cancelled)]).await.expect("an answer");
    c.until("it is there", async || only(c.broker.get(&Scope::All, &[new]).await.expect("an answer")).is_some()).await;
    there.tells("a move from elsewhere", async {}, &[(new, State::Ready)]).await;
    assert!(ear.hears(0).await.is_empty());
}

/// Edits and requests to stop are told; a state only where it changed.
pub async fn q7_feed_tells_edits_and_requests(c: &Case) {
    let id = c.put(c.job()).await;
    let mut ear = Ear::open(c).await;
    let edit = async |edit: Edit| c.broker.edit(&Scope::All, id, c.get(id).await.revision, edit).await.expect("edited");
    edit(Edit { priority: Priority::new(9), ..Edit::default() }).await;
    let heard = ear.hears(1).await;
    assert!(matches!(heard[..], [FeedEntry { id: Some(one), what: Change::Edited, .. }] if one == id), "{heard:?}");
    edit(Edit { due: Some(Due::In(LONG)), ..Edit::default() }).await;
    let heard = ear.hears(2).await;
    assert_eq!(states(&heard), [(State::Scheduled, 0)]);
    assert_eq!(heard.iter().filter(|entry| matches!(entry.what, Change::Edited)).count(), 1);
    assert_eq!(heard.len(), 2, "{heard:?}");
    c.broker.retry_now(&Scope::All, id).await.expect("ready");
    let lease = c.one().await;
    ear.hears(2).await;
    assert_eq!(c.cancel(id).await.expect("asked"), State::Running);
    let heard = ear.hears(1).await;
    assert!(matches!(heard[..], [FeedEntry { id: Some(one), what: Change::CancelRequested, .. }] if one == id), "{heard:?}");
    ear.tells("its end", c.ack(&lease, Outcome::Cancel), &[(id, State::Cancelled)]).await;
    let old = letter(c, c.job(), "alpha").await;
    ear.hears(3).await;
    let patch = Edit { args: Some(args("patched")), ..Edit::default() };
    c.broker.edit(&Scope::All, old, c.get(old).await.revision, patch).await.expect("edited");
    let heard = ear.hears(1).await;
    assert!(matches!(heard[..], [FeedEntry { id: Some(one), what: Change::Edited, .. }] if one == old), "{heard:?}");
}

/// What a running attempt tells, as it told it; its output is kept nowhere else.
pub async fn q7_feed_tells_what_attempts_tell(c: &Case) {
    let lease = c.running().await;
    let (id, token) = (lease.job.id, lease.token);
    let mut ear = Ear::open(c).await;
    let line = |message: &str| LogLine { at: 1_700_000_000_000, level: "info".into(), message: message.into() };
    let notes = [
        Note { progress: Some(args("half")), ..Note::default() },
        Note { logs: vec![line("one"), line("zwei ✓")], ..Note::default() },
        Note { output: Some("a piece\n".into()), ..Note::default() },
        Note { progress: Some(args("done")), logs: vec![line("three")], output: Some("another".into()), used: Some(3) },
    ];
    for note in &notes {
        c.broker.note(id, token, note.clone()).await.expect("noted");
    }
    let nothing = Note { used: Some(5), output: Some(String::new()), ..Note::default() };
    c.broker.note(id, token, nothing).await.expect("noted");
    let heard = ear.hears(notes.len()).await;
    assert_eq!(heard.len(), notes.len(), "what it used is told to nobody: {heard:?}");
    for (entry, note) in heard.iter().zip(&notes) {
        let Change::Told { progress, logs, output } = &entry.what else { panic!("it was told: {entry:?}") };
        assert_eq!(entry.id, Some(id));
        assert_eq!(progress.as_ref().map(|json| json.get()), note.progress.as_ref().map(|json| json.get()));
        assert_eq!((logs, output), (&note.logs, &note.output));
    }
    let large = Note { output: Some(format!("x{}", "é".repeat(LOGS_MAX))), ..Note::default() };
    c.broker.note(id, token, large).await.expect("noted");
    let heard = only(ear.hears(1).await);
    let Change::Told { output: Some(output), .. } = &heard.what else { panic!("it was told: {heard:?}") };
    assert_eq!(output.len(), LOGS_MAX - 1, "no half of a letter");
    let job = c.get(id).await;
    assert_eq!(job.progress.map(|json| json.get().to_owned()).as_deref(), Some(args("done").get()));
    assert!(job.output.is_none(), "pieces are no output");
    c.ack(&lease, complete()).await;
    c.broker.note(id, token, notes[2].clone()).await.expect_err("a late note");
    assert_eq!(states(&ear.hears(1).await), [(State::Completed, 1)]);
}

/// A refused or repeated call tells nothing.
pub async fn q7_feed_tells_nothing_where_nothing_changed(c: &Case) {
    let (ended, _) = c.in_state(State::Completed).await;
    let job = c.job();
    c.put(job.clone()).await;
    let request = c.request("w1", 1, LONG);
    let lease = only(c.ask(&request).await.leases);
    let mut ear = Ear::open(c).await;
    c.cancel(ended).await.expect_err("it has ended");
    c.broker.retry_now(&Scope::All, lease.job.id).await.expect_err("it runs");
    c.broker.edit(&Scope::All, lease.job.id, 0, Edit { priority: Priority::new(1), ..Edit::default() }).await.expect_err("it runs");
    assert!(c.enqueue(job).await.duplicate);
    assert_eq!(c.ask(&request).await.leases.len(), 1, "the same reply again");
    c.tick().await;
    assert!(ear.hears(0).await.is_empty());
    c.ack(&lease, complete()).await;
    assert!(c.try_ack(&lease, complete()).await.expect("the same answer").repeated);
    assert_eq!(states(&ear.hears(1).await), [(State::Completed, 1)]);
}

/// What people should know is told as it was said.
pub async fn q7_feed_announces(c: &Case) {
    let mut ear = Ear::open(c).await;
    announce(c, "dead_letters.many").await;
    c.broker.announce(&c.queue, Alert { tenant: None, ..alert("schedules.late") }).await.expect("told");
    let heard = ear.hears(2).await;
    let told: Vec<_> = heard.iter().map(|entry| (entry.id, &entry.what)).collect();
    let [(None, Change::Alert(first)), (None, Change::Alert(second))] = &told[..] else { panic!("two alerts: {told:?}") };
    assert_eq!((first, second), (&alert("dead_letters.many"), &Alert { tenant: None, ..alert("schedules.late") }));
}
