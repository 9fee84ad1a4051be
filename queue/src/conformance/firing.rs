//! Due schedules, and how ticks become jobs: one each, whoever decides.

use super::planned::{Planned, STEP_MS, pause, shown, tick};
use super::steering::wakes;
use super::{Case, LONG, complete, dead, only};
use crate::{
    Durability, FIRE_MOST, Filter, FireTick, JobId, MissedTicks, NewJob, Overlap, Policy, Replay, Schedule, ScheduleChange, Scope, State,
    TICKS_KEPT, Tick, TickOutcome, TickRecord, Turn, Unique, UniqueMode,
};
use longshore_base::{Code, Millis, Name};
use std::time::Duration;

/// Decisions that are made at the same time.
const SCHEDULERS: usize = 8;

/// A turn that moves the cursor nowhere and says when the next tick is.
async fn next_at(planned: &Planned<'_>, next_at: Option<Millis>) {
    let state = planned.state().await;
    let turn = Turn::Advance { revision: state.revision, from: state.cursor, to: state.cursor, next_at };
    assert!(planned.c.fire(planned.decide(&state, turn, vec![])).await.expect("nobody was faster").is_empty());
}

/// Only what is due in this queue, the longest due first; and how long until the next of the others.
pub async fn q9_due_lists_what_is_due_in_this_queue(c: &Case) {
    let there = c.beside().await;
    assert_eq!(c.broker.due_schedules(&c.queue, 10).await.expect("an answer").next_in, None);
    there.plan(Overlap::Allow).await;
    let now = c.now().await;
    let mut names = Vec::new();
    for (name, due) in [("a", now - 1_000), ("b", now - 60_000), ("c", now + 3_600_000), ("d", now - 7_000), ("e", now - 70_000)] {
        let planned = c.planned(c.schedule(name)).await;
        next_at(&planned, Some(due)).await;
        names.push(planned.schedule.name.clone());
        if name == "e" {
            planned.pause().await;
        }
    }
    next_at(&c.planned(c.schedule("never")).await, None).await;
    let told = c.broker.due_schedules(&c.queue, 10).await.expect("an answer");
    assert!(told.now >= now && told.now <= c.now().await);
    let due: Vec<_> = told.due.iter().map(|state| state.schedule.name.clone()).collect();
    assert_eq!(due, [&names[1], &names[3], &names[0]].map(Name::clone));
    let next_in = told.next_in.expect("c comes later");
    assert!(next_in > LONG / 2 && next_in <= LONG, "{next_in:?}");
    let state = Planned { c, schedule: told.due[0].schedule.clone() }.state().await;
    assert_eq!(shown(&told.due[0]), shown(&state));
    let told = c.broker.due_schedules(&c.queue, 2).await.expect("an answer");
    assert_eq!(told.due.iter().map(|state| &state.schedule.name).collect::<Vec<_>>(), [&names[1], &names[3]]);
    assert_eq!(told.next_in, Some(Duration::ZERO), "more are due");
}

/// A paused one is never due, and due again after its resume.
pub async fn q9_due_is_never_a_paused_one(c: &Case) {
    let planned = c.plan(Overlap::Allow).await;
    let due = async || c.broker.due_schedules(&c.queue, 10).await.expect("an answer");
    assert_eq!(due().await.due.len(), 1);
    planned.pause().await;
    let told = due().await;
    assert!(told.due.is_empty() && told.next_in.is_none());
    planned.change(planned.put()).await;
    assert!(due().await.due.is_empty());
    planned.change(ScheduleChange::Resume).await;
    assert_eq!(due().await.due.len(), 1);
}

/// The queue's tick tells how long a scheduler may sleep.
pub async fn q9_due_is_told_by_the_tick(c: &Case) {
    assert_eq!(c.tick().await.next_schedule, None);
    let planned = c.plan(Overlap::Allow).await;
    assert_eq!(c.tick().await.next_schedule, Some(Duration::ZERO));
    next_at(&planned, Some(c.now().await + 3_600_000)).await;
    let next = c.tick().await.next_schedule.expect("in an hour");
    assert!(next > LONG / 2 && next <= LONG, "{next:?}");
    let sooner = c.planned(c.schedule("sooner")).await;
    next_at(&sooner, Some(c.now().await + 300_000)).await;
    let next = c.tick().await.next_schedule.expect("in five minutes");
    assert!(next > Duration::from_secs(200) && next <= Duration::from_secs(300), "{next:?}");
    sooner.pause().await;
    assert!(c.tick().await.next_schedule.expect("the other") > LONG / 2);
    next_at(&planned, None).await;
    assert_eq!(c.tick().await.next_schedule, None);
}

