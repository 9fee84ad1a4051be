//! Letters that are brought from elsewhere, and what groups remember of the hours.

use super::{
    Case, LONG, OTHER, args, complete, error, for_signal,
    letters::{groups, letter, replay},
    only,
    seeing::pages,
};
use crate::{
    BrokerError, Counters, Due, Edit, Enqueued, Event, EventKind, Filter, GROUP_HOURS, Hour, JobId, Letter, NewJob, PAYLOAD_MAX, Parent,
    Policy, Priority, Reason, Scope, State, Tick, Undo, Unique, UniqueMode,
};
use longshore_base::{Code, Millis, Name};

const HOUR_MS: Millis = 3_600_000;

fn event(what: EventKind, at: Millis, run: u32, fingerprint: &str) -> Event {
    Event { at, what, run, worker: Some(format!("there-{run}")), started_at: Some(at - 20), error: Some(error(fingerprint)), before: None }
}

/// A letter that died there at that time, of an error of that group, after two attempts.
fn letter_from(job: NewJob, ended_at: Millis, fingerprint: &str) -> Letter {
    let retried = event(EventKind::Retried, ended_at - 500, 1, "before");
    Letter {
        job,
        counters: Counters { attempts: 2, crashes: 1, crashes_in_row: 0, interruptions: 3, runs: 6 },
        reason: Reason::Exhausted,
        history: vec![retried, event(EventKind::Died, ended_at, 2, fingerprint)],
        started_at: Some(ended_at - 20),
        ended_at,
    }
}

async fn try_bury(c: &Case, letter: Letter) -> Result<Enqueued, BrokerError> {
    only(c.broker.bury(vec![letter]).await?)
}

async fn bury(c: &Case, letter: Letter) -> JobId {
    let (id, told) = (letter.job.id, try_bury(c, letter).await.expect("it is taken"));
    assert_eq!(told, Enqueued { id, state: State::Dead, duplicate: false });
    id
}

/// A letter of each of so many tenants.
pub(super) async fn bury_of_many(c: &Case, tenants: usize) -> Vec<JobId> {
    let now = c.now().await;
    let job = |n: usize| NewJob { tenant: Name::new(format!("t{n}")).expect("a name"), ..c.job() };
    let letters: Vec<_> = (0..tenants).map(|n| letter_from(job(n), now - 1_000, "alpha")).collect();
    let told = c.broker.bury(letters).await.expect("an answer").into_iter().map(|one| one.expect("it is taken").id);
    told.collect()
}

/// The begin of the hour of `at`.
fn hour(at: Millis) -> Millis {
    at - at.rem_euclid(HOUR_MS)
}

/// A letter that was removed may be brought again.
pub async fn q5_letters_buried_again_after_a_purge(c: &Case) {
    let letter = letter_from(c.job(), c.now().await - 1_000, "alpha");
    let id = bury(c, letter.clone()).await;
    assert_eq!(c.broker.purge(&Scope::All, &[id]).await.expect("an answer"), [true]);
    assert_eq!(bury(c, letter).await, id);
    assert_eq!((c.state(id).await, only(groups(c).await).count), (State::Dead, 1));
    c.tick().await;
    assert!(!c.get(id).await.history.is_empty());
}

/// However many groups there are, each is told.
pub async fn q5_letters_in_many_groups(c: &Case) {
    const GROUPS: usize = 1_100;
    let now = c.now().await;
    let letters = (0..GROUPS).map(|n| letter_from(c.job(), now - 1_000, &format!("cause-{n}"))).collect();
    let told = c.broker.bury(letters).await.expect("an answer");
    assert!(told.iter().all(Result::is_ok), "each is taken");
    let groups = groups(c).await;
    assert_eq!((groups.len(), groups.iter().map(|group| group.count).sum::<u64>()), (GROUPS, GROUPS as u64));
}

