//! Letters, moves and feeds as the file keeps them: older files, counts after each way, what a list looks at, whom a feed costs what.

use super::{House, START, schedules::lay_down_version_1};
use crate::{
    Alert, Broker, BrokerError, Change, Counters, Edit, ErrorInfo, EventKind, FEED_KEPT, FEED_MAX, Feed, Filter, Hour, Job, JobId, Letter,
    LogLine, NewJob, Note, Outcome, Reason, Relocation, Replay, Scope, State, Undo, json,
    sqlite::{SqliteBroker, codec, enqueue, feed::Feeds},
};
use longshore_base::{Millis, Name};
use std::{collections::HashMap, time::Duration};

const HOUR_MS: Millis = 3_600_000;

fn error(fingerprint: &str) -> ErrorInfo {
    ErrorInfo { code: "c".into(), message: "m".into(), fingerprint: fingerprint.into() }
}

fn alert(text: &str) -> Alert {
    Alert { code: "a".into(), tenant: None, detail: text.into() }
}

impl House {
    async fn die(&self, broker: &SqliteBroker, call: u64, fingerprint: &str) -> JobId {
        let id = self.put(broker).await;
        let lease = self.lease(broker, call).await.remove(0);
        let dead = Outcome::Dead { reason: Reason::Fatal, error: error(fingerprint) };
        broker.ack(&self.queue, "w", House::ack(&lease, dead)).await.expect("acked").remove(0).expect("accepted");
        id
    }
    async fn replay(&self, broker: &SqliteBroker, id: JobId, seed: &[u8]) -> JobId {
        let new_id = JobId::derived(START, id.home(), seed);
        broker.replay(&Scope::All, vec![Replay { id, new_id, args: None }]).await.expect("an answer").remove(0).expect("replayed")
    }
    async fn undo(&self, broker: &SqliteBroker, id: JobId, replay: JobId) {
        broker.undo(&Scope::All, vec![Undo { id, replay }]).await.expect("an answer").remove(0).expect("undone");
    }
    async fn feed(&self, broker: &SqliteBroker, after: Option<&str>) -> Feed {
        broker.feed(&self.queue, after, 100).await.expect("a feed")
    }
    async fn letters(&self, broker: &SqliteBroker, filter: Filter) -> (Vec<Job>, u64) {
        let filter = Filter { state: Some(State::Dead), queue: Some(self.queue.clone()), ..filter };
        let page = broker.list(&Scope::All, &filter, 100, None).await.expect("a page");
        assert!(page.cursor.is_none());
        (page.items, page.scanned)
    }
}

#[tokio::test]
async fn a_letter_of_version_1_is_edited_replayed_and_taken_back() {
    let house = House::new();
    lay_down_version_1(&house);
    let broker = house.open();
    let letter = house.letters(&broker, Filter::default()).await.0.remove(0);
    let group = broker.groups(&Scope::All, None).await.expect("groups").remove(0);
    assert_eq!((group.count, group.hours), (1, vec![]), "version 1 counted no hours");
    let edit = Edit { args: Some(json(&serde_json::json!(7))), by: Some("key".into()), ..Edit::default() };
    assert_eq!(broker.edit(&Scope::All, letter.id, 0, edit).await.expect("edited"), 1);
    let replay = house.replay(&broker, letter.id, b"new").await;
    assert_eq!(house.get(&broker, replay).await.args.get(), "7");
    let replayed = house.get(&broker, letter.id).await;
    assert!(replayed.replayed && broker.groups(&Scope::All, None).await.expect("groups").is_empty());
    house.undo(&broker, letter.id, replay).await;
    let back = house.get(&broker, letter.id).await;
    assert_eq!((back.replayed, back.ended_at, &back.replays), (false, letter.ended_at, &vec![replay]));
    let told: Vec<_> = back.history.iter().map(|event| (event.what, event.worker.as_deref(), event.before.as_deref())).collect();
    let edited = (EventKind::Edited, Some("key"), Some("args 16 bytes"));
    assert_eq!(told[1..], [edited, (EventKind::Replayed, None, None), (EventKind::Undone, None, None)]);
    let group = broker.groups(&Scope::All, None).await.expect("groups").remove(0);
    assert_eq!((group.count, group.first_at, group.last_at, group.hours), (1, START, START, vec![]));
    house.assert_counted(&broker).await;
}

