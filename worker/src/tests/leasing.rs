//! How jobs come here: as many as can start, from every queue in turn, through outages and lost answers.

use super::{
    house::{House, options},
    kinds::Act,
};
use crate::{Options, Queues, Worker};
use longshore_base::{Clock, Name};
use longshore_queue::{JobId, NewJob, OPERATIONS, Pause, RuleChange, RuleScope, State, json};
use std::{sync::atomic::Ordering::SeqCst, time::Duration};

#[tokio::test]
async fn fifty_jobs_run_at_most_eight_at_once() {
    let house = House::new("fifty").await;
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(house.enqueue(Act::Wait).await);
    }
    let worker = house.worker(options());
    house.eventually("eight run", async || (house.probe.running.load(SeqCst) == 8).then_some(())).await;
    assert_eq!(house.stats().await.running, 8, "nothing is leased that cannot start");
    assert_eq!(worker.status().running, 8);
    house.probe.open();
    for id in ids {
        let job = house.until_job(id, "it is completed", |job| job.state == State::Completed).await;
        assert_eq!((job.counters.attempts, job.counters.runs), (1, 1));
    }
    assert_eq!(house.probe.peak.load(SeqCst), 8);
    worker.stop_now().await;
}

#[tokio::test]
async fn an_idle_worker_does_not_poll() {
    let house = House::new("idle").await;
    let worker = house.worker(Options { beat_ms: 60_000, ..options() });
    house.eventually("it has looked", async || worker.status().last_lease).await;
    let looked = house.cuts.leased.lock().unwrap().len();
    let began = house.clock.elapsed();
    house.eventually("a second has passed", async || (house.clock.elapsed() > began + Duration::from_secs(1)).then_some(())).await;
    assert!(house.cuts.leased.lock().unwrap().len() <= looked + 1, "{:?}", house.cuts.leased);
    let id = house.enqueue(Act::Return).await;
    let asked = house.clock.elapsed();
    house.until_job(id, "it is completed", |job| job.state == State::Completed).await;
    // Without a signal it would look again only five seconds after its last look.
    assert!(house.clock.elapsed() - asked < Duration::from_secs(2), "a signal woke it");
    worker.stop_now().await;
}

#[tokio::test]
async fn a_scaled_queue_peaks_where_it_is_told_to() {
    let house = House::new("scale").await;
    house.broker.rule(&house.queue, &RuleScope::Queue, RuleChange::Scale(Some(2)), None).await.unwrap();
    for _ in 0..30 {
        house.enqueue(Act::Wait).await;
    }
    let worker = house.worker(options());
    house.eventually("two run", async || (house.probe.running.load(SeqCst) == 2).then_some(())).await;
    house.broker.rule(&house.queue, &RuleScope::Queue, RuleChange::Scale(Some(6)), None).await.unwrap();
    house.eventually("six run", async || (house.probe.running.load(SeqCst) == 6).then_some(())).await;
    assert_eq!(house.probe.peak.load(SeqCst), 6);
    house.probe.open();
    house.eventually("all are completed", async || (house.stats().await.completed == 30).then_some(())).await;
    assert_eq!(house.probe.peak.load(SeqCst), 6);
    worker.stop_now().await;
}

#[tokio::test]
async fn a_worker_of_all_queues_finds_a_new_one() {
    let house = House::new("all queues").await;
    let worker = house.worker(Options { queues: Queues::All, ..options() });
    let first = house.enqueue(Act::Return).await;
    house.until_job(first, "it is completed", |job| job.state == State::Completed).await;
    // It looks for queues every second. Of sixteen that are made, so many would not be found in time by looks; some may, as the machine
    // may stand still.
    let mut soon = 0;
    for n in 0..16 {
        let late = Name::new(format!("late-{n:02}")).expect("a name");
        let asked = house.clock.elapsed();
        let id = house.enqueue_to(&late, Act::Return, |_| {}).await;
        house.until_job(id, "it is completed", |job| job.state == State::Completed).await;
        soon += usize::from(house.clock.elapsed() - asked < Duration::from_millis(400));
    }
    assert!(soon >= 12, "it was told of it, and did not wait for its next look: {soon} of 16");
    let served: Vec<_> = worker.status().queues.iter().map(|queue| queue.name.to_string()).collect();
    assert_eq!(served, (0..16).map(|n| format!("late-{n:02}")).chain(["q".to_owned()]).collect::<Vec<_>>());
    worker.stop_now().await;
}

#[tokio::test]
async fn served_queues_are_announced_with_their_slots_as_soon_as_they_are_found() {
    let house = House::new("announced").await;
    let worker = house.worker(Options { queues: Queues::All, beat_ms: 60_000, ..options() });
    let first = house.eventually("it reports", async || house.broker.workers().await.unwrap().pop()).await;
    let told: Vec<_> = first.queues.iter().map(|queue| (queue.name.as_str(), queue.slots)).collect();
    assert_eq!(told, [("q", 8)], "its first report tells them already");
    house.broker.home(&Name::literal("late")).await.unwrap();
    let both = async || house.broker.workers().await.unwrap().pop().filter(|report| report.queues.len() == 2);
    house.eventually("the next queue is told long before the next report", both).await;
    worker.stop_now().await;
}