/// One step: the cursor, the next time, the job under its id, the history.
pub async fn q4_schedule_fire_does_all_in_one_step(c: &Case) {
    let planned = c.plan(Overlap::Skip).await;
    let before = planned.state().await;
    c.pass(Duration::from_millis(20)).await;
    let at = before.cursor + STEP_MS;
    let job = NewJob { tags: vec![Name::literal("t")], ..planned.job(&before, at) };
    let (from, started) = (c.now().await, job.id);
    let turn = Turn::Advance { revision: 1, from: before.cursor, to: at + 5, next_at: Some(at + 77) };
    let record = only(c.fire(planned.decide(&before, turn, vec![tick(at, job)])).await.expect("fired"));
    assert!(record.done_at >= from && record.done_at <= c.now().await);
    let done_at = record.done_at;
    let outcome = TickOutcome::Started;
    assert_eq!(record, TickRecord { at, due_at: at + 7, done_at, outcome, job: Some(started), detail: None, by_hand: false, count: 1 });
    let after = planned.state().await;
    assert_eq!((after.cursor, after.next_at, after.last_job, after.held_job), (at + 5, Some(at + 77), Some(started), None));
    assert_eq!((after.revision, after.changed_at), (1, before.changed_at), "a tick is no change");
    assert_eq!((after.last_tick.as_ref(), planned.ticks().await), (Some(&record), vec![record.clone()]));
    let job = c.get(started).await;
    assert_eq!((job.state, job.tick), (State::Ready, Some(Tick { schedule: planned.schedule.name.clone(), at })));
    assert_eq!(job.tags, [Name::literal("t")]);
    c.ack(&c.one().await, complete()).await;
}

/// A decision that was made from anything but how the schedule stands changes nothing.
pub async fn q4_schedule_stale_decisions_change_nothing(c: &Case) {
    let planned = c.plan(Overlap::Cancel).await;
    planned.fire(2).await;
    let state = planned.state().await;
    let fire = |revision: u64, from: Millis| {
        let turn = Turn::Advance { revision, from, to: state.cursor + STEP_MS, next_at: None };
        let mut fire = planned.decide(&state, turn, planned.next(&state, 1));
        fire.missed = Some(MissedTicks { first: state.cursor, due_at: state.cursor, count: 3 });
        fire
    };
    let right = || fire(state.revision, state.cursor);
    let mut other_life = right();
    other_life.incarnation.0 ^= 1;
    let mut other_name = right();
    other_name.name = c.own("nobody");
    let mut other_tenant = right();
    other_tenant.tenant = Name::literal("two");
    let stale = [fire(state.revision, state.cursor - 1), fire(state.revision, state.cursor + 1), fire(state.revision + 1, state.cursor)];
    for fire in stale.into_iter().chain([other_life, other_name, other_tenant]) {
        let error = c.refused(c.fire(fire.clone())).await;
        assert_eq!(error.code(), Code::ScheduleMoved, "{fire:?}");
    }
    planned.pause().await;
    let mut paused = right();
    paused.turn = Turn::Advance { revision: state.revision + 1, from: state.cursor, to: state.cursor, next_at: Some(1) };
    for fire in [right(), paused] {
        assert_eq!(c.refused(c.fire(fire)).await.code(), Code::ScheduleMoved);
    }
    planned.change(ScheduleChange::Resume).await;
    assert_eq!(c.refused(c.fire(right())).await.code(), Code::ScheduleMoved, "it was changed in between");
    planned.change(ScheduleChange::Remove).await;
    assert_eq!(c.refused(c.fire(right())).await.code(), Code::ScheduleMoved);
    planned.change(planned.put()).await;
    assert_eq!(c.refused(c.fire(right())).await.code(), Code::ScheduleMoved, "another life");
}

