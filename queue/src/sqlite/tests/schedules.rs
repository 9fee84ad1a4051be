//! Schedules and followers as the file keeps them: older files, what is undone, what is looked at, what is let go.

mod followers;

use super::{House, LEASE, START};
use crate::{
    Ack, Broker, BrokerError, Fire, FireTick, Fired, Incarnation, JobId, Json, NewJob, Outcome, Overlap, Schedule, ScheduleChange,
    ScheduleState, Scope, State, Tick, TickOutcome, Timing, Turn, Wait, WaitOn, WaitPolicy, When, json,
    sqlite::{SqliteBroker, codec, fire, sql},
};
use longshore_base::{Code, Millis, Name};
use rusqlite::{Connection, types::Value};
use std::{sync::Arc, time::Duration};

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE_MS: Millis = 60_000;

fn nothing() -> Json {
    json(&serde_json::json!({}))
}

fn named(text: &str) -> Name {
    Name::new(text).expect("a name")
}

impl House {
    pub(super) fn planned(&self, name: &str, overlap: Overlap) -> Schedule {
        let timing = Timing {
            when: When::EveryMs(60_000),
            timezone: "UTC".into(),
            gap: Default::default(),
            repeated_hour: Default::default(),
            spread_ms: 0,
            starts_at: None,
            ends_at: None,
        };
        Schedule {
            name: named(name),
            tenant: named("t"),
            timing,
            kind: named("k"),
            args: nothing(),
            queue: self.queue.clone(),
            client: None,
            priority: None,
            tags: vec![],
            missed: Default::default(),
            overlap,
            managed_by: None,
        }
    }
    pub(super) async fn plan(&self, broker: &SqliteBroker, schedule: Schedule) -> ScheduleState {
        let (tenant, name) = (schedule.tenant.clone(), schedule.name.clone());
        let change = ScheduleChange::Put { schedule: Box::new(schedule), paused: None, incarnation: Incarnation(77) };
        broker.schedule(&tenant, &name, change, None).await.expect("the schedule is kept")
    }
    async fn stands(&self, broker: &SqliteBroker, name: &str) -> ScheduleState {
        broker.find_schedule(&Scope::All, &named("t"), &named(name)).await.expect("an answer").expect("it is there")
    }
    /// The next `n` ticks, a minute apart.
    async fn decide(&self, broker: &SqliteBroker, state: &ScheduleState, n: usize) -> Fire {
        let home = broker.home(&state.schedule.queue).await.expect("a home");
        let ticks: Vec<_> = (1..).map(|step| state.cursor + step * MINUTE_MS).take(n).collect();
        let to = ticks.last().copied().unwrap_or(state.cursor);
        let make = |at: Millis| {
            let id = JobId::derived(at, home, &state.incarnation.seed(at));
            let says = &state.schedule;
            let job = NewJob::new(id, says.queue.clone(), says.kind.clone(), says.tenant.clone(), says.args.clone());
            let tick = Some(Tick { schedule: says.name.clone(), at });
            FireTick { at, due_at: at, job: Ok(Box::new(NewJob { tick, ..job })) }
        };
        Fire {
            tenant: state.schedule.tenant.clone(),
            name: state.schedule.name.clone(),
            incarnation: state.incarnation,
            turn: Turn::Advance { revision: state.revision, from: state.cursor, to, next_at: Some(to + MINUTE_MS) },
            missed: None,
            ticks: ticks.into_iter().map(make).collect(),
        }
    }
    pub(super) async fn ticks(&self, broker: &SqliteBroker, name: &str, n: usize) -> Fired {
        let state = self.stands(broker, name).await;
        let fire = self.decide(broker, &state, n).await;
        broker.fire(&state.schedule.queue, vec![fire]).await.expect("an answer").remove(0).expect("nobody was faster")
    }
    async fn behind(&self, broker: &SqliteBroker, leader: JobId, label: &str) -> NewJob {
        let home = broker.home(&self.queue).await.expect("a home");
        let id = JobId::derived(START, home, label.as_bytes());
        let (on, ignore) = (WaitOn::Job(leader), WaitPolicy::Ignore);
        let wait = Some(Wait { on, timeout: None, on_timeout: ignore, on_child_failed: ignore });
        NewJob { wait, ..NewJob::new(id, self.queue.clone(), named("k"), named("t"), nothing()) }
    }
    pub(super) async fn count(&self, broker: &SqliteBroker, query: &'static str) -> i64 {
        let look = broker.write(false, move |tx| Ok(tx.db.0.query_row(query, [], |row| row.get(0))?));
        look.await.expect("a number")
    }
    /// The counts of the tenant say what its jobs say.
    pub(super) async fn assert_counted(&self, broker: &SqliteBroker) {
        const WRONG: &str = "SELECT count(*) FROM turns t WHERE (t.ready, t.waiting, t.dead, t.completed, t.cancelled) IS NOT
            (SELECT count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 4), count(*) FILTER (WHERE state = 7),
                count(*) FILTER (WHERE state = 5), count(*) FILTER (WHERE state = 6) FROM jobs j WHERE j.turn = t.turn)";
        assert_eq!(self.count(broker, WRONG).await, 0, "a count is wrong");
    }
    /// Every row of every table.
    pub(super) fn rows(&self) -> Vec<String> {
        let file = Connection::open(self.file()).expect("the file opens for a look");
        let mut rows = Vec::new();
        let tables = lines(&file, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'meta' ORDER BY name");
        for table in tables {
            rows.extend(
                lines(&file, &format!("SELECT * FROM {}", table.trim_matches('"'))).into_iter().map(|row| format!("{table}: {row}")),
            );
        }
        rows
    }
}