#[tokio::test]
async fn counts_add_up_after_bury_relocate_and_undo() {
    let house = House::new();
    let broker = house.open();
    let there = Name::literal("elsewhere");
    let home = broker.home(&there).await.expect("a home");
    let dead = house.die(&broker, 1, "f").await;
    let first = house.replay(&broker, dead, b"first").await;
    house.undo(&broker, dead, first).await;
    house.undo(&broker, dead, first).await;
    let second = house.replay(&broker, dead, b"second").await;
    let letter = Letter {
        job: NewJob { id: JobId::derived(START, dead.home(), b"letter"), ..house.job(&broker).await },
        counters: Counters { attempts: 2, runs: 2, ..Counters::default() },
        reason: Reason::Exhausted,
        history: house.get(&broker, dead).await.history,
        started_at: None,
        ended_at: START - 30 * HOUR_MS,
    };
    for duplicate in [false, true] {
        let buried = broker.bury(vec![letter.clone()]).await.expect("an answer").remove(0).expect("taken");
        assert_eq!((buried.id, buried.state, buried.duplicate), (letter.job.id, State::Dead, duplicate));
    }
    let group = broker.groups(&Scope::All, None).await.expect("groups").remove(0);
    let hour = START - 30 * HOUR_MS;
    assert_eq!((group.count, group.first_at, group.hours), (1, hour, vec![Hour { at: hour - hour.rem_euclid(HOUR_MS), count: 1 }]));
    // One that is Ready in another queue goes on there, in one step.
    let moved = house.put(&broker).await;
    let relocation = Relocation { id: moved, new_id: JobId::derived(START, home, b"moved"), queue: there.clone() };
    for _ in 0..2 {
        let answers = broker.relocate(&Scope::All, vec![relocation.clone()]).await.expect("an answer");
        assert!(answers.into_iter().all(|answer| answer.is_ok_and(|id| id == relocation.new_id)));
    }
    let (old, new) = (house.get(&broker, moved).await, house.get(&broker, relocation.new_id).await);
    assert_eq!((old.state, old.reason, old.moved_to), (State::Cancelled, Some(Reason::Moved), Some(new.id)));
    assert_eq!((new.state, new.queue, new.moved_from), (State::Ready, there, Some(moved)));
    assert_eq!(house.get(&broker, second).await.state, State::Ready);
    house.assert_counted(&broker).await;
    let wrong = "SELECT count(*) FROM lanes l WHERE (l.jobs, l.ready) IS NOT (SELECT count(*), count(*) FILTER (WHERE j.state = 1)
        FROM jobs j WHERE j.lane = l.lane)";
    assert_eq!(house.count(&broker, wrong).await, 0, "a lane's count is wrong");
}

#[tokio::test]
async fn a_list_of_letters_looks_only_at_its_time() {
    let house = House::new();
    let broker = house.open();
    for call in 1..=5 {
        house.clock.advance(Duration::from_secs(1));
        house.die(&broker, call, if call == 3 { "odd" } else { "f" }).await;
    }
    let at = |second: i64| Some(START + second * 1_000);
    let (items, scanned) = house.letters(&broker, Filter { from: at(2), to: at(4), ..Filter::default() }).await;
    assert_eq!((items.iter().map(|job| job.ended_at).collect::<Vec<_>>(), scanned), (vec![at(3), at(2)], 2));
    let (items, _) = house.letters(&broker, Filter { fingerprint: Some("odd".into()), ..Filter::default() }).await;
    assert_eq!(items.iter().map(|job| job.ended_at).collect::<Vec<_>>(), [at(3)]);
    let replay = house.replay(&broker, items[0].id, b"new").await;
    let odd = || Filter { fingerprint: Some("odd".into()), replayed: true, ..Filter::default() };
    let (items, scanned) = house.letters(&broker, odd()).await;
    assert_eq!((items.len(), scanned), (1, 1), "only those that were repeated are walked");
    house.undo(&broker, items[0].id, replay).await;
    assert!(house.letters(&broker, odd()).await.0.is_empty());
}