/// Any number of schedulers come to the same decision: one of them carries it out, one job per tick.
pub async fn q4_schedule_one_job_per_tick_of_any_number_of_schedulers(c: &Case) {
    let planned = c.plan(Overlap::Allow).await;
    let rounds = 12;
    for _ in 0..rounds {
        let state = planned.state().await;
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..SCHEDULERS {
            let (broker, queue, fire) = (c.broker.clone(), c.queue.clone(), planned.advance(&state, planned.next(&state, 2)));
            calls.spawn(async move { only(broker.fire(&queue, vec![fire]).await.expect("an answer")) });
        }
        let answers = calls.join_all().await;
        let won: Vec<_> = answers.iter().flatten().collect();
        assert_eq!(only(won).len(), 2);
        assert!(answers.iter().flat_map(|answer| answer.as_ref().err()).all(|error| error.code() == Code::ScheduleMoved));
    }
    let stats = c.broker.stats(&Scope::All, &c.queue).await.expect("stats");
    assert_eq!((stats.ready, planned.ticks().await.len()), (2 * rounds, 2 * rounds as usize));
}

/// Whoever lost the reply and repeats the call makes no second job.
pub async fn q4_schedule_a_repeated_fire_makes_no_second_job(c: &Case) {
    let planned = c.plan(Overlap::Skip).await;
    let state = planned.state().await;
    let fire = planned.advance(&state, planned.next(&state, 3));
    c.fire(fire.clone()).await.expect("fired");
    for _ in 0..2 {
        assert_eq!(c.refused(c.fire(fire.clone())).await.code(), Code::ScheduleMoved);
    }
    assert_eq!((c.all().await.len(), planned.ticks().await.len()), (1, 3));
    // The same decision twice in one batch.
    let state = planned.state().await;
    let fire = planned.advance(&state, planned.next(&state, 1));
    let answers = c.broker.fire(&c.queue, vec![fire.clone(), fire]).await.expect("an answer");
    assert!(answers[0].is_ok() && answers[1].as_ref().is_err_and(|error| error.code() == Code::ScheduleMoved));
    assert_eq!(planned.ticks().await.len(), 4);
}

/// Several decisions in one call are each their own.
pub async fn q9_fire_is_per_schedule(c: &Case) {
    let (one, two) = (c.planned(c.schedule("one")).await, c.planned(c.schedule("two")).await);
    let (first, second) = (one.state().await, two.state().await);
    let gone = Planned { c, schedule: c.schedule("gone") };
    let fires = vec![
        one.advance(&first, one.next(&first, 1)),
        gone.advance(&first, gone.next(&first, 1)),
        two.advance(&second, two.next(&second, 2)),
    ];
    let answers = c.broker.fire(&c.queue, fires).await.expect("an answer");
    let told: Vec<_> = answers.iter().map(|answer| answer.as_ref().map(Vec::len).map_err(crate::BrokerError::code)).collect();
    assert_eq!(told, [Ok(1), Err(Code::ScheduleMoved), Ok(2)]);
    assert_eq!((one.ticks().await.len(), two.ticks().await.len()), (1, 2));
}

/// Several ticks in one decision, in their order.
pub async fn q9_fire_carries_ticks_out_in_order(c: &Case) {
    let planned = c.plan(Overlap::Allow).await;
    let state = planned.state().await;
    let fired = planned.fire(4).await;
    let at: Vec<_> = fired.iter().map(|record| record.at).collect();
    assert_eq!(at, [1, 2, 3, 4].map(|step| state.cursor + step * STEP_MS));
    let ids: Vec<_> = fired.iter().filter_map(|record| record.job).collect();
    assert_eq!(c.lease(10).await.iter().map(|lease| lease.job.id).collect::<Vec<_>>(), ids);
    let mut history = planned.ticks().await;
    history.reverse();
    assert_eq!(history, fired);
    let after = planned.state().await;
    assert_eq!((after.cursor, after.last_job, after.last_tick.as_ref()), (at[3], ids.last().copied(), fired.last()));
}

/// As many as one look may carry out.
pub async fn q9_fire_carries_out_as_many_as_allowed(c: &Case) {
    let planned = c.plan(Overlap::Allow).await;
    assert_eq!(planned.fire(FIRE_MOST).await.len(), FIRE_MOST);
    let stats = c.broker.stats(&Scope::All, &c.queue).await.expect("stats");
    assert_eq!(stats.ready, FIRE_MOST as u64);
    assert_eq!(planned.ticks().await.len(), TICKS_KEPT);
}

