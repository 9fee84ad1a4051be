//! Fair in slot-time: weights, the bound, debts and credits, lanes inside a tenant.

use super::rules::{RAN, Shares};
use super::{Case, KIND, LONG, OTHER, complete};
use crate::{Ack, Held, Lease, Limits, NewJob, Priority, QUANTUM, RuleScope};
use longshore_base::Name;
use std::{collections::BTreeMap, time::Duration};

fn tenant(name: &'static str) -> RuleScope {
    RuleScope::Tenant(Name::literal(name))
}

fn weight(weight: f64) -> Limits {
    Limits { weight: Some(weight), ..Limits::default() }
}

fn starts(shares: &Shares, tenant: &str) -> usize {
    shares.get(tenant).map_or(0, |share| share.0)
}

/// One tenant has a long backlog, others arrive: with w tenants of equal weight the k-th job of one starts after at most k·w·q starts
/// and one batch; with weights, w is the sum of them over its own.
pub async fn q2_fair_bound_holds_for_tenants_that_arrive(c: &Case) {
    const BATCH: usize = 4;
    const EACH: usize = 8;
    c.limit(&tenant("heavy"), weight(2.0)).await;
    c.fill(320, || c.job()).await;
    c.share(40, BATCH, |_| RAN).await;
    for name in ["two", "three", "heavy"] {
        c.fill(EACH, || c.of(name)).await;
    }
    let (mut started, mut places) = (0, BTreeMap::<String, Vec<usize>>::new());
    while places.iter().filter(|(name, _)| name.as_str() != "one").map(|(_, places)| places.len()).sum::<usize>() < 3 * EACH {
        let leases = c.lease(BATCH).await;
        assert!(!leases.is_empty() && started < 320, "{places:?}");
        for lease in &leases {
            places.entry(lease.job.tenant.to_string()).or_default().push(started);
            started += 1;
        }
        c.finish(&leases, |_| RAN).await;
    }
    for (name, own) in [("two", 1.0), ("three", 1.0), ("heavy", 2.0)] {
        for (k, place) in (1..).zip(&places[name]) {
            let most = f64::from(k) * 5.0 / own * QUANTUM as f64 + BATCH as f64;
            assert!(*place as f64 <= most, "job {k} of {name} came {place} starts later, {most} at most: {places:?}");
        }
    }
}

/// Slots go by weight.
pub async fn q2_slot_time_is_shared_by_weight(c: &Case) {
    for (name, of) in [("one", 1.0), ("two", 2.0), ("four", 4.0)] {
        c.limit(&tenant(name), weight(of)).await;
        c.fill(190, || c.of(name)).await;
    }
    let shares = c.share(280, 14, |_| RAN).await;
    for (name, fair) in [("one", 40), ("two", 80), ("four", 160)] {
        let got = starts(&shares, name);
        assert!(got.abs_diff(fair) <= 14, "{name} got {got} of 280 starts, {fair} would be fair: {shares:?}");
    }
}

/// A changed weight holds from the next lease.
pub async fn q2_slot_time_follows_a_changed_weight(c: &Case) {
    c.fill(160, || c.job()).await;
    c.fill(160, || c.of("two")).await;
    let equal = c.share(80, 8, |_| RAN).await;
    assert!(starts(&equal, "one").abs_diff(40) <= 8, "{equal:?}");
    c.limit(&tenant("two"), weight(3.0)).await;
    let changed = c.share(80, 8, |_| RAN).await;
    assert!(starts(&changed, "two").abs_diff(60) <= 9, "{changed:?}");
}

/// A tenant of long jobs and one of short jobs have the same time, not the same starts.
pub async fn q2_slot_time_of_long_and_short_kinds_is_equal(c: &Case) {
    const SLOW: Duration = Duration::from_secs(5);
    const FAST: Duration = Duration::from_millis(50);
    let ran = |lease: &Lease| if lease.job.kind.as_str() == KIND { SLOW } else { FAST };
    let fast = || NewJob { kind: Name::literal(OTHER), ..c.of("two") };
    c.fill(1, || c.job()).await;
    c.fill(1, fast).await;
    c.share(2, 1, ran).await;
    c.fill(250, || c.job()).await;
    c.fill(1_250, fast).await;
    let shares = c.share(1_200, 50, ran).await;
    let (slow, fast) = (shares["one"].1.as_secs_f64(), shares["two"].1.as_secs_f64());
    let turn = QUANTUM as f64 * SLOW.as_secs_f64();
    assert!((slow - fast).abs() <= 0.05 * (slow + fast) + turn, "{slow} s of long jobs and {fast} s of short ones");
}

