//! Fair shares, nothing lost, nobody starved.

use super::Permits;
use futures::FutureExt;

#[test]
fn one_queue_gets_everything_and_gives_back_what_it_does_not_use() {
    let permits = Permits::new(8);
    let a = permits.join();
    let mut grant = permits.acquire(a, 500).now_or_never().expect("all are free");
    assert_eq!(grant.n, 8);
    assert!(grant.take() && grant.take());
    drop(grant);
    let rest = permits.acquire(a, 500).now_or_never().expect("six are free");
    assert_eq!(rest.n, 6);
    drop(rest);
    permits.release(a, 2);
    assert_eq!(permits.acquire(a, 3).now_or_never().expect("eight are free").n, 3);
}

#[test]
fn a_queue_that_waits_gets_what_is_freed_before_one_that_has_more() {
    let permits = Permits::new(4);
    let (a, b) = (permits.join(), permits.join());
    let mut all = permits.acquire(a, 500).now_or_never().expect("free");
    assert_eq!(all.n, 4);
    while all.take() {}
    let mut waits_a = Box::pin(permits.acquire(a, 500));
    let mut waits_b = Box::pin(permits.acquire(b, 500));
    assert!(waits_a.as_mut().now_or_never().is_none());
    assert!(waits_b.as_mut().now_or_never().is_none());
    permits.release(a, 1);
    permits.release(a, 1);
    assert!(waits_a.as_mut().now_or_never().is_none(), "a has its share of two still");
    assert_eq!(waits_b.now_or_never().expect("both freed slots are b's").n, 2);
}

#[test]
fn a_hungry_queue_keeps_its_share_while_its_lease_call_is_on_its_way() {
    let permits = Permits::new(4);
    let (a, b) = (permits.join(), permits.join());
    permits.hungry(b, true);
    let first = permits.acquire(a, 500).now_or_never().expect("half is free for a");
    assert_eq!(first.n, 2);
    permits.hungry(b, false);
    assert_eq!(permits.acquire(a, 500).now_or_never().expect("b claims nothing").n, 2);
}

#[test]
fn with_one_slot_two_hungry_queues_take_turns() {
    let permits = Permits::new(1);
    let (a, b) = (permits.join(), permits.join());
    let mut order = Vec::new();
    let mut held = permits.acquire(a, 1).now_or_never().expect("free");
    assert!(held.take());
    let mut owner = a;
    for _ in 0..6 {
        permits.hungry(a, true);
        permits.hungry(b, true);
        let mut waits_a = Box::pin(permits.acquire(a, 1));
        let mut waits_b = Box::pin(permits.acquire(b, 1));
        assert!(waits_a.as_mut().now_or_never().is_none() && waits_b.as_mut().now_or_never().is_none());
        permits.release(owner, 1);
        let (got_a, got_b) = (waits_a.now_or_never(), waits_b.now_or_never());
        assert_ne!(got_a.is_some(), got_b.is_some(), "one slot, one owner");
        owner = if got_a.is_some() { a } else { b };
        order.push(owner);
        assert!(got_a.or(got_b).expect("one of them").take());
    }
    assert_eq!(order, [b, a, b, a, b, a]);
}

#[test]
fn a_dropped_wait_gives_back_what_was_handed_to_it() {
    let permits = Permits::new(1);
    let (a, b) = (permits.join(), permits.join());
    let mut held = permits.acquire(a, 1).now_or_never().expect("free");
    assert!(held.take());
    let mut waits = Box::pin(permits.acquire(b, 1));
    assert!(waits.as_mut().now_or_never().is_none());
    permits.release(a, 1);
    drop(waits);
    assert_eq!(permits.acquire(a, 1).now_or_never().expect("given back").n, 1);
}

#[test]
fn a_reply_that_is_larger_than_its_grant_stretches_as_far_as_slots_are_free() {
    let permits = Permits::new(4);
    let a = permits.join();
    let mut grant = permits.acquire(a, 1).now_or_never().expect("free");
    grant.stretch(9);
    assert_eq!(grant.n, 4);
}

#[test]
fn a_queue_that_gathers_is_woken_once_it_has_enough() {
    let permits = Permits::new(4);
    let a = permits.join();
    let mut all = permits.acquire(a, 4).now_or_never().expect("free");
    while all.take() {}
    let mut gathers = Box::pin(permits.acquire_at_least(a, 2, 4));
    permits.release(a, 1);
    assert!(gathers.as_mut().now_or_never().is_none());
    permits.release(a, 1);
    let mut grant = gathers.now_or_never().expect("two are enough");
    assert_eq!(grant.n, 2);
    permits.release(a, 1);
    grant.absorb(permits.acquire(a, 4).now_or_never().expect("one more"));
    assert_eq!(grant.n, 3);
}
