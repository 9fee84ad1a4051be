//! What holds lanes back, as the file keeps it: where they are parked, what is counted, what a lease looks at.

use super::{House, LEASE, START};
use crate::{Ack, Broker, JobId, Limits, NewJob, Outcome, Pause, RuleChange, RuleScope, json, sqlite::SqliteBroker};
use longshore_base::Name;
use std::time::Duration;

fn named(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn at_once(n: u32) -> RuleChange {
    RuleChange::Limits(Limits { max_running: Some(n), ..Limits::default() })
}

impl House {
    async fn fill(&self, broker: &SqliteBroker, tenant: &str, key: &str, n: u32) {
        let home = broker.home(&self.queue).await.expect("a home");
        let job = |at: u32| {
            let id = JobId::derived(START, home, format!("{tenant}/{key}/{at}/{}", self.clock_reading()).as_bytes());
            let job = NewJob::new(id, self.queue.clone(), named("k"), named(tenant), json(&serde_json::json!(at)));
            NewJob { lane_key: key.to_owned(), ..job }
        };
        let taken = broker.enqueue((0..n).map(job).collect()).await.expect("an answer");
        assert!(taken.into_iter().all(|taken| taken.is_ok_and(|taken| !taken.duplicate)));
    }
    fn clock_reading(&self) -> i64 {
        use longshore_base::Clock as _;
        self.clock.now()
    }
    async fn rule(&self, broker: &SqliteBroker, scope: RuleScope, change: RuleChange) {
        broker.rule(&self.queue, &scope, change, None).await.expect("the rule is kept");
    }
    async fn finish(&self, broker: &SqliteBroker, leases: &[crate::Lease], ran: Duration) {
        let ack = |lease: &crate::Lease| Ack {
            id: lease.job.id,
            token: lease.token,
            ran,
            used: None,
            outcome: Outcome::Complete { output: None },
        };
        let acked = broker.ack(&self.queue, "w", leases.iter().map(ack).collect()).await.expect("an answer");
        assert!(acked.into_iter().all(|acked| acked.is_ok()));
    }
}

async fn number(broker: &SqliteBroker, query: &'static str) -> i64 {
    let look = broker.write(false, move |tx| Ok(tx.db.0.query_row(query, [], |row| row.get(0))?));
    look.await.expect("a number")
}

const HELD: &str = "SELECT count(*) FROM lanes WHERE parked = 2 AND held IS NOT NULL";

#[tokio::test]
async fn held_lanes_leave_the_order_and_come_back_one_for_one() {
    let house = House::new();
    let broker = house.open();
    for tenant in ["a", "b", "c", "d"] {
        house.fill(&broker, tenant, "", 2).await;
    }
    house.rule(&broker, RuleScope::Kind(named("k")), at_once(1)).await;
    let first = house.lease(&broker, 1).await;
    assert_eq!(first.len(), 1);
    assert_eq!((number(&broker, HELD).await, number(&broker, "SELECT sum(open) FROM turns").await), (4, 0), "all wait under the kind");
    assert!(house.lease(&broker, 2).await.is_empty());
    let mut tenants = vec![first[0].job.tenant.to_string()];
    let mut held = first;
    for call in 3..=9 {
        house.finish(&broker, &held, Duration::from_millis(50)).await;
        held = house.lease(&broker, call).await;
        assert_eq!(held.len(), 1);
        tenants.push(held[0].job.tenant.to_string());
        assert!(number(&broker, "SELECT max(open) FROM turns").await <= 1, "one that was freed lets one back");
    }
    assert_eq!(tenants, ["a", "b", "c", "d", "a", "b", "c", "d"], "by virtual time");
    house.finish(&broker, &held, Duration::ZERO).await;
    assert_eq!(number(&broker, HELD).await, 0);
    house.rule(&broker, RuleScope::Kind(named("k")), RuleChange::Clear).await;
    assert!(house.lease(&broker, 10).await.is_empty());
}

#[tokio::test]
async fn a_lane_that_is_emptied_while_held_is_held_no_more() {
    let house = House::new();
    let broker = house.open();
    house.fill(&broker, "a", "x", 1).await;
    let pause = RuleChange::Pause(Pause { until: None, reason: None, by: None });
    let key = RuleScope::Key { tenant: named("a"), key: "x".into() };
    house.rule(&broker, key.clone(), pause).await;
    assert!(house.lease(&broker, 1).await.is_empty());
    assert_eq!(number(&broker, HELD).await, 1);
    let page = broker.list(&crate::Scope::All, &crate::Filter::default(), 10, None).await.expect("a page");
    broker.cancel(&crate::Scope::All, &[page.items[0].id]).await.expect("an answer").remove(0).expect("cancelled");
    assert_eq!((number(&broker, HELD).await, number(&broker, "SELECT sum(open) FROM turns").await), (0, 0));
    house.rule(&broker, key, RuleChange::Resume).await;
    house.clock.advance(Duration::from_millis(1));
    house.fill(&broker, "a", "x", 1).await;
    assert_eq!(house.lease(&broker, 2).await.len(), 1);
}

#[tokio::test]
async fn a_crowd_of_closed_lanes_hides_nobody_and_is_met_once() {
    let house = House::new();
    let broker = house.open();
    let pause = RuleChange::Pause(Pause { until: None, reason: None, by: None });
    for n in 0..1_200 {
        let key = format!("closed-{n}");
        house.fill(&broker, "a", &key, 1).await;
        house.rule(&broker, RuleScope::Key { tenant: named("a"), key }, pause.clone()).await;
    }
    house.fill(&broker, "a", "open", 1).await;
    let mut found = house.lease(&broker, 1).await;
    if found.is_empty() {
        // A lease looks at so many lanes at most; who comes back short is told to come again.
        tokio::time::timeout(Duration::from_secs(20), broker.wait(&house.queue, Duration::from_secs(3_600))).await.expect("a signal");
        found = house.lease(&broker, 2).await;
    }
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].job.lane_key, "open");
    assert!(house.lease(&broker, 3).await.is_empty());
    assert_eq!((number(&broker, HELD).await, number(&broker, "SELECT sum(open) FROM turns").await), (1_200, 0));
}

