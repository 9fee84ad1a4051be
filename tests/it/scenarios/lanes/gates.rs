//! Gates close one account and leave its neighbours alone: a provider's 429, a run of failures, a person's pause.

use super::{
    house::{House, Jobs, account, all_completed, tenant},
    on_both,
};
use longshore_base::Clock;
use longshore_jobs::Failure;
use longshore_queue::{EventKind, FAILURES_TO_GATE, GATE_FIRST_MS, Gate, GateCause, JobId, Pause, RuleChange, State};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

const SLOTS: usize = 8;

on_both! {
    a_provider_that_answers_429_for_one_account_slows_down_no_other;
    a_run_of_failures_closes_an_account_and_one_probe_opens_it;
    an_operator_opens_what_failures_closed;
    a_pause_with_an_end_ends_by_itself;
}

/// Nine accounts of the agency work on while the tenth rests for as long as its provider said, and no attempt is spent.
async fn a_provider_that_answers_429_for_one_account_slows_down_no_other(house: &House) {
    let worker = house.worker(SLOTS).await;
    let alone = others(house).await;

    let (rest, refuses) = (Duration::from_millis(1_500), Arc::new(AtomicBool::new(true)));
    let provider = refuses.clone();
    house.log.answers(move |_, account| match account {
        "limited" if provider.load(SeqCst) => Err(Failure::Gate { wait: rest, reason: "429, Retry-After: 1.5".to_owned() }),
        _ => Ok(()),
    });
    let began = house.clock.elapsed();
    let limited = house.enqueue(Jobs::of("agency", 30, 20).on("limited")).await;
    let scope = account("agency", "limited");
    let gate = house.until("the account's gate closes", async || house.rules(&scope).await.gate).await;
    assert_eq!((gate.cause, gate.pause.reason.as_deref()), (GateCause::Handler, Some("429, Retry-After: 1.5")));

    let beside = others(house).await;
    assert!(beside <= alone * 2 + Duration::from_millis(500), "the others took {alone:?} alone and {beside:?} beside it");

    let asked = || house.log.count(|run| run.account == "limited");
    let first = asked();
    house.until("it is tried again after its rest", async || (asked() > first).then_some(())).await;
    refuses.store(false, SeqCst);
    // Each time it opens, every slot may ask once, and once more before the first refusal has been acked.
    let openings = (house.clock.elapsed() - began).div_duration_f64(rest).floor() as usize + 2;
    house.until("the limited account is through", async || all_completed(&house.jobs(&limited).await).then_some(())).await;
    let most = 30 + openings * 2 * SLOTS;
    assert!(asked() <= most, "a closed account is left alone: {} runs, at most {most} in {openings} openings", asked());
    let (mut gated, mut attempts) = (0, 0);
    for job in house.jobs(&limited).await {
        gated += job.history.iter().filter(|event| event.what == EventKind::Gated).count();
        attempts += usize::from(job.counters.attempts);
        assert_eq!((job.counters.crashes, job.counters.interruptions), (0, 0));
    }
    assert_eq!(attempts, 30, "each spent the attempt that went well, and no other");
    assert!(gated >= 2, "both rests are in the timelines: {gated}");
    worker.stop_now().await;
}

/// How long nine other accounts of the agency take for 20 jobs each.
async fn others(house: &House) -> Duration {
    let names: Vec<_> = (0..9).map(|n| format!("account-{n}")).collect();
    let (began, mut ids) = (house.clock.elapsed(), Vec::new());
    for name in &names {
        ids.extend(house.enqueue(Jobs::of("agency", 20, 20).on(name)).await);
    }
    let ended = async || {
        let runs = house.log.runs();
        let ended = runs.iter().filter(|run| run.ended.is_some() && ids.contains(&run.id));
        let times: Vec<_> = ended.filter_map(|run| run.ended).collect();
        (times.len() == ids.len()).then(|| times.into_iter().max().unwrap_or_default())
    };
    house.until("the other accounts are through", ended).await - began
}