/// What a start was charged with is corrected by what it took: two tenants of one kind, one of them with ten times as long args.
pub async fn q2_slot_time_is_corrected_at_the_ack(c: &Case) {
    const SLOW: Duration = Duration::from_millis(500);
    let ran = |lease: &Lease| if lease.job.tenant.as_str() == "one" { SLOW } else { SLOW / 10 };
    c.fill(120, || c.job()).await;
    c.fill(230, || c.of("two")).await;
    let shares = c.share(220, 1, ran).await;
    let (slow, fast) = (shares["one"].1.as_secs_f64(), shares["two"].1.as_secs_f64());
    let turn = QUANTUM as f64 * SLOW.as_secs_f64();
    assert!((slow - fast).abs() <= 0.05 * (slow + fast) + turn, "{slow} s of long jobs and {fast} s of short ones");
}

/// An attempt that runs longer than its kind's mean is charged while it runs: by extend.
pub async fn q2_slot_time_overruns_are_charged_at_extend(c: &Case) {
    let long = c.running().await;
    c.pass(Duration::from_millis(400)).await;
    let held = [Held { id: long.job.id, token: long.token }];
    c.broker.extend(&c.queue, "w1", &held, 0, LONG).await.expect("a reply");
    c.fill(40, || c.job()).await;
    c.fill(40, || c.of("two")).await;
    let shares = c.share(30, 1, |_| RAN).await;
    assert!(starts(&shares, "one") <= 2, "its tenant has had 400 ms, the other has the next starts: {shares:?}");
    c.ack(&long, complete()).await;
}

/// Who was idle gets no more than a fair share afterwards.
pub async fn q2_slot_time_idle_tenants_gain_no_credit(c: &Case) {
    c.fill(120, || c.job()).await;
    c.share(60, 6, |_| RAN).await;
    c.fill(60, || c.of("two")).await;
    let shares = c.share(40, 1, |_| RAN).await;
    assert!(starts(&shares, "two").abs_diff(20) <= 6, "{shares:?}");
}

/// Who has had more than a fair share, and went, has had it when it comes back.
pub async fn q2_slot_time_idle_tenants_lose_no_debt(c: &Case) {
    let other = || NewJob { kind: Name::literal(OTHER), ..c.of("two") };
    c.fill(1, || c.job()).await;
    c.share(1, 1, |_| Duration::from_secs(2)).await;
    c.fill(10, other).await;
    c.share(10, 1, |_| RAN).await;
    c.fill(5, || c.job()).await;
    c.fill(60, other).await;
    let shares = c.share(40, 1, |_| RAN).await;
    assert_eq!(starts(&shares, "one"), 0, "two seconds are not caught up yet: {shares:?}");
}

/// A lease that never started is not charged.
pub async fn q2_slot_time_is_given_back_by_an_unstarted_release(c: &Case) {
    c.fill(1, || c.job()).await;
    c.share(1, 1, |_| Duration::from_secs(1)).await;
    c.fill(1, || c.of("two")).await;
    c.share(1, 1, |_| Duration::from_secs(1)).await;
    c.fill(40, || c.job()).await;
    for _ in 0..5 {
        let leases = c.lease(4).await;
        for lease in &leases {
            c.ack(lease, crate::Outcome::Release { started: false }).await;
        }
    }
    c.fill(40, || c.of("two")).await;
    let shares = c.share(24, 1, |_| Duration::from_secs(1)).await;
    assert!(starts(&shares, "one").abs_diff(12) <= 5, "{shares:?}");
}