/// Without ticks it only says when the next one is.
pub async fn q9_fire_without_ticks_sets_the_next_time(c: &Case) {
    let planned = c.plan(Overlap::Allow).await;
    let before = planned.state().await;
    next_at(&planned, Some(before.cursor + 500)).await;
    let after = planned.state().await;
    assert_eq!((after.cursor, after.next_at, after.revision), (before.cursor, Some(before.cursor + 500), 1));
    next_at(&planned, None).await;
    let after = planned.state().await;
    assert_eq!((after.next_at, after.last_tick, after.last_job), (None, None, None));
    assert!(planned.ticks().await.is_empty() && c.all().await.is_empty());
}

/// Missed ticks are one entry, before the others; a tick whose job is refused is one without a job.
pub async fn q9_fire_tells_what_was_missed_and_refused(c: &Case) {
    let planned = c.plan(Overlap::Skip).await;
    let state = planned.state().await;
    let at = state.cursor;
    let refused = FireTick { at: at + 10, due_at: at + 11, job: Err("the kind is not known".into()) };
    let mut fire = planned.advance(&state, vec![refused, tick(at + 20, planned.job(&state, at + 20))]);
    fire.missed = Some(MissedTicks { first: at + 1, due_at: at + 2, count: 4_321 });
    let fired = c.fire(fire).await.expect("fired");
    let told: Vec<_> = fired.iter().map(|r| (r.at, r.due_at, r.outcome, r.count, r.job.is_some(), r.by_hand)).collect();
    assert_eq!(
        told,
        [
            (at + 1, at + 2, TickOutcome::Missed, 4_321, false, false),
            (at + 10, at + 11, TickOutcome::Refused, 1, false, false),
            (at + 20, at + 27, TickOutcome::Started, 1, true, false)
        ]
    );
    assert_eq!(fired.iter().map(|r| r.detail.as_deref()).collect::<Vec<_>>(), [None, Some("the kind is not known"), None]);
    let mut history = planned.ticks().await;
    history.reverse();
    assert_eq!(history, fired);
    let state = planned.state().await;
    let mut only_missed = planned.advance(&state, vec![]);
    only_missed.missed = Some(MissedTicks { first: at + 30, due_at: at + 30, count: 1 });
    c.fire(only_missed).await.expect("fired");
    let last = planned.state().await.last_tick.expect("an entry");
    assert_eq!((last.outcome, last.at), (TickOutcome::Missed, at + 30));
    assert_eq!(c.all().await.len(), 1);
}

/// What an enqueue would refuse is Refused, and cancels nobody.
pub async fn q9_fire_refuses_what_an_enqueue_refuses(c: &Case) {
    let planned = c.plan(Overlap::Cancel).await;
    let ran = planned.run().await;
    let (there, state) = (c.beside().await, planned.state().await);
    let at = state.cursor + 1;
    let far = NewJob { id: there.id(), queue: there.queue.clone(), ..planned.job(&state, at) };
    let mut ticks = vec![tick(at, far)];
    if c.broker.durability() == Durability::Fast {
        let policy = Policy { repeatable: false, ..Policy::default() };
        ticks.push(tick(at + 1, NewJob { policy, ..planned.job(&state, at + 1) }));
    }
    for record in c.fire(planned.advance(&state, ticks)).await.expect("fired") {
        assert_eq!((record.outcome, record.job), (TickOutcome::Refused, None));
        assert!(record.detail.is_some_and(|detail| !detail.is_empty()));
    }
    assert_eq!((c.state(ran).await, planned.state().await.last_job), (State::Ready, Some(ran)));
    assert!(there.all().await.is_empty());
}

/// A unique key that is taken leads to the job that has it.
pub async fn q9_fire_merges_by_the_unique_key(c: &Case) {
    let unique = Some(Unique { key: "k".into(), mode: UniqueMode::Keep });
    let holder = c.put(NewJob { unique: unique.clone(), ..c.job() }).await;
    let planned = c.plan(Overlap::Skip).await;
    let state = planned.state().await;
    let at = state.cursor + 1;
    let job = || NewJob { unique: unique.clone(), ..planned.job(&state, at) };
    let record = only(c.fire(planned.advance(&state, vec![tick(at, job())])).await.expect("fired"));
    assert_eq!((record.outcome, record.job), (TickOutcome::Merged, Some(holder)));
    let after = planned.state().await;
    assert_eq!((after.last_job, after.held_job, after.cursor), (None, None, at));
    assert_eq!((c.all().await.len(), c.get(holder).await.tick), (1, None));
    c.cancel(holder).await.expect("cancelled");
    let job = NewJob { unique: unique.clone(), ..planned.job(&after, at + 1) };
    let record = only(c.fire(planned.advance(&after, vec![tick(at + 1, job)])).await.expect("fired"));
    assert_eq!(record.outcome, TickOutcome::Started, "the key is free");
}