#[tokio::test]
async fn a_worker_of_some_queues_serves_the_operations_if_it_carries_them() {
    let house = House::new("operations").await;
    let served = |worker: &Worker| worker.status().queues.iter().map(|queue| queue.name.to_string()).collect::<Vec<_>>();
    let (broker, clock, random) = (house.broker.clone(), house.clock.clone(), house.random.clone());
    let worker = Worker::start(options(), broker, longshore_jobs::Catalog::standard(), clock, random).unwrap();
    house.eventually("it serves both", async || (served(&worker) == ["operations", "q"]).then_some(())).await;
    let home = house.broker.home(&Name::literal(OPERATIONS)).await.unwrap();
    let id = JobId::new(house.clock.now(), home, &*house.random);
    let args = json(&serde_json::json!({"filter": {}, "before": house.clock.now()}));
    let job = NewJob::new(id, Name::literal(OPERATIONS), Name::literal(longshore_jobs::PURGE), Name::literal(OPERATIONS), args);
    house.broker.enqueue(vec![job]).await.unwrap().remove(0).unwrap();
    house.until_job(id, "it is completed", |job| job.state == State::Completed).await;
    worker.stop_now().await;
    let other = house.worker(options());
    house.eventually("it serves its own", async || (served(&other) == ["q"]).then_some(())).await;
    other.stop_now().await;
}

#[tokio::test]
async fn a_gated_queue_costs_no_slot_and_no_polling() {
    let house = House::new("gated").await;
    let (pause, other) = (Pause { until: None, reason: None, by: None }, Name::literal("other"));
    house.broker.rule(&house.queue, &RuleScope::Queue, RuleChange::Pause(pause), None).await.unwrap();
    for _ in 0..50 {
        house.enqueue(Act::Return).await;
    }
    let queues = Queues::Named(vec![house.queue.clone(), other.clone()]);
    let worker = house.worker(Options { queues, concurrency: 2, beat_ms: 60_000, ..options() });
    house.eventually("it has looked", async || worker.status().last_lease).await;
    let (began, looked) = (house.clock.elapsed(), house.cuts.leased.lock().unwrap().len());
    house.eventually("a second has passed", async || (house.clock.elapsed() > began + Duration::from_secs(1)).then_some(())).await;
    let calls = house.cuts.leased.lock().unwrap().len() - looked;
    assert!(calls <= 4, "{calls} lease calls in a second for two queues with nothing to run");
    for _ in 0..2 {
        house.enqueue_to(&other, Act::Wait, |_| {}).await;
    }
    house.eventually("both slots run the other queue's", async || (house.probe.running.load(SeqCst) == 2).then_some(())).await;
    house.probe.open();
    house.broker.rule(&house.queue, &RuleScope::Queue, RuleChange::Resume, None).await.unwrap();
    house.eventually("it goes on at once", async || (house.stats().await.completed == 50).then_some(())).await;
    worker.stop_now().await;
}

#[tokio::test]
async fn a_busy_queue_leaves_another_its_share() {
    let house = House::new("share").await;
    let other = Name::literal("other");
    for _ in 0..400 {
        house.enqueue(Act::Wait).await;
    }
    let queues = Queues::Named(vec![house.queue.clone(), other.clone()]);
    let worker = house.worker(Options { queues, concurrency: 4, ..options() });
    house.eventually("the first has every slot", async || (house.probe.running.load(SeqCst) == 4).then_some(())).await;
    let late = house.enqueue_to(&other, Act::Return, |_| {}).await;
    house.probe.open();
    let job = house.until_job(late, "it is completed", |job| job.state == State::Completed).await;
    house.eventually("so is the rest", async || (house.stats().await.completed == 400).then_some(())).await;
    let mut before = 0;
    for id in house.ids() {
        before += usize::from(house.job(id).await.ended_at < job.ended_at);
    }
    assert!(before < 200, "{before} jobs of the first queue ended before the one of the second");
    worker.stop_now().await;
}

#[tokio::test]
async fn an_outage_ends_nothing_and_what_ran_is_settled_after_it() {
    let house = House::new("outage").await;
    let worker = house.worker(Options { lease_ms: 15_000, heartbeat_ms: 200, ..options() });
    let id = house.enqueue(Act::Wait).await;
    house.eventually("it runs", async || (house.probe.running.load(SeqCst) == 1).then_some(())).await;
    house.cuts.all.store(true, SeqCst);
    house.probe.open();
    house.eventually("it has returned", async || (house.probe.returned.load(SeqCst) == 1).then_some(())).await;
    house.eventually("the watchdog tells", async || (worker.status().unanswered > Duration::from_millis(300)).then_some(())).await;
    house.eventually("its ack waits", async || (worker.status().unacked == 1).then_some(())).await;
    house.cuts.all.store(false, SeqCst);
    let job = house.until_job(id, "it is completed", |job| job.state == State::Completed).await;
    assert_eq!((job.counters.attempts, job.counters.crashes, job.counters.runs), (1, 0, 1));
    let next = house.enqueue(Act::Return).await;
    house.until_job(next, "leasing goes on", |job| job.state == State::Completed).await;
    assert_eq!(worker.status().unanswered, Duration::ZERO);
    worker.stop_now().await;
}

#[tokio::test]
async fn lost_answers_of_lease_and_ack_lose_and_repeat_nothing() {
    let house = House::new("lost answers").await;
    let mut ids = Vec::new();
    for _ in 0..200 {
        ids.push(house.enqueue(Act::Return).await);
    }
    house.cuts.lease_replies.store(3, SeqCst);
    house.cuts.ack_replies.store(4, SeqCst);
    let worker = house.worker(options());
    house.eventually("all are completed", async || (house.stats().await.completed == 200).then_some(())).await;
    for id in ids {
        let job = house.job(id).await;
        assert_eq!((job.counters.attempts, job.counters.crashes, job.counters.interruptions), (1, 0, 0), "{id}");
    }
    assert_eq!(house.probe.returned.load(SeqCst), 200, "each ran once");
    worker.stop_now().await;
}
