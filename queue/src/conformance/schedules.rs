//! Schedules as people see and change them.

use super::planned::{Planned, every, pause, shown};
use super::{Case, complete};
use crate::{
    Gap, Missed, Overlap, Priority, RepeatedHour, Schedule, ScheduleChange, ScheduleFilter, Scope, State, TickOutcome, Timing, When,
};
use longshore_base::{Code, Name};
use std::time::Duration;

const A_WHILE: Duration = Duration::from_millis(20);

/// Put makes one that the scheduler looks at at once, and everything that it says comes back.
pub async fn q9_schedules_put_makes_one(c: &Case) {
    let timing = Timing {
        when: When::Cron("*/5 8-18 * * 1-5".into()),
        timezone: "Europe/Berlin".into(),
        gap: Gap::Skip,
        repeated_hour: RepeatedHour::Twice,
        spread_ms: 90_000,
        starts_at: Some(1_700_000_000_000),
        ends_at: Some(4_000_000_000_000),
    };
    let schedule = Schedule {
        timing,
        client: Some(Name::literal("acme")),
        priority: Priority::new(8),
        tags: vec![Name::literal("a"), Name::literal("b")],
        missed: Missed::All(7),
        overlap: Overlap::Cancel,
        managed_by: Some(Name::literal("file.toml")),
        ..c.schedule("full")
    };
    let before = c.now().await;
    let planned = Planned { c, schedule };
    assert!(planned.find().await.is_none());
    let made = planned.change(planned.put()).await;
    let after = c.now().await;
    assert!((before..=after).contains(&made.created_at), "{} in {before}..={after}", made.created_at);
    assert_eq!((made.revision, made.cursor, made.changed_at, made.next_at), (1, made.created_at, made.created_at, Some(made.created_at)));
    assert_eq!((&made.paused, made.last_job, made.held_job, &made.last_tick), (&None, None, None, &None));
    assert_eq!(format!("{:?}", made.schedule), format!("{:?}", planned.schedule));
    assert_eq!(shown(&planned.state().await), shown(&made));
    assert!(planned.ticks().await.is_empty());
}

/// One that is put paused waits for a resume.
pub async fn q9_schedules_put_may_pause(c: &Case) {
    let planned = Planned { c, schedule: c.schedule("paused") };
    let ScheduleChange::Put { schedule, incarnation, .. } = planned.put() else { panic!("a put") };
    let ScheduleChange::Pause(why) = pause("not yet") else { panic!("a pause") };
    let made = planned.change(ScheduleChange::Put { schedule, incarnation, paused: Some(why.clone()) }).await;
    assert_eq!((made.revision, made.next_at, &made.paused), (1, None, &Some(why)));
    let other = planned.with(|schedule| schedule.overlap = Overlap::Skip);
    let again = other.change(other.put()).await;
    assert_eq!((again.revision, again.next_at, again.paused.is_some()), (2, None, true), "a put does not resume");
    let running = c.planned(c.schedule("running")).await;
    let ScheduleChange::Put { schedule, incarnation, .. } = running.put() else { panic!("a put") };
    let stopped = running.change(ScheduleChange::Put { schedule, incarnation, paused: Some(made.paused.expect("it is")) }).await;
    assert_eq!((stopped.revision, stopped.next_at, stopped.paused.is_some()), (2, None, true));
}

/// Put again keeps the life that the schedule has, and takes over what is new.
pub async fn q9_schedules_put_again_keeps_its_life(c: &Case) {
    let planned = c.plan(Overlap::Wait).await;
    let ran = planned.run().await;
    let held = planned.run().await;
    let before = planned.state().await;
    let history = planned.ticks().await;
    let other = planned.with(|schedule| schedule.tags = vec![Name::literal("new")]);
    c.pass(A_WHILE).await;
    let after = other.change(other.put()).await;
    assert_eq!((after.revision, after.incarnation, after.created_at), (2, before.incarnation, before.created_at));
    assert_eq!((after.last_job, after.held_job, &after.last_tick), (Some(ran), Some(held), &before.last_tick));
    assert_eq!(after.schedule.tags, [Name::literal("new")]);
    assert!(after.changed_at > before.changed_at);
    assert_eq!(after.next_at, Some(after.changed_at), "the scheduler works it out anew");
    assert_eq!(other.ticks().await, history);
    assert_eq!(shown(&other.state().await), shown(&after));
}