#[tokio::test]
async fn a_feed_of_another_start_is_told_as_missed() {
    let house = House::new();
    let broker = house.open();
    broker.home(&house.queue).await.expect("a queue");
    let before = house.feed(&broker, None).await.next;
    let id = house.put(&broker).await;
    let feed = house.feed(&broker, Some(&before)).await;
    assert!(matches!(&feed.entries[..], [entry] if entry.id == Some(id) && entry.place == feed.next && !feed.missed));
    drop(broker);
    // The clock and the chance of this start are those of the one before.
    let broker = house.open();
    let after = house.feed(&broker, Some(&feed.next)).await;
    assert!(after.missed && after.entries.is_empty() && after.next > feed.next, "{after:?} {feed:?}");
    assert!(!house.feed(&broker, Some(&after.next)).await.missed);
    assert!(house.feed(&broker, Some("no place at all")).await.missed);
}

#[tokio::test]
async fn nothing_is_collected_while_nobody_listens() {
    let house = House::new();
    let broker = house.open();
    let now = || START + i64::try_from(FEED_KEPT.as_millis()).expect("small");
    house.put(&broker).await;
    assert!(broker.feeds.step(START).is_none());
    let place = house.feed(&broker, None).await.next;
    assert!(broker.feeds.step(now() - 1).is_some());
    house.clock.jump(now());
    // This call ends the feed instead of telling anything.
    house.put(&broker).await;
    assert!(broker.feeds.step(START).is_none());
    broker.announce(&house.queue, alert("nobody hears it")).await.expect("told");
    let feed = house.feed(&broker, Some(&place)).await;
    assert!(feed.missed && feed.entries.is_empty());
    house.put(&broker).await;
    let feed = house.feed(&broker, Some(&feed.next)).await;
    assert_eq!((feed.missed, feed.entries.len(), feed.oldest_at), (false, 1, Some(now())));
}

#[tokio::test]
async fn what_was_not_committed_is_not_told() {
    let house = House::new();
    let broker = house.open();
    broker.home(&house.queue).await.expect("a queue");
    let place = house.feed(&broker, None).await.next;
    let (lost, kept) = (house.job(&broker).await, house.job(&broker).await);
    let homes = HashMap::from([(house.queue.to_string(), lost.id.home().0)]);
    let wrecked = broker.write(true, move |tx| {
        enqueue::enqueue(tx, vec![lost], &homes)?.remove(0)?;
        Err::<(), _>(BrokerError::Refused("on purpose".into()))
    });
    let kept = NewJob { id: JobId::derived(START, kept.id.home(), b"kept"), ..kept };
    let id = kept.id;
    let (wrecked, taken) = tokio::join!(wrecked, broker.enqueue(vec![kept]));
    assert!(wrecked.is_err() && taken.is_ok());
    let told: Vec<_> = house.feed(&broker, Some(&place)).await.entries.into_iter().map(|entry| entry.id).collect();
    assert_eq!(told, [Some(id)]);
}