/// However often a letter is changed, what it died of stays known, and so does its group.
pub async fn q5_letters_keep_their_cause(c: &Case) {
    let now = c.now().await;
    let snoozed = |run| Event { error: None, ..event(EventKind::Snoozed, now - 10_000, run, "") };
    let history = (1..=25).map(snoozed).chain([event(EventKind::Died, now - 1_000, 26, "alpha")]).collect();
    let id = bury(c, Letter { history, ..letter_from(c.job(), now - 1_000, "alpha") }).await;
    let tag = |n: u32| Name::new(format!("{n}{}", "t".repeat(120))).expect("a name");
    for revision in 0..110 {
        let edit = Edit { tags: Some((revision..revision + 30).map(tag).collect()), ..Edit::default() };
        c.broker.edit(&Scope::All, id, revision, edit).await.expect("edited");
    }
    let died_of = async || c.get(id).await.last_error().map(|error| error.fingerprint.clone());
    assert_eq!((died_of().await.as_deref(), only(groups(c).await).count), (Some("alpha"), 1));
    let new = replay(c, id, c.id()).await.expect("replayed");
    assert!(groups(c).await.is_empty());
    only(c.broker.undo(&Scope::All, vec![Undo { id, replay: new }]).await.expect("an answer")).expect("undone");
    assert_eq!((died_of().await.as_deref(), only(groups(c).await).count), (Some("alpha"), 1));
}

/// It stands as it stood there, and its history says where it came from.
pub async fn q5_letters_buried_as_they_were(c: &Case) {
    let name = Name::literal;
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
        tags: vec![name("red"), name("blue")],
        tick: Some(Tick { schedule: name("nightly"), at: 1_700_000_000_000 }),
        ..c.job()
    };
    let begin = c.now().await;
    let mut letter = letter_from(new.clone(), begin - 5_000_000, "alpha");
    letter.history.push(Event {
        error: None,
        before: Some("priority 5\ntags a".into()),
        ..event(EventKind::Edited, begin - 4_000_000, 6, "")
    });
    let id = bury(c, letter.clone()).await;
    let job = c.get(id).await;
    assert_eq!((job.state, job.reason, job.counters), (State::Dead, Some(Reason::Exhausted), letter.counters));
    assert_eq!((job.started_at, job.ended_at, job.due_at), (letter.started_at, Some(letter.ended_at), None));
    assert_eq!((job.kind, job.kind_version, job.tenant, job.client), (new.kind, 7, new.tenant, new.client));
    assert_eq!((job.lane_key, job.cost, job.resources, job.priority), (new.lane_key, 3, new.resources, new.priority));
    assert_eq!((job.args.get(), job.policy, job.tags, job.tick), (new.args.get(), new.policy, new.tags, new.tick));
    assert_eq!((job.unique, job.replays.len(), job.replayed, job.worker), (new.unique, 0, false, None));
    let (told, there) = job.history.split_last().expect("lines");
    assert_eq!(there, letter.history);
    assert!(told.what == EventKind::Imported && (begin..=c.now().await).contains(&told.at) && told.error.is_none(), "{told:?}");
    assert!(c.lease(5).await.is_empty(), "it does not run");
}

/// The same letter once more makes no second one, whatever it says now; nor does one with the id of another job.
pub async fn q5_letters_buried_once(c: &Case) {
    let job = c.job();
    let again = || letter_from(job.clone(), 1_700_000_000_000, "alpha");
    let id = bury(c, again()).await;
    let there = Enqueued { id, state: State::Dead, duplicate: true };
    assert_eq!(c.unchanged(try_bury(c, again())).await.expect("the same answer"), there);
    let changed =
        Letter { ended_at: 1_750_000_000_000, ..letter_from(NewJob { args: args("x"), ..job.clone() }, 1_740_000_000_000, "beta") };
    assert_eq!(c.unchanged(try_bury(c, changed)).await.expect("the same answer"), there);
    assert_eq!(only(groups(c).await).count, 1);
    let (living, _) = c.in_state(State::Ready).await;
    let other = letter_from(NewJob { id: living, ..c.job() }, 1_700_000_000_000, "alpha");
    let told = c.unchanged(try_bury(c, other)).await.expect("an answer");
    assert_eq!(told, Enqueued { id: living, state: State::Ready, duplicate: true });
    let new = replay(c, id, c.id()).await.expect("replayed");
    assert!(c.unchanged(try_bury(c, again())).await.expect("the same answer").duplicate, "repeated meanwhile");
    assert_eq!(c.state(new).await, State::Ready);
    let fresh = c.job();
    let twice = vec![letter_from(fresh.clone(), 1_700_000_000_000, "beta"), letter_from(fresh, 1_700_000_000_000, "beta")];
    let told = c.broker.bury(twice).await.expect("an answer");
    assert_eq!(told.into_iter().map(|one| one.expect("taken").duplicate).collect::<Vec<_>>(), [false, true]);
}

