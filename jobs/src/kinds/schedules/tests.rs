//! A backfill on the model broker.

use crate::{
    Catalog, Context, Failure, JobRequest,
    testing::{House, NOW, name},
};
use longshore_queue::{
    Ack, Broker, Incarnation, JobId, Outcome, Overlap, Schedule, ScheduleChange, Scope, State, Timing, When, json as raw,
};
use serde_json::{Value, json};
use std::time::Duration;

const EVERY: i64 = 60_000;

/// A schedule of every minute, anchored at `NOW`.
fn schedule(tenant: &'static str) -> Schedule {
    let timing = Timing {
        when: When::EveryMs(EVERY as u64),
        timezone: "UTC".into(),
        gap: Default::default(),
        repeated_hour: Default::default(),
        spread_ms: 0,
        starts_at: Some(NOW - 10_000 * EVERY),
        ends_at: None,
    };
    Schedule {
        name: name("report"),
        tenant: name(tenant),
        timing,
        kind: name("demo.echo"),
        args: raw(&json!({"a": 1})),
        queue: name("reports"),
        client: None,
        priority: None,
        tags: Vec::new(),
        missed: Default::default(),
        overlap: Overlap::Skip,
        managed_by: None,
    }
}

async fn put(house: &House, schedule: Schedule, incarnation: u128) {
    let (tenant, name) = (schedule.tenant.clone(), schedule.name.clone());
    let change = ScheduleChange::Put { schedule: Box::new(schedule), paused: None, incarnation: Incarnation(incarnation) };
    house.broker.schedule(&tenant, &name, change, None).await.unwrap();
}

async fn backfill(house: &House, minutes: std::ops::Range<i64>, per_second: u32) -> JobId {
    let args =
        json!({"schedule": "report", "from": NOW + minutes.start * EVERY, "to": NOW + minutes.end * EVERY, "per_second": per_second});
    let request =
        JobRequest { queue: Some(name("reports")), tenant: Some(name("acme")), ..JobRequest::new(name("schedules.backfill"), args) };
    house.enqueue(request).await.id
}

/// Leases the backfill, whatever it made before.
async fn leased(house: &House, id: JobId) -> Context {
    for _ in 0..200 {
        house.broker.tick(&name("reports"), crate::testing::LEASE).await.unwrap();
        match house.lease(&name("reports")).await {
            Some(lease) if lease.job.id == id => return house.context(lease),
            Some(other) => end(house, &house.context(other), Outcome::Complete { output: None }).await,
            None => house.clock.advance(Duration::from_secs(1)),
        }
    }
    panic!("the backfill was not leased");
}

async fn end(house: &House, cx: &Context, outcome: Outcome) {
    let ack = Ack { id: cx.id(), token: cx.token(), ran: Duration::ZERO, used: None, outcome };
    house.broker.ack(&cx.job().queue, "w1", vec![ack]).await.unwrap().remove(0).unwrap();
}

async fn run(cx: &Context) -> Result<Value, Failure> {
    let output = Catalog::standard().run(cx).await.unwrap()?;
    Ok(serde_json::from_str(output.get()).unwrap())
}

/// Runs it to its end; answers its output, and how often it slept.
async fn finish(house: &House, id: JobId) -> (Value, usize) {
    for sleeps in 0.. {
        let cx = leased(house, id).await;
        match run(&cx).await {
            Ok(output) => return (output, sleeps),
            Err(Failure::Snooze(after)) => end(house, &cx, Outcome::Snooze { after }).await,
            Err(other) => panic!("{other:?}"),
        }
    }
    unreachable!()
}

/// The ticks that have a job, in minutes, sorted.
async fn ticks(house: &House) -> Vec<i64> {
    let page = house.broker.list(&Scope::All, &Default::default(), 1_000, None).await.unwrap();
    let mut ticks: Vec<_> = page.items.iter().filter_map(|job| Some((job.tick.as_ref()?.at - NOW) / EVERY)).collect();
    ticks.sort_unstable();
    ticks
}

