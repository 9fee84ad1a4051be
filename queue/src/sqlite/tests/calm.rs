//! Ticks of a queue at rest come from memory, and nothing that falls due is late for it.

use super::{House, LEASE, START};
use crate::{
    Broker, Due, Edit, NewJob, Overlap, Scope, TickReport,
    sqlite::{SqliteBroker, calm::REST_MS},
};
use longshore_base::Name;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Rows that were changed since the file was opened.
async fn changes(broker: &SqliteBroker) -> u64 {
    let look = broker.write(false, |tx| Ok(tx.db.0.query_row("SELECT total_changes()", [], |row| row.get(0))?));
    look.await.expect("counted")
}

impl House {
    /// A tick after `wait`, and whether it wrote anything.
    async fn tick_after(&self, broker: &SqliteBroker, wait: Duration) -> (TickReport, bool) {
        self.clock.advance(wait);
        let before = changes(broker).await;
        let report = broker.tick(&self.queue, LEASE).await.expect("a tick");
        (report, changes(broker).await > before)
    }
    async fn at_rest(&self, broker: &SqliteBroker) {
        self.tick_after(broker, Duration::ZERO).await;
        assert_eq!(self.tick_after(broker, Duration::ZERO).await, (TickReport::default(), false), "it rests");
    }
    async fn put_with(&self, broker: &SqliteBroker, change: impl FnOnce(NewJob) -> NewJob) -> crate::JobId {
        let job = change(self.job(broker).await);
        let id = job.id;
        assert!(broker.enqueue(vec![job]).await.expect("an answer").remove(0).is_ok());
        id
    }
}

#[tokio::test]
async fn ticks_of_a_queue_at_rest_write_nothing_until_the_next_whole_one() {
    let house = House::new();
    let broker = house.open();
    house.put(&broker).await;
    house.at_rest(&broker).await;
    let rest = Duration::from_millis(REST_MS.unsigned_abs());
    assert_eq!(house.tick_after(&broker, rest - Duration::from_millis(1)).await, (TickReport::default(), false));
    assert_eq!(house.tick_after(&broker, Duration::from_millis(1)).await, (TickReport::default(), true), "a whole tick");
    broker.beat(house.carrying(vec![Name::literal("k")]), SECOND).await.expect("heard");
    assert_eq!(house.tick_after(&broker, Duration::ZERO).await, (TickReport::default(), false), "a report is nothing for a tick");
}

#[tokio::test]
async fn what_falls_due_is_not_late_because_of_a_rest() {
    let house = House::new();
    let broker = house.open();
    house.put(&broker).await;
    house.at_rest(&broker).await;
    let id = house.put_with(&broker, |job| NewJob { due: Due::In(SECOND * 3), ..job }).await;
    house.put_with(&broker, |job| NewJob { expires_at: Some(START + 2_000), ..job }).await;
    house.at_rest(&broker).await;
    assert_eq!(house.tick_after(&broker, SECOND).await, (TickReport::default(), false));
    assert_eq!(house.tick_after(&broker, SECOND).await.0, TickReport { expired: 1, ..TickReport::default() });
    house.at_rest(&broker).await;
    assert_eq!(house.tick_after(&broker, SECOND).await.0, TickReport { promoted: 1, ..TickReport::default() });
    assert_eq!(house.get(&broker, id).await.due_at, None);
}

#[tokio::test]
async fn who_writes_ends_the_rest() {
    let house = House::new();
    let broker = house.open();
    let id = house.put_with(&broker, |job| NewJob { due: Due::In(LEASE), ..job }).await;
    house.at_rest(&broker).await;
    let revision = house.get(&broker, id).await.revision;
    broker.edit(&Scope::All, id, revision, Edit { due: Some(Due::In(SECOND)), ..Edit::default() }).await.expect("edited");
    assert_eq!(house.tick_after(&broker, SECOND).await.0, TickReport { promoted: 1, ..TickReport::default() });
    house.at_rest(&broker).await;
    assert_eq!(house.lease(&broker, 1).await.len(), 1);
    // What runs is looked at by each tick, so that the clock is, too.
    for _ in 0..LEASE.as_secs() - 1 {
        assert_eq!(house.tick_after(&broker, SECOND).await, (TickReport::default(), true));
    }
    assert_eq!(house.tick_after(&broker, SECOND).await.0, TickReport { reaped: 1, ..TickReport::default() });
}

#[tokio::test]
async fn the_next_schedule_comes_nearer_while_a_queue_rests() {
    let house = House::new();
    let broker = house.open();
    house.put(&broker).await;
    house.at_rest(&broker).await;
    house.plan(&broker, house.planned("nightly", Overlap::Skip)).await;
    assert_eq!(house.tick_after(&broker, Duration::ZERO).await.0.next_schedule, Some(Duration::ZERO), "it has to be planned first");
    house.ticks(&broker, "nightly", 1).await;
    let next = |at: u64| TickReport { next_schedule: Some(Duration::from_secs(at)), ..TickReport::default() };
    assert_eq!(house.tick_after(&broker, Duration::ZERO).await, (next(120), true));
    assert_eq!(house.tick_after(&broker, SECOND).await, (next(119), false));
    assert_eq!(house.tick_after(&broker, SECOND * 3).await, (next(116), true));
    house.clock.jump(START + 120_000);
    assert_eq!(house.tick_after(&broker, Duration::ZERO).await.0.next_schedule, Some(Duration::ZERO));
}

#[tokio::test]
async fn a_clock_that_goes_back_is_seen_by_the_next_tick() {
    let house = House::new();
    let broker = house.open();
    house.put(&broker).await;
    house.at_rest(&broker).await;
    house.clock.jump(START - 1);
    let (report, wrote) = house.tick_after(&broker, Duration::ZERO).await;
    assert!(report.held && wrote);
}