/// Buried letters are counted, and grouped by their last error with those that died here.
pub async fn q5_letters_buried_are_counted_and_grouped(c: &Case) {
    let died = c.get(letter(c, c.job(), "alpha").await).await;
    let ended = died.ended_at.expect("it is dead");
    bury(c, letter_from(c.job(), ended - 9_000_000, "alpha")).await;
    bury(c, letter_from(c.job(), ended - 4_000_000, "alpha")).await;
    bury(c, letter_from(NewJob { tenant: Name::literal("two"), ..c.job() }, ended - 1_000, "alpha")).await;
    bury(c, letter_from(NewJob { kind: Name::literal(OTHER), ..c.job() }, ended - 1_000, "beta")).await;
    let told = groups(c).await;
    let shown: Vec<_> = told.iter().map(|g| (g.fingerprint.as_str(), g.tenant.as_str(), g.kind.as_str(), g.count)).collect();
    assert_eq!(shown, [("alpha", "one", super::KIND, 3), ("alpha", "two", super::KIND, 1), ("beta", "one", OTHER, 1)]);
    assert_eq!((told[0].first_at, told[0].last_at), (ended - 9_000_000, ended));
    assert_eq!(told[2].sample, error("beta"));
    assert_eq!(c.broker.stats(&Scope::All, &c.queue).await.expect("stats").dead, 5);
    assert_eq!(c.broker.stats(&Scope::Tenant(Name::literal("two")), &c.queue).await.expect("stats").dead, 1);
}

/// They are listed with the others by the time of their death, newest first, and found by it.
pub async fn q5_letters_buried_are_listed_by_their_death(c: &Case) {
    let now = c.now().await;
    let mut letters = Vec::new();
    for ago in [3_000, 50_000, 20_000, 90_000] {
        letters.push((ago, bury(c, letter_from(c.job(), now - ago, "alpha")).await));
    }
    letters.push((0, letter(c, c.job(), "alpha").await));
    letters.sort();
    let filter = Filter { queue: Some(c.queue.clone()), state: Some(State::Dead), ..Filter::default() };
    for tenant in [None, Some(Name::literal("one"))] {
        let listed = pages(c, &Scope::All, &Filter { tenant, ..filter.clone() }, 2).await;
        let wanted: Vec<_> = letters.iter().map(|(_, id)| *id).collect();
        assert_eq!(listed.iter().map(|job| job.id).collect::<Vec<_>>(), wanted);
    }
    let span = Filter { from: Some(now - 50_000), to: Some(now - 3_000), ..filter };
    let listed: Vec<_> = pages(c, &Scope::All, &span, 2).await.into_iter().map(|job| job.id).collect();
    assert_eq!(listed, [letters[2].1, letters[3].1]);
}

/// A letter that an enqueue would refuse, or that waits or has a parent, is refused; the others of its batch go in.
pub async fn q5_letters_buried_or_refused_whole(c: &Case) {
    let letter = |job: NewJob| letter_from(job, 1_700_000_000_000, "alpha");
    let large = letter(NewJob { args: args(&"x".repeat(PAYLOAD_MAX)), ..c.job() });
    assert_eq!(c.refused(try_bury(c, large)).await.code(), Code::ArgsTooLarge);
    let waits = || letter(NewJob { wait: Some(for_signal("go")), ..c.job() });
    c.refused(try_bury(c, waits())).await;
    let parent = Parent { id: c.id(), key: "k".into() };
    c.refused(try_bury(c, letter(NewJob { parent: Some(parent), ..c.job() }))).await;
    let other = c.beside().await;
    c.refused(try_bury(c, letter(NewJob { id: other.id(), ..c.job() }))).await;
    assert!(c.all().await.is_empty() && groups(c).await.is_empty());
    let (first, second) = (letter(c.job()), letter(c.job()));
    let told = c.broker.bury(vec![first, waits(), second]).await.expect("an answer");
    assert_eq!(told.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true], "{told:?}");
    assert_eq!(only(groups(c).await).count, 2);
    let elsewhere = vec![letter(c.job()), letter(other.job())];
    let told = c.broker.bury(elsewhere).await.expect("an answer");
    assert!(told.iter().all(Result::is_ok), "two queues in one call: {told:?}");
    assert_eq!((c.all().await.len(), other.all().await.len()), (3, 1));
    other.assert_counts_are_true().await;
}