fn fatal(end: Result<Value, Failure>) -> String {
    match end {
        Err(Failure::Fatal(cause)) => cause.message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_tick_of_the_range_gets_one_job_at_the_rate() {
    let house = House::standard().await;
    put(&house, schedule("acme"), 1).await;
    let id = backfill(&house, -25..0, 10).await;
    assert_eq!(finish(&house, id).await, (json!({"made": 25, "skipped": 0, "total": 25}), 2));
    assert_eq!(ticks(&house).await, (-25..0).collect::<Vec<_>>());
    let (again, _) = {
        let id = backfill(&house, -30..-20, 1_000).await;
        finish(&house, id).await
    };
    assert_eq!(again, json!({"made": 5, "skipped": 5, "total": 10}), "a tick whose job is there makes no second one");
    assert_eq!(ticks(&house).await, (-30..0).collect::<Vec<_>>());
    let page = house.broker.list(&Scope::All, &Default::default(), 1_000, None).await.unwrap();
    let one = page.items.iter().find(|job| job.tick.is_some()).unwrap();
    assert_eq!((one.tenant.as_str(), one.kind.as_str(), one.args.get()), ("acme", "demo.echo", r#"{"a":1}"#));
}

#[tokio::test]
async fn a_crash_between_the_jobs_and_the_checkpoint_counts_nothing_twice() {
    let house = House::standard().await;
    put(&house, schedule("acme"), 1).await;
    let id = backfill(&house, -30..0, 10).await;
    // What it does before it is lost: everything but the second save, which is refused.
    let first = leased(&house, id).await;
    let state = first.schedule(&name("report")).await.unwrap().unwrap();
    let batch: Vec<_> = (-30..-20).map(|minute| NOW + minute * EVERY).collect();
    assert_eq!(first.ticks_there(&state, &batch).await.unwrap(), 0);
    let incarnation = format!("{:032x}", state.incarnation.0);
    let begun = json!({"at": batch[0], "made": 0, "skipped": 0, "total": 30, "incarnation": incarnation, "revision": 1, "there": 0});
    first.save(begun).await.unwrap();
    assert_eq!(first.enqueue_ticks(&state, &batch[..7]).await.unwrap(), 7);
    house.clock.advance(2 * crate::testing::LEASE);
    assert_eq!(finish(&house, id).await.0, json!({"made": 30, "skipped": 0, "total": 30}));
    assert_eq!(ticks(&house).await, (-30..0).collect::<Vec<_>>());
}

#[tokio::test]
async fn it_stops_when_the_schedule_is_gone_or_another_one() {
    let house = House::standard().await;
    put(&house, schedule("acme"), 1).await;
    let id = backfill(&house, -30..0, 10).await;
    let cx = leased(&house, id).await;
    let Err(Failure::Snooze(after)) = run(&cx).await else { panic!("it sleeps after a batch") };
    assert_eq!(after, Duration::from_secs(1));
    cx.flush().await;
    assert_eq!(house.job(id).await.progress.unwrap().get(), r#"{"made":10,"skipped":0,"total":30}"#);
    end(&house, &cx, Outcome::Snooze { after }).await;

    let remove = async || house.broker.schedule(&name("acme"), &name("report"), ScheduleChange::Remove, None).await.unwrap();
    remove().await;
    put(&house, schedule("acme"), 2).await;
    let cx = leased(&house, id).await;
    assert_eq!(fatal(run(&cx).await), "the schedule `report` was removed and made anew after 10 of 30 ticks");
    remove().await;
    assert_eq!(fatal(run(&cx).await), "the tenant acme has no schedule `report` any more");
    put(&house, schedule("other"), 3).await;
    assert_eq!(fatal(run(&cx).await), "the tenant acme has no schedule `report` any more", "another tenant's does not exist");
}

#[tokio::test]
async fn ranges_that_cannot_be_are_refused() {
    let house = House::standard().await;
    put(&house, schedule("acme"), 1).await;
    let cx = leased(&house, backfill(&house, 5..5, 10).await).await;
    assert!(fatal(run(&cx).await).contains("is not before"), "an empty range");
    let mut old = schedule("acme");
    old.timing.starts_at = None;
    put(&house, old, 2).await;
    let cx = leased(&house, backfill(&house, -1_000_001..0, 10).await).await;
    assert_eq!(fatal(run(&cx).await), "the range has more than 1000000 ticks; choose a shorter one");
    let cx = leased(&house, backfill(&house, -5..2, 10).await).await;
    assert!(fatal(run(&cx).await).contains("is not there yet"), "its ticks are the schedule's own");
}

/// A backfill of 30 ticks that has made 10 and sleeps.
async fn after_a_batch() -> (House, JobId) {
    let house = House::standard().await;
    put(&house, schedule("acme"), 1).await;
    let id = backfill(&house, -30..0, 10).await;
    let cx = leased(&house, id).await;
    let Err(Failure::Snooze(after)) = run(&cx).await else { panic!("it sleeps after a batch") };
    end(&house, &cx, Outcome::Snooze { after }).await;
    (house, id)
}

#[tokio::test]
async fn a_cancel_ends_it_before_the_next_batch() {
    let (house, id) = after_a_batch().await;
    assert_eq!(house.broker.cancel(&Scope::All, &[id]).await.unwrap().remove(0).unwrap(), State::Cancelled);
    assert_eq!(ticks(&house).await.len(), 10);
    let timing = Timing { when: When::Cron("0 0 1 1 *".into()), ..schedule("acme").timing };
    put(&house, Schedule { timing, ..schedule("acme") }, 1).await;
    let id = backfill(&house, -30..0, 10).await;
    assert_eq!(finish(&house, id).await.0, json!({"made": 0, "skipped": 0, "total": 0}), "no tick in the range");
}

#[tokio::test]
async fn a_changed_timing_is_followed_from_there_on() {
    let (house, id) = after_a_batch().await;
    let timing = Timing { when: When::EveryMs(4 * EVERY as u64), ..schedule("acme").timing };
    put(&house, Schedule { timing, ..schedule("acme") }, 1).await;
    let expected: Vec<_> = (-30..-20).chain((-20..0).filter(|minute| minute % 4 == 0)).collect();
    let (output, _) = finish(&house, id).await;
    assert_eq!(output, json!({"made": expected.len(), "skipped": 0, "total": expected.len()}));
    assert_eq!(ticks(&house).await, expected);
}