/// Ticks that are due stay due unless the timing changes; what is done with stays so.
pub async fn q9_schedules_put_moves_the_cursor_with_the_timing_only(c: &Case) {
    let planned = c.plan(Overlap::Allow).await;
    let made = planned.state().await;
    c.pass(A_WHILE).await;
    let other = planned.with(|schedule| (schedule.missed, schedule.overlap) = (Missed::Skip, Overlap::Skip));
    assert_eq!(other.change(other.put()).await.cursor, made.cursor);
    let other = planned.with(|schedule| schedule.timing = every(7_000));
    let moved = other.change(other.put()).await;
    assert_eq!(moved.cursor, moved.changed_at);
    assert!(moved.cursor > made.cursor);
    other.run().await;
    let ahead = other.state().await.cursor;
    assert!(ahead > moved.cursor);
    let other = planned.with(|schedule| schedule.timing.timezone = "Asia/Tokyo".into());
    let again = other.change(other.put()).await;
    assert_eq!(again.cursor, ahead, "it only grows");
    assert_eq!(again.next_at, Some(again.changed_at));
}

/// A change that was made from another revision changes nothing.
pub async fn q9_schedules_have_revisions(c: &Case) {
    let planned = Planned { c, schedule: c.schedule("plan") };
    assert_eq!(c.refused(planned.try_change(planned.put(), Some(3))).await.code(), Code::ScheduleMismatch);
    planned.try_change(planned.put(), Some(0)).await.expect("there is none");
    for expected in [0, 2, 77] {
        for change in [planned.put(), pause("no"), ScheduleChange::Resume, ScheduleChange::Remove] {
            assert_eq!(c.refused(planned.try_change(change, Some(expected))).await.code(), Code::ScheduleMismatch);
        }
    }
    let mut revision = 1;
    for change in [planned.put(), pause("why"), pause("other"), ScheduleChange::Resume] {
        let state = planned.try_change(change, Some(revision)).await.expect("the current revision");
        revision += 1;
        assert_eq!(state.revision, revision);
    }
    assert_eq!(planned.try_change(ScheduleChange::Remove, Some(revision)).await.expect("removed").revision, revision);
}

/// Pause stops it, and takes the newest reason; resume leaves out what would have ticked meanwhile.
pub async fn q9_schedules_pause_and_resume(c: &Case) {
    let planned = c.plan(Overlap::Allow).await;
    let made = planned.state().await;
    let paused = planned.pause().await;
    assert_eq!((paused.revision, paused.next_at, paused.cursor), (2, None, made.cursor));
    assert_eq!(paused.paused.as_ref().map(|why| (why.reason.as_deref(), why.by.as_deref())), Some((Some("a reason"), Some("somebody"))));
    let again = planned.change(pause("another")).await;
    assert_eq!((again.revision, again.paused.and_then(|why| why.reason).as_deref()), (3, Some("another")));
    c.pass(A_WHILE).await;
    let resumed = planned.change(ScheduleChange::Resume).await;
    assert_eq!((resumed.revision, &resumed.paused, resumed.next_at), (4, &None, Some(resumed.changed_at)));
    assert!(resumed.cursor == resumed.changed_at && resumed.cursor > made.cursor);
    let same = c.unchanged(planned.change(ScheduleChange::Resume)).await;
    assert_eq!(shown(&same), shown(&resumed));
    planned.run().await;
    let ahead = planned.state().await.cursor;
    planned.pause().await;
    assert_eq!(planned.change(ScheduleChange::Resume).await.cursor, ahead, "it only grows");
}

/// What is not there cannot be changed, and is told so.
pub async fn q9_schedules_absent_ones_are_not_found(c: &Case) {
    let planned = Planned { c, schedule: c.schedule("nobody") };
    for expected in [None, Some(1)] {
        for change in [pause("no"), ScheduleChange::Resume, ScheduleChange::Remove] {
            assert_eq!(c.refused(planned.try_change(change, expected)).await.code(), Code::ScheduleNotFound);
        }
    }
    assert!(planned.find().await.is_none());
    assert!(planned.ticks().await.is_empty());
}