/// A buried letter holds no unique key; its replay claims it, and runs as any other.
pub async fn q5_letters_buried_may_be_repeated(c: &Case) {
    let job = || NewJob { unique: Some(Unique { key: "k".into(), mode: UniqueMode::Keep }), ..c.job() };
    let old = job();
    bury(c, letter_from(old.clone(), 1_700_000_000_000, "alpha")).await;
    let holder = c.put(job()).await;
    assert_eq!(c.refused(replay(c, old.id, c.id())).await.code(), Code::UniqueTaken);
    c.cancel(holder).await.expect("cancelled");
    let new = replay(c, old.id, c.id()).await.expect("replayed");
    assert_eq!(c.enqueue(job()).await.id, new, "the replay holds the key");
    let lease = c.one().await;
    assert_eq!((lease.job.id, lease.job.args.get(), lease.job.counters.runs), (new, old.args.get(), 1));
    c.ack(&lease, complete()).await;
    assert!(groups(c).await.is_empty());
    assert_eq!(c.broker.purge(&Scope::All, &[old.id]).await.expect("an answer"), [true]);
}

/// A group counts its letters by the hour of their death, and takes nothing off when one goes.
pub async fn q5_letters_hours_count_every_death(c: &Case) {
    let first = letter(c, c.job(), "alpha").await;
    let second = letter(c, c.job(), "alpha").await;
    let ends = [c.get(first).await.ended_at, c.get(second).await.ended_at].map(|at| hour(at.expect("it is dead")));
    let day_ago = ends[0] - 24 * HOUR_MS;
    bury(c, letter_from(c.job(), day_ago + 1, "alpha")).await;
    bury(c, letter_from(c.job(), day_ago + HOUR_MS - 1, "alpha")).await;
    bury(c, letter_from(c.job(), day_ago, "beta")).await;
    let told = groups(c).await;
    let mut wanted = vec![Hour { at: day_ago, count: 2 }];
    if ends[0] == ends[1] {
        wanted.push(Hour { at: ends[0], count: 2 });
    } else {
        wanted.extend(ends.map(|at| Hour { at, count: 1 }));
    }
    assert_eq!((&told[0].hours, told[1].hours.as_slice()), (&wanted, &[Hour { at: day_ago, count: 1 }][..]));
    replay(c, first, c.id()).await.expect("replayed");
    assert_eq!(c.broker.purge(&Scope::All, &[second]).await.expect("an answer"), [true]);
    let told = groups(c).await;
    assert_eq!((told[0].count, &told[0].hours), (2, &wanted));
}

/// A group that has lost its last letter begins anew.
pub async fn q5_letters_hours_go_with_their_group(c: &Case) {
    let now = c.now().await;
    let old = bury(c, letter_from(c.job(), hour(now) - 2 * HOUR_MS, "alpha")).await;
    assert_eq!(c.broker.purge(&Scope::All, &[old]).await.expect("an answer"), [true]);
    let died = c.get(letter(c, c.job(), "alpha").await).await.ended_at.expect("it is dead");
    let group = only(groups(c).await);
    assert_eq!((group.count, group.first_at, group.hours), (1, died, vec![Hour { at: hour(died), count: 1 }]));
}

/// The newest hours are kept, so many and no more.
pub async fn q5_letters_hours_are_bounded(c: &Case) {
    let latest = hour(c.now().await);
    let hours = || (0..).map(|ago: Millis| latest - ago * HOUR_MS);
    let letters: Vec<_> = hours().take(GROUP_HOURS + 5).map(|at| letter_from(c.job(), at, "alpha")).collect();
    for told in c.broker.bury(letters.into_iter().rev().collect()).await.expect("an answer") {
        told.expect("taken");
    }
    let group = only(groups(c).await);
    let mut wanted: Vec<_> = hours().take(GROUP_HOURS).map(|at| Hour { at, count: 1 }).collect();
    wanted.reverse();
    assert_eq!((group.count, group.hours), (GROUP_HOURS as u64 + 5, wanted.clone()));
    bury(c, letter_from(c.job(), latest - 60 * HOUR_MS, "alpha")).await;
    assert_eq!(only(groups(c).await).hours, wanted, "what is older than they are is counted nowhere");
}
