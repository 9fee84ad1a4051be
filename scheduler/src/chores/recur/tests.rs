//! Schedules fired on the model broker, by one scheduler and by several.

use super::{Recur, decide};
use crate::{Chore, Done, History, HistoryError, Options, Scheduler, alarm::Alarms};
use async_trait::async_trait;
use longshore_base::{Clock, ManualClock, Millis, Name, Scope, SeededRandom, SystemClock};
use longshore_jobs::{Catalog, Checker};
use longshore_queue::{
    Broker, Change, FIRE_MOST, Filter, Fire, FireTick, Incarnation, Job, Missed, Schedule, ScheduleChange, ScheduleState, TickOutcome,
    TickRecord, Timing, Turn, When, json, model::ModelBroker,
};
use serde_json::{Value, json as value};
use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
    time::Duration,
};

const START: Millis = 1_800_000_000_000;
static TENANT: LazyLock<Name> = LazyLock::new(|| Name::literal("acme"));
static QUEUE: LazyLock<Name> = LazyLock::new(|| Name::literal("q"));

struct Stage {
    broker: Arc<ModelBroker>,
    time: ManualClock,
    checker: Arc<Checker>,
}

impl Stage {
    async fn new() -> Self {
        let time = ManualClock::at(START);
        let broker = Arc::new(ModelBroker::new(time.clone()));
        broker.put_kinds(Catalog::standard().records()).await.unwrap();
        let checker = Arc::new(Checker::new(broker.clone(), Arc::new(time.clone())));
        Self { broker, time, checker }
    }
    fn recur(&self) -> Recur {
        Recur::new(self.broker.clone(), self.checker.clone(), Arc::new(Alarms::new(Arc::new(self.time.clone()))))
    }
    async fn put(&self, name: &'static str, change: impl FnOnce(&mut Schedule)) {
        let schedule = schedule(name, change);
        let change = ScheduleChange::Put { schedule: Box::new(schedule), paused: None, incarnation: incarnation(name) };
        self.broker.schedule(&TENANT, &Name::literal(name), change, None).await.unwrap();
    }
    async fn look(&self, recur: &Recur) {
        assert_eq!(recur.run(&QUEUE).await.unwrap(), Done::Idle);
    }
    fn pass(&self, ms: u64) {
        self.time.advance(Duration::from_millis(ms));
    }
    async fn state(&self, name: &'static str) -> ScheduleState {
        self.broker.find_schedule(&Scope::All, &TENANT, &Name::literal(name)).await.unwrap().unwrap()
    }
    /// The history, oldest first.
    async fn history(&self, name: &'static str) -> Vec<TickRecord> {
        let mut ticks = self.broker.ticks(&Scope::All, &TENANT, &Name::literal(name), 100).await.unwrap();
        ticks.reverse();
        ticks
    }
    /// (seconds after the start, outcome, count) of every line.
    async fn told(&self, name: &'static str) -> Vec<(i64, TickOutcome, u32)> {
        self.history(name).await.into_iter().map(|line| ((line.at - START) / 1_000, line.outcome, line.count)).collect()
    }
    async fn jobs(&self) -> Vec<Job> {
        self.broker.list(&Scope::All, &Filter::default(), 1_000, None).await.unwrap().items
    }
    /// The ticks that have jobs, in seconds after the start, each as often as it has one.
    async fn ticks(&self) -> Vec<i64> {
        let mut ticks: Vec<_> = self.jobs().await.iter().map(|job| (job.tick.as_ref().unwrap().at - START) / 1_000).collect();
        ticks.sort_unstable();
        ticks
    }
}

fn incarnation(name: &str) -> Incarnation {
    Incarnation(name.bytes().fold(7, |sum, byte| sum * 31 + u128::from(byte)))
}

/// Every minute, from the start.
fn schedule(name: &'static str, change: impl FnOnce(&mut Schedule)) -> Schedule {
    let timing = Timing {
        when: When::EveryMs(60_000),
        timezone: "UTC".into(),
        gap: Default::default(),
        repeated_hour: Default::default(),
        spread_ms: 0,
        starts_at: Some(START),
        ends_at: None,
    };
    let mut schedule = Schedule {
        name: Name::literal(name),
        tenant: TENANT.clone(),
        timing,
        kind: Name::literal("demo.sleep"),
        args: json(&value!({"ms": 1})),
        queue: QUEUE.clone(),
        client: None,
        priority: None,
        tags: Vec::new(),
        missed: Missed::default(),
        overlap: Default::default(),
        managed_by: None,
    };
    change(&mut schedule);
    schedule
}