/// A tick whose job is there already, from a backfill, makes no second one and stands behind nobody.
pub async fn q9_fire_finds_the_job_that_is_there(c: &Case) {
    let planned = c.plan(Overlap::Skip).await;
    let ran = planned.run().await;
    let state = planned.state().await;
    let ready = planned.job(&state, state.cursor + 1);
    let waiting = NewJob { wait: Some(super::for_signal("go")), ..planned.job(&state, state.cursor + 2) };
    let ticks = vec![tick(state.cursor + 1, ready.clone()), tick(state.cursor + 2, waiting.clone())];
    let ids = [c.put(ready).await, c.put(waiting).await];
    let fired = c.fire(planned.advance(&state, ticks)).await.expect("fired");
    let told: Vec<_> = fired.iter().map(|record| (record.outcome, record.job)).collect();
    assert_eq!(told, [(TickOutcome::Started, Some(ids[0])), (TickOutcome::Held, Some(ids[1]))]);
    let after = planned.state().await;
    assert_eq!((after.last_job, after.held_job, c.all().await.len()), (Some(ran), None, 3));
    assert_eq!(planned.ticks().await.len(), 3);
}

/// By hand: the cursor stays, also while it is paused; the overlap rule holds; a repeat adds nothing.
pub async fn q9_by_hand_runs_beside_the_cursor(c: &Case) {
    let planned = c.plan(Overlap::Skip).await;
    planned.pause().await;
    let before = planned.state().await;
    let at = c.now().await;
    let job = NewJob { tick: Some(Tick { schedule: planned.schedule.name.clone(), at }), ..c.job() };
    let record = planned.by_hand(job.clone(), at).await.expect("ran");
    assert_eq!((record.outcome, record.job, record.by_hand, record.at), (TickOutcome::Started, Some(job.id), true, at));
    let after = planned.state().await;
    assert_eq!((after.cursor, after.next_at, after.revision, after.paused.is_some()), (before.cursor, None, before.revision, true));
    assert_eq!((after.last_job, after.last_tick.as_ref()), (Some(job.id), Some(&record)));
    assert_eq!(c.get(job.id).await.tick, job.tick);
    let again = c.unchanged(planned.by_hand(job.clone(), at)).await.expect("again");
    assert_eq!((again.outcome, again.job, again.by_hand), (TickOutcome::Started, Some(job.id), true));
    let overlapped = planned.by_hand(c.job(), at + 1).await.expect("decided");
    assert_eq!((overlapped.outcome, overlapped.job, overlapped.by_hand), (TickOutcome::Overlapped, None, true));
    assert_eq!((planned.ticks().await.len(), c.all().await.len()), (2, 1));
    planned.change(ScheduleChange::Resume).await;
    assert_eq!(planned.once().await.outcome, TickOutcome::Overlapped, "a run by hand is the run before");
    c.ack(&c.one().await, complete()).await;
    let later = c.unchanged(planned.by_hand(job.clone(), at)).await.expect("a late repeat");
    assert_eq!((later.outcome, later.job), (TickOutcome::Started, Some(job.id)));
    assert_eq!(planned.once().await.outcome, TickOutcome::Started);
}

/// By hand: a held run, its repeat; and no run of another life or of none.
pub async fn q9_by_hand_may_be_held_and_refused(c: &Case) {
    let planned = c.plan(Overlap::Wait).await;
    let ran = planned.run().await;
    let job = c.job();
    let held = planned.by_hand(job.clone(), 5).await.expect("decided");
    assert_eq!((held.outcome, held.job, c.state(job.id).await), (TickOutcome::Held, Some(job.id), State::Waiting));
    let again = c.unchanged(planned.by_hand(job.clone(), 5)).await.expect("again");
    assert_eq!((again.outcome, again.job), (TickOutcome::Held, Some(job.id)));
    let state = planned.state().await;
    assert_eq!((state.last_job, state.held_job), (Some(ran), Some(job.id)));
    let mut fire = planned.decide(&state, Turn::ByHand, vec![tick(9, c.job())]);
    fire.incarnation.0 ^= 1;
    assert_eq!(c.refused(c.fire(fire)).await.code(), Code::ScheduleMoved);
    planned.change(ScheduleChange::Remove).await;
    let fire = planned.decide(&state, Turn::ByHand, vec![tick(9, c.job())]);
    assert_eq!(c.refused(c.fire(fire)).await.code(), Code::ScheduleMoved);
}