fn lines(file: &Connection, query: &str) -> Vec<String> {
    let mut statement = file.prepare(query).expect("a query");
    let columns = statement.column_count();
    let line = |row: &rusqlite::Row<'_>| {
        let shown = (0..columns).map(|at| match row.get::<_, Value>(at)? {
            Value::Text(text) => Ok(format!("{text:?}")),
            other => Ok(format!("{other:?}")),
        });
        Ok(shown.collect::<rusqlite::Result<Vec<_>>>()?.join(" "))
    };
    statement.query_map([], line).expect("rows").map(|row| row.expect("a row")).collect()
}

/// Lays down what version 1 had written: its schema, one job in each state, its `user_version`.
pub(super) fn lay_down_version_1(house: &House) {
    std::fs::create_dir_all(house.file().parent().expect("a folder")).expect("made");
    let file = Connection::open(house.file()).expect("a new file");
    file.execute_batch(sql::SCHEMA[0]).expect("the schema of version 1");
    file.execute_batch(include_str!("version_1.sql")).expect("the rows of version 1");
    file.execute_batch("PRAGMA user_version = 1").expect("written");
}

#[tokio::test]
async fn a_file_of_version_1_opens_and_keeps_its_jobs() {
    let house = House::new();
    lay_down_version_1(&house);
    let broker = house.open();
    assert_eq!(house.count(&broker, "PRAGMA user_version").await, 4);
    let page = broker.list(&Scope::All, &crate::Filter::default(), 100, None).await.expect("a page");
    assert_eq!(page.items.len(), 8);
    for job in &page.items {
        // Its args say in which state that version left it.
        assert_eq!(job.args.get(), format!(r#"{{"label":"{}"}}"#, job.state), "{job:?}");
        assert_eq!((job.created_at, job.tick.as_ref(), job.policy.attempts_max), (START, None, 8));
    }
    let of = |state: State| page.items.iter().find(|job| job.state == state).expect("one in each state").clone();
    assert_eq!(of(State::Ready).unique.expect("its key").key, "one");
    assert_eq!(of(State::Completed).output.expect("its output").get(), "7");
    house.assert_counted(&broker).await;
    // They go on where they were: the lost lease ends, the ready one runs, the sleeping ones fall due.
    broker.tick(&house.queue, LEASE).await.expect("a tick");
    house.clock.advance(HOUR * 3);
    for _ in 0..2 {
        broker.tick(&house.queue, LEASE).await.expect("a tick");
    }
    let leases = house.lease(&broker, 100).await;
    let mut labels: Vec<_> = leases.iter().map(|lease| lease.job.args.get().to_owned()).collect();
    labels.sort();
    let label = |state: &str| format!(r#"{{"label":"{state}"}}"#);
    assert_eq!(labels, ["ready", "retrying", "running", "scheduled", "waiting"].map(label));
    let acks: Vec<Ack> = leases.iter().flat_map(|lease| House::ack(lease, Outcome::Complete { output: None })).collect();
    assert!(broker.ack(&house.queue, "w", acks).await.expect("an answer").iter().all(Result::is_ok));
    // And what is new works beside them: one follows a job of before.
    let dead = of(State::Dead).id;
    let free = broker.enqueue(vec![house.behind(&broker, dead, "free").await]).await.expect("an answer").remove(0).expect("taken");
    assert_eq!(free.state, State::Ready);
    house.plan(&broker, house.planned("s", Overlap::Skip)).await;
    assert_eq!(house.ticks(&broker, "s", 1).await[0].outcome, TickOutcome::Started);
    house.assert_counted(&broker).await;
}

#[test]
fn a_body_that_was_written_before_there_were_ticks_is_read() {
    // The fourteen fields of version 1, by position.
    let before = (3, None::<Name>, vec![named("tag")], 300_000, 5, None::<u64>, (1_000, 600_000), Some(0_u64));
    let rest = (None::<Millis>, None::<u64>, Some("key"), None::<[u8; 16]>, Vec::<[u8; 16]>::new(), Some(9));
    let mut packed = vec![1, 0x9e];
    packed.extend(&rmp_serde::to_vec(&before).expect("packed")[1..]);
    packed.extend(&rmp_serde::to_vec(&rest).expect("packed")[1..]);
    let body: codec::Body = codec::unpack(&packed).expect("it is read");
    assert_eq!((body.kind_version, body.run_at, body.parent_key.as_deref(), body.tick.clone()), (3, Some(9), Some("key"), None));
    let again: codec::Body = codec::unpack(&body.pack().expect("packed")).expect("and written as it is now");
    assert_eq!((again.run_at, again.tick), (Some(9), None));
    let ticked = codec::Body { tick: Some((named("s"), 7)), ..body };
    let read: codec::Body = codec::unpack(&ticked.pack().expect("packed")).expect("read");
    assert_eq!(read.tick, Some((named("s"), 7)));
}

#[tokio::test]
async fn schedules_outlive_the_process() {
    let house = House::new();
    let broker = house.open();
    house.plan(&broker, house.planned("s", Overlap::Wait)).await;
    let fired = house.ticks(&broker, "s", 2).await;
    assert_eq!(fired.iter().map(|tick| tick.outcome).collect::<Vec<_>>(), [TickOutcome::Started, TickOutcome::Held]);
    let (before, due) = (house.stands(&broker, "s").await, START + 3 * MINUTE_MS);
    drop(broker);
    let broker = house.open();
    let after = house.stands(&broker, "s").await;
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
    assert_eq!((after.cursor, after.next_at, after.last_job, after.held_job), (due - MINUTE_MS, Some(due), fired[0].job, fired[1].job));
    house.clock.jump(due);
    assert_eq!(broker.due_schedules(&house.queue, 10).await.expect("an answer").due.len(), 1);
    // The held one still hangs on the other.
    let lease = house.lease(&broker, 1).await.remove(0);
    assert_eq!(Some(lease.job.id), fired[0].job);
    broker.ack(&house.queue, "w", House::ack(&lease, Outcome::Complete { output: None })).await.expect("acked");
    assert_eq!(Some(house.lease(&broker, 2).await.remove(0).job.id), fired[1].job);
}

#[tokio::test]
async fn what_fails_half_way_is_undone_in_the_file() {
    let house = House::new();
    let broker = house.open();
    house.plan(&broker, house.planned("s", Overlap::Cancel)).await;
    house.ticks(&broker, "s", 1).await;
    let state = house.stands(&broker, "s").await;
    let (home, before) = (broker.home(&house.queue).await.expect("a home").0, house.rows());
    for panics in [false, true] {
        let fires = vec![house.decide(&broker, &state, 3).await];
        let queue = house.queue.clone();
        let wrecked = broker.write(true, move |tx| {
            let fired = fire::fire(tx, &queue, home, fires)?.remove(0).expect("it is carried out");
            tx.flush()?;
            if panics {
                panic!("on purpose")
            }
            Err::<(), _>(BrokerError::Refused(format!("{} ticks, on purpose", fired.len())))
        });
        let Err(BrokerError::Refused(why)) = wrecked.await else { panic!("it must fail") };
        assert!(why.contains(if panics { "panicked" } else { "3 ticks" }), "{why}");
        assert_eq!(house.rows(), before);
    }
    let fires = vec![house.decide(&broker, &state, 3).await];
    assert!(broker.fire(&house.queue, fires).await.expect("an answer").remove(0).is_ok());
    assert_ne!(house.rows(), before);
}

#[tokio::test]
async fn a_refused_change_makes_no_queue() {
    let house = House::new();
    let broker = house.open();
    house.plan(&broker, house.planned("s", Overlap::Skip)).await;
    house.ticks(&broker, "s", 1).await;
    let before = house.rows();
    let to = |queue: &str| {
        let schedule = Box::new(Schedule { queue: named(queue), ..house.planned("s", Overlap::Skip) });
        ScheduleChange::Put { schedule, paused: None, incarnation: Incarnation(1) }
    };
    let (tenant, name) = (named("t"), named("s"));
    let refused = broker.schedule(&tenant, &name, to("elsewhere"), Some(9)).await.expect_err("another revision");
    assert_eq!(refused.code(), Code::ScheduleMismatch);
    let refused = broker.schedule(&tenant, &named("other"), to("elsewhere"), None).await.expect_err("another name");
    assert_eq!(refused.code(), Code::RequestInvalid);
    assert_eq!(house.rows(), before);
    assert_eq!(broker.queues().await.expect("queues"), std::slice::from_ref(&house.queue));
    // One that is taken makes its queue in the same step, and it is known at once.
    let moved = broker.schedule(&tenant, &name, to("elsewhere"), Some(1)).await.expect("taken");
    assert_eq!((moved.last_job, moved.revision, moved.next_at), (None, 2, Some(START)));
    assert_eq!(broker.due_schedules(&named("elsewhere"), 10).await.expect("an answer").due.len(), 1);
    assert_eq!(broker.due_schedules(&house.queue, 10).await.expect("an answer").next_in, None);
    assert_eq!(house.ticks(&broker, "s", 1).await[0].outcome, TickOutcome::Started);
}

#[tokio::test]
async fn a_schedule_that_goes_leaves_no_row() {
    let house = House::new();
    let broker = house.open();
    house.plan(&broker, house.planned("s", Overlap::Allow)).await;
    house.ticks(&broker, "s", 150).await;
    assert_eq!(house.count(&broker, "SELECT count(*) FROM ticks").await, 100);
    let last = broker.schedule(&named("t"), &named("s"), ScheduleChange::Remove, None).await.expect("removed");
    assert_eq!(last.last_tick.expect("its newest entry").at, START + 150 * MINUTE_MS);
    for table in ["SELECT count(*) FROM schedules", "SELECT count(*) FROM sayings", "SELECT count(*) FROM ticks"] {
        assert_eq!(house.count(&broker, table).await, 0, "{table}");
    }
    assert_eq!(house.count(&broker, "SELECT count(*) FROM jobs").await, 150);
}

/// What a thousand schedules cost that are due at once, beside 9,000 that are not.
#[tokio::test]
#[ignore = "a measurement; run it by name, in release"]
async fn measure_due_and_fire_of_a_thousand() {
    let house = House::new();
    let broker: Arc<SqliteBroker> = house.open();
    let mut states = Vec::new();
    for n in 0..10_000 {
        states.push(house.plan(&broker, house.planned(&format!("s{n}"), Overlap::Skip)).await);
    }
    let mut fires = Vec::new();
    for state in &states {
        let mut fire = house.decide(&broker, state, 0).await;
        fire.turn = Turn::Advance { revision: 1, from: state.cursor, to: state.cursor, next_at: Some(START + MINUTE_MS) };
        fires.push(fire);
    }
    for fires in fires.chunks(1_000) {
        broker.fire(&house.queue, fires.to_vec()).await.expect("an answer");
    }
    for round in 1..=5 {
        let mut fires = Vec::new();
        for state in states.iter().take(1_000) {
            fires.push(house.decide(&broker, &house.stands(&broker, state.schedule.name.as_str()).await, 1).await);
        }
        house.clock.jump(START + round * MINUTE_MS);
        let watch = Stopwatch::default();
        let due = broker.due_schedules(&house.queue, 1_000).await.expect("an answer");
        let looked = watch.millis();
        let watch = Stopwatch::default();
        let fired = broker.fire(&house.queue, fires).await.expect("an answer");
        let carried = watch.millis();
        assert!(fired.iter().all(Result::is_ok));
        let watch = Stopwatch::default();
        for _ in 0..100 {
            broker.tick(&house.queue, LEASE).await.expect("a tick");
        }
        let ticked = watch.millis();
        println!("round {round}: due {} in {looked} ms, fire 1000 in {carried} ms, a tick {} ms", due.due.len(), ticked / 100.0);
        let leases = broker.lease(&house.request("w", u64::try_from(round).expect("small"), 1_000)).await.expect("a reply").leases;
        let acks: Vec<Ack> = leases.iter().flat_map(|lease| House::ack(lease, Outcome::Complete { output: None })).collect();
        broker.ack(&house.queue, "w", acks).await.expect("acked");
    }
}

/// The machine's time since it was made.
struct Stopwatch(std::time::Instant);

impl Default for Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a measurement, not a decision")]
    fn default() -> Self {
        Self(std::time::Instant::now())
    }
}

impl Stopwatch {
    fn millis(&self) -> f64 {
        self.0.elapsed().as_secs_f64() * 1_000.0
    }
}