async fn a_run_of_failures_closes_an_account_and_one_probe_opens_it(house: &House) {
    let up = Arc::new(AtomicBool::new(false));
    let ids = broken(house, &up).await;
    let worker = house.worker(4).await;
    let closed = closed_by_failures(house).await;
    // What was leased before the gate closed may begin after it was seen closed.
    let rest = async || house.jobs(&ids).await.iter().all(|job| job.state != State::Running).then_some(());
    house.until("what was leased before has ended", rest).await;
    let tried = house.log.count(|run| run.account == "broken");
    // Four slots, filled again while the acks of those before are on their way.
    assert!((FAILURES_TO_GATE as usize..=FAILURES_TO_GATE as usize + 12).contains(&tried), "{tried} were tried before it closed");

    // A start that was leased before the gate closed may still be on its way.
    let rest = async || house.jobs(&ids).await.iter().all(|job| job.state != State::Running).then_some(());
    house.until("what was leased before has ended", rest).await;
    let settled = house.clock.elapsed();

    let beside = house.enqueue(Jobs::of("agency", 20, 1).on("whole")).await;
    house.until("its neighbour works", async || all_completed(&house.jobs(&beside).await).then_some(())).await;

    up.store(true, SeqCst);
    house.until("the account works again", async || all_completed(&house.jobs(&ids).await).then_some(())).await;
    let after: Vec<_> = house.log.runs().into_iter().filter(|run| run.account == "broken" && run.began > settled).collect();
    let (probe, next) = (&after[0], &after[1]);
    let least = Duration::from_millis(GATE_FIRST_MS) - Duration::from_millis(500);
    assert!(
        probe.began - closed >= least,
        "nothing is tried behind the gate: the probe came {:?} after it had closed",
        probe.began - closed
    );
    assert!(probe.ended.is_some_and(|end| end <= next.began), "it was alone: {probe:?}, {next:?}");
    let state = house.rules(&account("agency", "broken")).await;
    assert_eq!((state.gate, state.failures.map_or(0, |failures| failures.in_row)), (None, 0), "its end opened the gate");
    worker.stop_now().await;
}

async fn an_operator_opens_what_failures_closed(house: &House) {
    let up = Arc::new(AtomicBool::new(false));
    let ids = broken(house, &up).await;
    let worker = house.worker(4).await;
    let closed = closed_by_failures(house).await;
    up.store(true, SeqCst);
    house.rule(account("agency", "broken"), RuleChange::Resume).await;
    house.until("the account works again", async || all_completed(&house.jobs(&ids).await).then_some(())).await;
    assert!(house.clock.elapsed() - closed < Duration::from_millis(GATE_FIRST_MS), "nobody waited for the gate's end");
    worker.stop_now().await;
}

/// Jobs of an account that fail until `up`.
async fn broken(house: &House, up: &Arc<AtomicBool>) -> Vec<JobId> {
    let works = up.clone();
    house.log.answers(move |_, account| match account {
        "broken" if !works.load(SeqCst) => Err(Failure::retry("the account is broken")),
        _ => Ok(()),
    });
    house.enqueue(Jobs::of("agency", 24, 100).on("broken")).await
}

/// When failures had closed the account.
async fn closed_by_failures(house: &House) -> Duration {
    let scope = account("agency", "broken");
    let failures = |gate: &Gate| gate.cause == GateCause::Failures;
    house.until("failures close the account", async || house.rules(&scope).await.gate.filter(failures)).await;
    house.clock.elapsed()
}

async fn a_pause_with_an_end_ends_by_itself(house: &House) {
    let worker = house.worker(SLOTS).await;
    let (rest, began) = (Duration::from_millis(2_000), house.clock.elapsed());
    let until = house.clock.now() + 2_000;
    let pause = Pause { until: Some(until), reason: Some("maintenance".to_owned()), by: Some("operator".to_owned()) };
    house.rule(tenant("paused"), RuleChange::Pause(pause)).await;
    let paused = house.enqueue(Jobs::of("paused", 20, 1)).await;
    let open = house.enqueue(Jobs::of("open", 20, 1)).await;
    house.until("the other tenant works", async || all_completed(&house.jobs(&open).await).then_some(())).await;
    house.until("the pause has ended", async || all_completed(&house.jobs(&paused).await).then_some(())).await;
    let first = house.log.runs().into_iter().find(|run| run.tenant == "paused").expect("it ran").began - began;
    // The time was taken in milliseconds, just before.
    assert!(first + Duration::from_millis(2) >= rest, "it began {first:?} after a pause of {rest:?}");
    assert!(first <= rest + Duration::from_millis(1_500), "and soon after its end: {first:?}");
    assert_eq!(house.rules(&tenant("paused")).await.gate, None, "nothing of it is left");
    worker.stop_now().await;
}