/// Newest first, so many; the oldest go.
pub async fn q9_history_keeps_the_newest(c: &Case) {
    let planned = c.plan(Overlap::Allow).await;
    let first = planned.state().await.cursor;
    let rounds: Millis = 7;
    for round in 0..rounds {
        let state = planned.state().await;
        let refused = |step: Millis| FireTick { at: first + round * 20 + step, due_at: first, job: Err("no".into()) };
        let mut fire = planned.advance(&state, (1..20).map(refused).collect());
        fire.missed = Some(MissedTicks { first: first + round * 20, due_at: first, count: 500 });
        c.fire(fire).await.expect("fired");
    }
    let wanted: Vec<_> = (0..rounds * 20).rev().map(|step| first + step).take(TICKS_KEPT).collect();
    let told = planned.ticks().await;
    assert_eq!(told.iter().map(|record| record.at).collect::<Vec<_>>(), wanted);
    let (tenant, name) = (&planned.schedule.tenant, &planned.schedule.name);
    for limit in [1, 7, TICKS_KEPT] {
        let some = c.broker.ticks(&Scope::All, tenant, name, limit).await.expect("a history");
        assert_eq!(some, told[..limit]);
    }
    assert_eq!(planned.state().await.last_tick.as_ref(), told.first());
}

/// A job tells its tick to whoever reads it; a replay stands for the same one.
pub async fn q9_history_the_job_names_its_tick(c: &Case) {
    let planned = c.plan(Overlap::Allow).await;
    let id = planned.run().await;
    let tick = Some(Tick { schedule: planned.schedule.name.clone(), at: planned.state().await.cursor });
    let plain = c.put(NewJob { kind: c.own("plain"), ..c.job() }).await;
    assert_eq!((c.get(id).await.tick, c.get(plain).await.tick), (tick.clone(), None));
    let lease = c.one().await;
    assert_eq!((lease.job.id, &lease.job.tick), (id, &tick));
    c.ack(&lease, dead()).await;
    let replay = Replay { id, new_id: c.id(), args: None };
    let new = only(c.broker.replay(&Scope::All, vec![replay]).await.expect("an answer")).expect("replayed");
    assert_eq!(c.get(new).await.tick, tick);
    let filter = Filter { queue: Some(c.queue.clone()), ..Filter::default() };
    let listed = c.broker.list(&Scope::All, &filter, 100, None).await.expect("a page").items;
    let of = |id: JobId| listed.iter().find(|job| job.id == id).map(|job| job.tick.clone());
    assert_eq!((of(id), of(new), of(plain)), (Some(tick.clone()), Some(tick), Some(None)));
}

/// Whoever waits for work hears of a tick, and of the end of a run that another one was held for.
pub async fn q7_wake_ups_come_with_ticks(c: &Case) {
    let planned = c.plan(Overlap::Wait).await;
    assert!(c.lease(1).await.is_empty());
    wakes(c, "a tick", planned.run()).await;
    let lease = c.one().await;
    planned.run().await;
    assert!(c.lease(1).await.is_empty(), "the next one is held");
    wakes(c, "the end of the run before", c.ack(&lease, complete())).await;
    c.ack(&c.one().await, complete()).await;
    assert!(c.lease(1).await.is_empty());
    wakes(c, "a run by hand", planned.by_hand(c.job(), 5)).await;
}

/// A schedule that was put with another name does not meddle with its neighbour.
pub async fn q9_fire_leaves_the_neighbours_alone(c: &Case) {
    let (one, two) = (c.planned(Schedule { overlap: Overlap::Skip, ..c.schedule("a") }).await, c.planned(c.schedule("a.b")).await);
    one.run().await;
    let before = shown(&one.state().await);
    two.fire(2).await;
    two.change(pause("why")).await;
    two.change(ScheduleChange::Remove).await;
    assert_eq!((shown(&one.state().await), one.ticks().await.len()), (before, 1));
    assert_eq!(one.once().await.outcome, TickOutcome::Overlapped);
}
