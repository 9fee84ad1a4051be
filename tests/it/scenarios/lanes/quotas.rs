//! What handlers tell: units that they used, and what a provider's headers said.

use super::{
    house::{House, Jobs, tenant},
    on_both,
};
use longshore_base::Name;
use longshore_queue::{Budget, Hard, Limits, Period, Quota, ResourceChange, RuleScope};
use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

on_both! {
    what_handlers_used_is_settled_and_closes_the_tenant;
    what_a_provider_told_a_handler_reaches_the_resource;
}

async fn what_handlers_used_is_settled_and_closes_the_tenant(house: &House) {
    let budget = Budget { units: 100, period: Period::Month, hard: Hard::At(true), soft: Some(0.5) };
    house.limit(tenant("agency"), Limits { budget: Some(budget), ..Limits::default() }).await;
    house.log.answers(|cx, _| {
        cx.used(15);
        cx.used(5);
        Ok(())
    });
    house.enqueue(Jobs::of("agency", 10, 1)).await;
    let worker = house.worker(1).await;
    house.completed(5).await;
    let free = house.enqueue(Jobs::of("other", 3, 1)).await;
    house.until("another tenant works on", async || super::house::all_completed(&house.jobs(&free).await).then_some(())).await;
    house.until("nothing runs", async || (house.rules(&RuleScope::Queue).await.running == 0).then_some(())).await;
    // Each was expected to take one unit and took twenty; a sixth may start before the fifth has told so.
    let started = house.log.count(|run| run.tenant == "agency");
    assert!((5..=6).contains(&started), "a spent budget starts nothing: {started}");
    let state = house.rules(&tenant("agency")).await.budget.expect("a budget");
    assert_eq!((state.used, state.alert), (20 * started as u64, true));
    let more = Budget { units: 200, ..budget };
    house.limit(tenant("agency"), Limits { budget: Some(more), ..Limits::default() }).await;
    house.completed(10 + 3).await;
    assert_eq!(house.rules(&tenant("agency")).await.budget.expect("a budget").used, 200);
    worker.stop_now().await;
}

async fn what_a_provider_told_a_handler_reaches_the_resource(house: &House) {
    let name = Name::literal("ads-api");
    let quota = Quota { max_running: Some(100), ..Quota::default() };
    house.broker.resource(&name, ResourceChange::Put(quota), None).await.expect("made");
    let left = AtomicU64::new(43);
    house.log.answers(move |cx, _| {
        let (cx, left) = (cx.clone(), left.fetch_sub(1, SeqCst) - 1);
        tokio::spawn(async move {
            cx.resource("nobody-made-this").remaining(left).resets_in(Duration::from_secs(60)).await;
            cx.resource("ads-api").remaining(left).resets_in(Duration::from_secs(60)).await;
        });
        Ok(())
    });
    house.enqueue(Jobs::of("agency", 3, 300)).await;
    let worker = house.worker(1).await;
    house.completed(3).await;
    house
        .until("the least that was told is known", async || {
            let all = house.broker.resources().await.ok()?;
            (all.iter().find(|one| one.name == name)?.learned?.0 == 40).then_some(())
        })
        .await;
    worker.stop_now().await;
}