/// Whether the chore is called now.
async fn called(recur: &Recur) -> bool {
    let mut due = Box::pin(recur.due(&QUEUE));
    for _ in 0..10 {
        tokio::task::yield_now().await;
        if futures::poll!(&mut due).is_ready() {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn a_tick_makes_one_job_however_many_look() {
    let stage = Stage::new().await;
    let (one, two) = (stage.recur(), stage.recur());
    stage.put("s", |_| ()).await;
    stage.look(&one).await;
    assert_eq!(stage.state("s").await.next_at, Some(START + 60_000), "the first look works out the time");
    for minute in 1..=5 {
        stage.pass(60_000);
        let (a, b) = tokio::join!(one.run(&QUEUE), two.run(&QUEUE));
        a.unwrap();
        b.unwrap();
        assert_eq!(stage.ticks().await, (1..=minute).map(|m| m * 60).collect::<Vec<_>>());
    }
    // A decision from before: refused as a whole.
    let late = stage.broker.due_schedules(&QUEUE, 10).await.unwrap();
    assert!(late.due.is_empty());
    let state = stage.state("s").await;
    let job = stage.checker.tick(&state, START + 300_000).await.unwrap();
    let old = Fire {
        tenant: TENANT.clone(),
        name: Name::literal("s"),
        incarnation: state.incarnation,
        turn: Turn::Advance { revision: 1, from: START + 240_000, to: START + 300_000, next_at: None },
        missed: None,
        ticks: vec![FireTick { at: START + 300_000, due_at: START + 300_000, job: Ok(Box::new(job)) }],
    };
    one.fire(&QUEUE, vec![decide::Decided { state, fire: old }]).await.expect("being slower is no failure");
    assert_eq!(stage.ticks().await.len(), 5);
    assert_eq!(stage.state("s").await.next_at, Some(START + 360_000));
}

#[tokio::test]
async fn the_alarm_rings_when_the_next_tick_is_due_and_not_before() {
    let stage = Stage::new().await;
    let recur = stage.recur();
    assert!(!called(&recur).await, "a queue without schedules is left alone");
    stage.put("minute", |_| ()).await;
    stage.put("later", |schedule| schedule.timing.starts_at = Some(START + 90_000)).await;
    recur.alarms.report(&QUEUE, Some(Duration::ZERO));
    assert!(called(&recur).await, "a report that says now");
    assert!(!called(&recur).await, "once");
    stage.look(&recur).await;
    stage.pass(59_999);
    assert!(!called(&recur).await);
    stage.pass(1);
    assert!(called(&recur).await);
    stage.look(&recur).await;
    stage.pass(30_000);
    assert!(called(&recur).await, "the other one");
    stage.look(&recur).await;
    recur.alarms.report(&QUEUE, Some(Duration::from_secs(3_600)));
    stage.pass(30_000);
    assert!(!called(&recur).await, "a newer report holds, as after a change or a jump of the server's clock");
    recur.alarms.report(&QUEUE, None);
    stage.pass(4_000_000);
    assert!(!called(&recur).await, "nothing is due any more");
    assert_eq!(stage.ticks().await, [60, 90]);
}

#[tokio::test]
async fn a_waiting_chore_is_woken_by_a_newer_report() {
    let stage = Stage::new().await;
    let recur = stage.recur();
    recur.alarms.report(&QUEUE, Some(Duration::from_secs(3_600)));
    let (ended, ()) = tokio::join!(
        async {
            recur.due(&QUEUE).await;
            stage.time.elapsed()
        },
        async {
            tokio::task::yield_now().await;
            recur.alarms.report(&QUEUE, Some(Duration::from_secs(2)));
            tokio::task::yield_now().await;
            stage.pass(2_000);
        }
    );
    assert_eq!(ended, Duration::from_secs(2));
}

#[tokio::test]
async fn three_hours_without_a_scheduler_end_as_the_schedule_says() {
    let stage = Stage::new().await;
    let recur = stage.recur();
    for (name, missed) in [("skip", Missed::Skip), ("latest", Missed::Latest), ("all", Missed::All(5))] {
        stage.put(name, |schedule| schedule.missed = missed).await;
    }
    stage.look(&recur).await;
    stage.pass(3 * 3_600_000 + 30_000);
    let before = stage.broker.feed(&QUEUE, None, 100).await.unwrap().next;
    stage.look(&recur).await;
    let feed = stage.broker.feed(&QUEUE, Some(&before), 100).await.unwrap();
    let alerts: Vec<_> =
        feed.entries.iter().filter_map(|entry| if let Change::Alert(alert) = &entry.what { Some(alert) } else { None }).collect();
    assert_eq!(alerts.len(), 1, "one for the tenant: {alerts:?}");
    assert_eq!((alerts[0].code.as_str(), alerts[0].tenant.as_ref()), ("schedules.late", Some(&*TENANT)));
    for name in ["skip", "latest", "all"] {
        assert!(alerts[0].detail.contains(&format!("{name}: 180 late or missed, by up to 10770 s")), "{}", alerts[0].detail);
    }
    use TickOutcome::{Missed as Gone, Started};
    assert_eq!(stage.told("skip").await, [(60, Gone, 180)]);
    assert_eq!(stage.told("latest").await, [(60, Gone, 179), (10_800, Started, 1)]);
    let last: Vec<_> = (176..=180).map(|minute| (minute * 60, Started, 1)).collect();
    assert_eq!(stage.told("all").await, [vec![(60, Gone, 175)], last].concat());
    stage.pass(30_000);
    stage.look(&recur).await;
    for name in ["skip", "latest", "all"] {
        assert_eq!(stage.told(name).await.pop(), Some((10_860, Started, 1)), "{name} goes on");
    }
}

#[tokio::test]
async fn a_tick_that_the_kind_refuses_is_told_and_the_schedule_goes_on() {
    let stage = Stage::new().await;
    let recur = stage.recur();
    stage.put("s", |schedule| schedule.args = json(&value!({"ms": "long"}))).await;
    stage.put("t", |schedule| schedule.kind = Name::literal("no.such")).await;
    stage.look(&recur).await;
    stage.pass(60_000);
    stage.look(&recur).await;
    let refused = stage.history("s").await;
    assert_eq!((refused[0].outcome, refused[0].job), (TickOutcome::Refused, None));
    assert_eq!(refused[0].detail.as_deref(), Some(r#"/args/ms: "long" has the wrong type"#));
    let unknown = stage.history("t").await.remove(0).detail.unwrap();
    assert!(unknown.contains("no process has registered the kind `no.such`"), "{unknown}");
    assert!(stage.jobs().await.is_empty());
    stage.put("s", |schedule| schedule.args = json(&value!({"ms": 5}))).await;
    stage.pass(60_000);
    stage.look(&recur).await;
    assert_eq!(stage.ticks().await, [120]);
}

#[tokio::test]
async fn a_timing_that_cannot_be_read_waits_and_holds_up_no_other() {
    let stage = Stage::new().await;
    let recur = stage.recur();
    stage.put("odd", |schedule| schedule.timing.when = When::Cron("not cron".into())).await;
    stage.put("s", |_| ()).await;
    stage.look(&recur).await;
    assert_eq!(stage.state("odd").await.next_at, Some(START + 60_000), "in a minute");
    stage.pass(60_000);
    stage.look(&recur).await;
    assert_eq!(stage.ticks().await, [60]);
    stage.put("odd", |_| ()).await;
    stage.look(&recur).await;
    assert_eq!(stage.state("odd").await.next_at, Some(START + 120_000), "once it is put right it ticks");
}

#[tokio::test]
async fn many_missed_ticks_are_made_up_for_in_parts() {
    let stage = Stage::new().await;
    let recur = stage.recur();
    let blob = "x".repeat(100_000);
    stage
        .put("s", |schedule| {
            schedule.missed = Missed::All(10_000);
            schedule.kind = Name::literal("demo.echo");
            schedule.args = json(&value!({"blob": blob}));
        })
        .await;
    stage.look(&recur).await;
    stage.pass(25 * 60_000);
    let mut looks = 0;
    while called(&recur).await {
        stage.look(&recur).await;
        looks += 1;
        assert!(looks < 10);
    }
    assert_eq!(looks, 3, "ten of 100 kB in one call");
    assert_eq!(stage.ticks().await, (1..=25).map(|minute| minute * 60).collect::<Vec<_>>());
}

#[tokio::test]
async fn more_schedules_than_one_look_takes_are_fired_too() {
    let stage = Stage::new().await;
    let recur = stage.recur();
    let names: Vec<&'static str> = (0..450).map(|n| &*Box::leak(format!("s{n:03}").into_boxed_str())).collect();
    for name in &names {
        stage.put(name, |_| ()).await;
    }
    let all = async || {
        let mut looks = 0;
        recur.alarms.report(&QUEUE, Some(Duration::ZERO));
        while called(&recur).await {
            stage.look(&recur).await;
            looks += 1;
            assert!(looks < 10);
        }
        looks
    };
    assert_eq!(all().await, 3);
    stage.pass(60_000);
    assert_eq!(all().await, 3);
    assert_eq!(stage.jobs().await.len(), 450);
}

#[test]
fn parts_are_of_a_size_that_one_step_takes() {
    let decided = |ticks: usize, bytes: usize| {
        let schedule = schedule("s", |schedule| schedule.args = json(&Value::String("x".repeat(bytes - 2))));
        let state = ScheduleState {
            schedule,
            revision: 1,
            incarnation: Incarnation(1),
            created_at: START,
            changed_at: START,
            cursor: START,
            next_at: None,
            paused: None,
            last_job: None,
            held_job: None,
            last_tick: None,
        };
        let tick = FireTick { at: START, due_at: START, job: Err(String::new()) };
        let fire = Fire {
            tenant: TENANT.clone(),
            name: Name::literal("s"),
            incarnation: Incarnation(1),
            turn: Turn::ByHand,
            missed: None,
            ticks: vec![tick; ticks],
        };
        decide::Decided { state, fire }
    };
    let sizes = |all: Vec<decide::Decided>| decide::parts(all).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes(vec![]), [0; 0]);
    assert_eq!(sizes((0..FIRE_MOST + 1).map(|_| decided(1, 10)).collect()), [FIRE_MOST, 1]);
    assert_eq!(sizes((0..5).map(|_| decided(1, 500_000)).collect()), [2, 2, 1]);
    assert_eq!(sizes(vec![decided(1, 10), decided(9, 200_000), decided(1, 10)]), [1, 1, 1]);
}

#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl History for Nowhere {
    async fn keep(&self, _: &[Job]) -> Result<(), HistoryError> {
        Ok(())
    }
    async fn find(&self, _: longshore_queue::JobId) -> Result<Option<Job>, HistoryError> {
        Ok(None)
    }
    async fn deployment(&self, proposed: &str) -> Result<String, HistoryError> {
        Ok(proposed.to_owned())
    }
}

/// The whole scheduler, three of them: the broker's clock is moved, jumps back included, theirs run on.
#[tokio::test(flavor = "multi_thread")]
async fn three_schedulers_and_a_jumping_clock_make_one_job_for_each_tick() {
    let stage = Stage::new().await;
    let clock = SystemClock::new();
    stage.put("s", |schedule| (schedule.timing.when, schedule.missed) = (When::EveryMs(1_000), Missed::All(10_000))).await;
    let options = Options { tick_ms: 5, ..Options::default() };
    let start = |seed| {
        let history = Arc::new(Nowhere);
        Scheduler::start(options, stage.broker.clone(), history, stage.checker.clone(), clock.clone(), SeededRandom::new(seed))
    };
    let schedulers = [start(1), start(2), start(3)];
    let mut furthest = 0;
    for (n, jump) in [1, 700, -300, 2, 350, 60, -60, 61].into_iter().enumerate() {
        stage.time.jump(stage.time.now() + jump * 1_000);
        furthest = furthest.max((stage.time.now() - START) / 1_000);
        let end = clock.elapsed() + Duration::from_secs(20);
        while stage.state("s").await.cursor < START + furthest * 1_000 {
            assert!(clock.elapsed() < end, "jump {n}: {:?}", stage.state("s").await);
            clock.sleep(Duration::from_millis(2)).await;
        }
    }
    for scheduler in schedulers {
        scheduler.stop().await;
    }
    let ticks = stage.ticks().await;
    let each: BTreeSet<_> = ticks.iter().copied().collect();
    assert_eq!((ticks.len(), each), (furthest as usize, (1..=furthest).collect()));
}