/// Remove leaves the jobs alone, and lets a held one start when its turn comes. Made anew it has another life.
pub async fn q9_schedules_removed_leave_their_jobs(c: &Case) {
    let planned = c.plan(Overlap::Wait).await;
    let ran = planned.run().await;
    let held = planned.run().await;
    let lease = c.one().await;
    let last = planned.state().await;
    let told = planned.change(ScheduleChange::Remove).await;
    assert_eq!(shown(&told), shown(&last), "how it last stood");
    assert!(planned.find().await.is_none() && planned.ticks().await.is_empty());
    assert!(c.broker.due_schedules(&c.queue, 10).await.expect("an answer").due.is_empty());
    assert_eq!((c.state(ran).await, c.state(held).await), (State::Running, State::Waiting));
    let anew = planned.try_change(planned.put(), Some(0)).await.expect("the name is free");
    assert_ne!(anew.incarnation, last.incarnation);
    assert_eq!((anew.revision, anew.last_job, anew.held_job, &anew.last_tick), (1, None, None, &None));
    assert!(planned.ticks().await.is_empty());
    c.ack(&lease, complete()).await;
    assert_eq!(c.one().await.job.id, held);
    assert_eq!(planned.once().await.outcome, TickOutcome::Started, "its jobs are its own");
}

/// In another queue it lives on, and ticks there only.
pub async fn q9_schedules_move_to_another_queue(c: &Case) {
    let there = c.beside().await;
    let planned = c.plan(Overlap::Skip).await;
    let ran = planned.run().await;
    let (before, history) = (planned.state().await, planned.ticks().await);
    let moved = Planned { c: &there, schedule: Schedule { queue: there.queue.clone(), ..planned.schedule.clone() } };
    let after = moved.change(moved.put()).await;
    assert_eq!((after.revision, after.incarnation, after.created_at), (2, before.incarnation, before.created_at));
    assert_eq!((after.cursor, after.next_at), (before.cursor.max(after.changed_at), Some(after.changed_at)));
    assert_eq!((&after.schedule.queue, &after.last_tick), (&there.queue, &before.last_tick));
    assert_eq!(moved.ticks().await, history);
    assert!(c.broker.due_schedules(&c.queue, 10).await.expect("an answer").due.is_empty());
    assert_eq!(c.tick().await.next_schedule, None);
    assert_eq!(there.broker.due_schedules(&there.queue, 10).await.expect("an answer").due.len(), 1);
    let stale = planned.advance(&after, planned.next(&after, 1));
    assert_eq!(c.refused(c.fire(stale)).await.code(), Code::ScheduleMoved);
    assert_eq!(c.state(ran).await, State::Ready);
    let first = moved.once().await;
    assert_eq!(first.outcome, TickOutcome::Started, "a run of another queue stands in nobody's way");
    assert_eq!(there.get(first.job.expect("a job")).await.queue, there.queue);
    assert_eq!(moved.ticks().await.len(), 2);
    let back = planned.change(planned.put()).await;
    assert_eq!((back.revision, back.incarnation), (3, before.incarnation));
    assert!(there.broker.due_schedules(&there.queue, 10).await.expect("an answer").due.is_empty());
    let state = planned.state().await;
    assert_eq!((state.last_job, state.held_job), (None, None));
}

/// The same name in two tenants is two schedules.
pub async fn q9_schedules_belong_to_their_tenant(c: &Case) {
    let one = c.plan(Overlap::Allow).await;
    let two = one.with(|schedule| schedule.tenant = Name::literal("two"));
    assert!(two.find().await.is_none());
    two.try_change(two.put(), Some(0)).await.expect("another tenant's name");
    two.pause().await;
    assert!(one.state().await.paused.is_none());
    let job = two.job(&two.state().await, 5);
    two.by_hand(job, 5).await.expect("ran");
    assert_eq!((one.ticks().await.len(), two.ticks().await.len()), (0, 1));
    let (own, other) = (Scope::Tenant(Name::literal("two")), Scope::Tenant(Name::literal("one")));
    let (tenant, name) = (&two.schedule.tenant, &two.schedule.name);
    assert!(c.broker.find_schedule(&own, tenant, name).await.expect("an answer").is_some());
    assert!(c.broker.find_schedule(&other, tenant, name).await.expect("an answer").is_none());
    assert_eq!(c.broker.ticks(&own, tenant, name, 9).await.expect("an answer").len(), 1);
    assert!(c.broker.ticks(&other, tenant, name, 9).await.expect("an answer").is_empty());
    two.change(ScheduleChange::Remove).await;
    assert!(one.find().await.is_some());
}