/// A tenant's share does not grow with its lanes.
pub async fn q2_fair_share_does_not_grow_with_lanes(c: &Case) {
    for at in 0..20 {
        c.fill(5, || c.keyed(&format!("k{at}"))).await;
    }
    c.fill(80, || c.of("two")).await;
    let shares = c.share(80, 8, |_| RAN).await;
    assert!(starts(&shares, "two").abs_diff(40) <= 8, "{shares:?}");
}

/// Inside a tenant lanes share too, after the priority of their heads.
pub async fn q2_fair_lanes_of_a_tenant_share_by_priority_and_time(c: &Case) {
    c.fill(60, || c.keyed("long")).await;
    c.fill(10, || c.keyed("late")).await;
    let urgent = c.put(NewJob { priority: Priority::new(9).expect("at most 9"), ..c.keyed("urgent") }).await;
    let first = c.one().await;
    assert_eq!(first.job.id, urgent, "the head with the highest priority");
    c.ack(&first, complete()).await;
    let mut late = 0;
    for _ in 0..20 {
        let leases = c.lease(2).await;
        late += leases.iter().filter(|lease| lease.job.lane_key == "late").count();
        c.finish(&leases, |_| RAN).await;
    }
    assert_eq!(late, 10, "the lane that came later has had its turns");
}

/// max_share keeps a part of the live slots from a tenant, also while nobody else wants them; one is always allowed.
pub async fn q2_scopes_max_share_is_a_part_of_the_slots(c: &Case) {
    c.serve("a", 6).await;
    c.serve("b", 4).await;
    c.limit(&tenant("one"), Limits { max_share: Some(0.3), ..Limits::default() }).await;
    c.fill(12, || c.job()).await;
    let held = c.lease(12).await;
    assert_eq!(held.len(), 3, "0.3 of ten slots");
    c.fill(12, || c.of("two")).await;
    assert!(c.lease(4).await.iter().all(|lease| lease.job.tenant.as_str() == "two"));
    c.limit(&tenant("one"), Limits { max_share: Some(0.001), ..Limits::default() }).await;
    c.finish(&held, |_| RAN).await;
    let one = c.lease(20).await.into_iter().filter(|lease| lease.job.tenant.as_str() == "one").count();
    assert_eq!(one, 1, "one is always allowed");
}

/// The slots that max_share is a part of are at most what scale allows.
pub async fn q2_scopes_max_share_is_bounded_by_scale(c: &Case) {
    c.serve("a", 100).await;
    c.change(&RuleScope::Queue, crate::RuleChange::Scale(Some(4))).await;
    c.limit(&tenant("one"), Limits { max_share: Some(0.5), ..Limits::default() }).await;
    c.fill(10, || c.job()).await;
    assert_eq!(c.lease(10).await.len(), 2);
}

/// Slot-time by the ack's own claim, whichever worker makes it; a batch of acks is as good as one by one.
pub async fn q2_slot_time_mean_follows_what_attempts_took(c: &Case) {
    const ROUNDS: u32 = 5;
    let ack = |lease: &Lease| Ack { id: lease.job.id, token: lease.token, ran: Duration::from_millis(40), used: None, outcome: complete() };
    // Ends are counted for 10 to 20 seconds: a look at them proves nothing where the machine stood still for that long.
    for round in 1..=ROUNDS {
        c.fill(20, || c.job()).await;
        let leases = c.lease(20).await;
        assert_eq!(leases.len(), 20);
        let began = c.now().await;
        for acked in c.broker.ack(&c.queue, "w1", leases.iter().map(ack).collect()).await.expect("an answer") {
            acked.expect("accepted");
        }
        let stats = c.broker.stats(&crate::Scope::All, &c.queue).await.expect("stats");
        let mean = stats.mean_ms.expect("twenty have ended");
        assert!((mean - 40.0).abs() < 1.0, "{mean} ms");
        if c.now().await - began < 10_000 {
            let most = 2.1 * f64::from(round);
            assert!((0.9..=most).contains(&stats.rate_per_s), "20 ends in 10 to 20 seconds, {} a second", stats.rate_per_s);
            return;
        }
    }
    panic!("no round of {ROUNDS} took less than ten seconds");
}