#[tokio::test]
async fn a_feed_tells_what_an_attempt_gives_out() {
    let house = House::new();
    let broker = house.open();
    house.put(&broker).await;
    let place = house.feed(&broker, None).await.next;
    let lease = house.lease(&broker, 1).await.remove(0);
    let logs = vec![LogLine { at: START, level: "info".into(), message: "line".into() }];
    let note = Note { progress: None, logs, output: Some("piece".into()), used: None };
    broker.note(lease.job.id, lease.token, note).await.expect("kept");
    broker.note(lease.job.id, lease.token, Note { used: Some(3), ..Note::default() }).await.expect("kept");
    for _ in 0..2 {
        broker.cancel(&Scope::All, &[lease.job.id]).await.expect("asked");
    }
    broker.ack(&house.queue, "w", House::ack(&lease, Outcome::Cancel)).await.expect("acked");
    let told = house.feed(&broker, Some(&place)).await.entries;
    let [running, told, asked, ended] = &told[..] else { panic!("{told:?}") };
    assert!(matches!(running.what, Change::State { state: State::Running, run: 1 }));
    assert!(matches!(&told.what, Change::Told { output: Some(piece), logs, .. } if piece == "piece" && logs.len() == 1));
    assert!(matches!(asked.what, Change::CancelRequested));
    assert!(matches!(ended.what, Change::State { state: State::Cancelled, run: 1 }));
}

#[tokio::test]
async fn no_entry_is_lost_between_an_empty_feed_and_the_wait() {
    let house = House::new();
    let broker = house.open();
    broker.home(&house.queue).await.expect("a queue");
    let mut place = house.feed(&broker, None).await.next;
    for _ in 0..50 {
        house.put(&broker).await;
        let waits = broker.wait_feed(&house.queue, Duration::from_secs(3_600));
        tokio::time::timeout(Duration::from_secs(20), waits).await.expect("there is something to read");
        let feed = house.feed(&broker, Some(&place)).await;
        assert_eq!(feed.entries.len(), 1);
        place = feed.next;
        let lease = house.lease(&broker, broker.signals.rung(1)).await.remove(0);
        broker.ack(&house.queue, "w", House::ack(&lease, Outcome::Complete { output: None })).await.expect("acked");
        place = house.feed(&broker, Some(&place)).await.next;
    }
}

#[test]
fn a_feed_is_bounded_by_steps_and_by_bytes() {
    let feeds = Feeds::new(1, START, FEED_MAX);
    let begin = feeds.begin(1, None, 10, START).next;
    for _ in 0..=FEED_MAX {
        feeds.announce(1, START, alert("x"));
    }
    let feed = feeds.read(1, Some(&begin), usize::MAX, START).expect("it is open");
    assert!(feed.missed);
    assert_eq!((feed.entries.len(), feed.entries[0].place > begin), (FEED_MAX, true));
    assert!(feed.entries.is_sorted_by(|a, b| a.place < b.place));
    let again = feeds.read(1, Some(&feed.entries[9].place), 5, START).expect("it is open");
    assert_eq!((again.missed, again.entries.len(), &again.next), (false, 5, &feed.entries[14].place));
    for _ in 0..40 {
        feeds.announce(1, START, alert(&"x".repeat(1 << 20)));
    }
    let large = feeds.read(1, Some(&feed.next), usize::MAX, START).expect("it is open");
    assert_eq!((large.missed, large.entries.len()), (true, 32));
    feeds.lose();
    assert!(feeds.read(1, Some(&large.next), 1, START).is_none(), "who asks again is told that something may be missing");
    assert!(feeds.begin(1, Some(&large.next), 1, START).missed);
}

#[test]
fn a_body_that_was_written_before_there_were_moves_is_read() {
    let home = crate::Home(1);
    let new = NewJob::new(JobId::derived(START, home, b"x"), Name::literal("q"), Name::literal("k"), Name::literal("t"), json(&1.into()));
    let body = codec::Body::of(&new, Some(9));
    // Its last fields, which are not there, are one byte each.
    let mut packed = body.pack().expect("packed");
    let (marker, fields) = (packed[1], u16::from_be_bytes([packed[2], packed[3]]));
    assert_eq!(marker, 0xdc);
    for _ in 15..fields {
        assert_eq!(packed.pop(), Some(0xc0));
    }
    packed.splice(1..4, [0x9f]);
    let read: codec::Body = codec::unpack(&packed).expect("it is read");
    assert_eq!((read.run_at, read.moved_from, read.moved_to, read.trace), (Some(9), None, None, None));
}