/// Pages by (tenant, name), over queues, by filter and as far as the scope sees.
pub async fn q9_schedules_listed_page_by_page(c: &Case) {
    let there = c.beside().await;
    let short = c.own("t");
    // A tenant whose name goes on where another's ends, with a byte that sorts before most separators.
    let long = Name::new(format!("{short}-x")).expect("a name");
    let mut wanted = Vec::new();
    for (number, (tenant, name)) in
        [(&long, "b"), (&short, "z"), (&short, "B"), (&short, "a"), (&long, "a-1"), (&long, "a")].iter().enumerate()
    {
        let case = if number % 2 == 0 { c } else { &there };
        let managed_by = (number < 3).then(|| c.own("file"));
        let schedule = Schedule { tenant: (*tenant).clone(), name: Name::new(*name).expect("a name"), managed_by, ..case.schedule("x") };
        case.planned(schedule.clone()).await;
        wanted.push(schedule);
    }
    wanted.sort_by(|a, b| (&a.tenant, &a.name).cmp(&(&b.tenant, &b.name)));
    let of = |keep: &dyn Fn(&Schedule) -> bool| -> Vec<_> {
        wanted.iter().filter(|schedule| keep(schedule)).map(|schedule| (schedule.tenant.clone(), schedule.name.clone())).collect()
    };
    let any = ScheduleFilter::default;
    let all = pages(c, &Scope::All, &any(), 1_000).await;
    let own: Vec<_> = all.iter().filter(|(tenant, _)| *tenant == short || *tenant == long).cloned().collect();
    assert_eq!(own, of(&|_| true));
    assert!(all.is_sorted(), "by (tenant, name)");
    for limit in [1, 2, 1_000] {
        let tenant = Scope::Tenant(short.clone());
        assert_eq!(pages(c, &tenant, &any(), limit).await, of(&|schedule| schedule.tenant == short));
        let foreign = ScheduleFilter { tenant: Some(long.clone()), ..any() };
        assert!(pages(c, &tenant, &foreign, limit).await.is_empty());
        assert_eq!(pages(c, &Scope::All, &foreign, limit).await, of(&|schedule| schedule.tenant == long));
        let queue = ScheduleFilter { queue: Some(there.queue.clone()), ..any() };
        assert_eq!(pages(c, &Scope::All, &queue, limit).await, of(&|schedule| schedule.queue == there.queue));
        let file = ScheduleFilter { managed_by: Some(c.own("file")), ..any() };
        assert_eq!(pages(c, &Scope::All, &file, limit).await, of(&|schedule| schedule.managed_by.is_some()));
    }
    let wrong = c.broker.schedules(&Scope::All, &any(), 10, Some("no cursor")).await;
    assert!(wrong.is_err_and(|error| !error.is_transient()));
}

async fn pages(c: &Case, scope: &Scope, filter: &ScheduleFilter, limit: usize) -> Vec<(Name, Name)> {
    let (mut found, mut cursor) = (Vec::new(), None);
    for _ in 0..10_000 {
        let page = c.broker.schedules(scope, filter, limit, cursor.as_deref()).await.expect("a page");
        assert!(page.items.len() <= limit);
        found.extend(page.items.into_iter().map(|state| (state.schedule.tenant, state.schedule.name)));
        cursor = page.cursor;
        if cursor.is_none() {
            return found;
        }
    }
    panic!("the list of schedules has no end");
}

/// A process that starts later finds them as they stand.
pub async fn q9_schedules_survive_a_restart(c: &Case) {
    let planned = c.plan(Overlap::Wait).await;
    planned.fire(3).await;
    planned.pause().await;
    let later = c.fixture.reopened().await;
    let (tenant, name) = (&planned.schedule.tenant, &planned.schedule.name);
    let there = later.find_schedule(&Scope::All, tenant, name).await.expect("an answer").expect("it is there");
    assert_eq!(shown(&there), shown(&planned.state().await));
    assert_eq!(later.ticks(&Scope::All, tenant, name, 100).await.expect("a history"), planned.ticks().await);
}