#[tokio::test]
async fn counts_of_running_jobs_are_derived_again() {
    let house = House::new();
    let broker = house.open();
    let scope = RuleScope::Kind(named("k"));
    house.rule(&broker, scope.clone(), at_once(5)).await;
    house.fill(&broker, "a", "", 9).await;
    assert_eq!(house.lease(&broker, 1).await.len(), 5);
    broker.write(false, |tx| Ok(tx.db.0.execute("UPDATE scopes SET running = 2", [])?)).await.expect("a wrong count");
    broker.tick(&house.queue, LEASE).await.expect("a tick");
    house.clock.advance(Duration::from_secs(10));
    broker.tick(&house.queue, LEASE).await.expect("a tick");
    house.clock.advance(Duration::from_secs(60));
    broker.tick(&house.queue, LEASE * 10).await.expect("a tick");
    let running = broker.rules(&house.queue, &scope).await.expect("the rules").running;
    assert_eq!(running, broker.stats(&crate::Scope::All, &house.queue).await.expect("stats").running);
}

#[tokio::test]
async fn who_was_charged_too_much_holds_no_newcomer_back() {
    let house = House::new();
    let broker = house.open();
    house.fill(&broker, "a", "", 1).await;
    let slow = house.lease(&broker, 1).await;
    house.finish(&broker, &slow, Duration::from_secs(10)).await;
    house.clock.advance(Duration::from_millis(1));
    house.fill(&broker, "a", "", 60).await;
    // Charged with ten seconds each; they take a millisecond.
    let quick = house.lease(&broker, 2).await;
    assert_eq!(quick.len(), 10);
    house.finish(&broker, &quick, Duration::from_millis(1)).await;
    house.fill(&broker, "b", "", 1).await;
    let next = house.lease(&broker, 3).await;
    assert!(next.iter().take(5).any(|lease| lease.job.tenant.as_str() == "b"), "the newcomer's turn comes with the next");
}

#[tokio::test]
async fn a_queue_without_rules_looks_for_none() {
    let house = House::new();
    let broker = house.open();
    house.fill(&broker, "a", "x", 2).await;
    let leases = house.lease(&broker, 1).await;
    house.finish(&broker, &leases, Duration::from_millis(1)).await;
    assert_eq!((number(&broker, "SELECT flags FROM queues").await, number(&broker, "SELECT count(*) FROM scopes").await), (0, 0));
    // A failure is remembered, and forgotten with its row.
    house.clock.advance(Duration::from_millis(1));
    house.fill(&broker, "a", "x", 2).await;
    let leases = house.lease(&broker, 2).await;
    let outcome = Outcome::Dead {
        reason: crate::Reason::Fatal,
        error: crate::ErrorInfo { code: "c".into(), message: "m".into(), fingerprint: "f".into() },
    };
    broker.ack(&house.queue, "w", House::ack(&leases[0], outcome)).await.expect("acked");
    assert_eq!(number(&broker, "SELECT count(*) FROM scopes").await, 1);
    house.finish(&broker, &leases[1..], Duration::from_millis(1)).await;
    assert_eq!((number(&broker, "SELECT flags FROM queues").await, number(&broker, "SELECT count(*) FROM scopes").await), (0, 0));
}
