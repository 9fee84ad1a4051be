//! Schedules on a walk: put, paused, resumed, removed, fired and run by hand; and jobs that wait for the end of others.

use super::ops::{Decision, Plan, SCHEDULES, Timed as To};
use super::walker::{Stop, Walker, same};
use longshore_base::{Millis, Name};
use longshore_queue::{
    Due, Fire, FireTick, Gap, Incarnation, JobId, MissedTicks, NewJob, Overlap, Pause, RepeatedHour, Schedule, ScheduleChange,
    ScheduleState, Scope, Tick, TickRecord, Timing, Turn, Wait, WaitOn, WaitPolicy, conformance::args, conformance::only,
};
use std::fmt::Debug;

/// What a walk remembers of its schedules.
#[derive(Debug, Default)]
pub(super) struct Timed {
    /// Counts ticks and lives, so that each is its own; both clocks are far from it.
    number: u16,
    /// The last run by hand of each schedule.
    by_hand: [Option<FireTick>; SCHEDULES as usize],
    put: bool,
}

impl Walker {
    fn schedule_name(&self, schedule: u8) -> Name {
        self.case.own(&format!("s{schedule}"))
    }

    fn schedule(&self, schedule: u8, overlap: Overlap) -> Schedule {
        let timing = Timing {
            when: longshore_queue::When::EveryMs(1_000),
            timezone: "UTC".into(),
            gap: Gap::Next,
            repeated_hour: RepeatedHour::Once,
            spread_ms: 0,
            starts_at: None,
            ends_at: None,
        };
        Schedule {
            name: self.schedule_name(schedule),
            tenant: tenant(),
            timing,
            kind: Name::literal("walk.a"),
            args: args("tick"),
            queue: self.case.queue.clone(),
            client: None,
            priority: None,
            tags: vec![],
            missed: longshore_queue::Missed::Latest,
            overlap,
            managed_by: None,
        }
    }

    /// A schedule is changed here and there.
    pub(super) async fn reschedule(&mut self, schedule: u8, to: To, expected: Option<bool>) -> Result<(), Stop> {
        let (now, name) = (self.case.now().await, self.schedule_name(schedule));
        self.timed.number += 1;
        let change = match to {
            To::Put(overlap) => ScheduleChange::Put {
                schedule: Box::new(self.schedule(schedule, overlap)),
                paused: None,
                incarnation: Incarnation(u128::from(self.timed.number)),
            },
            To::Pause => {
                let reason = Some(format!("pause {}", self.timed.number));
                ScheduleChange::Pause(Pause { until: None, reason, by: None })
            }
            To::Resume => ScheduleChange::Resume,
            To::Remove => ScheduleChange::Remove,
        };
        let current = self.world.find_schedule(&Scope::All, &tenant(), &name).map_or(0, |state| state.revision);
        let expected = expected.map(|right| if right { current } else { current + 1 });
        let told = self.case.broker.schedule(&tenant(), &name, change.clone(), expected).await;
        let ours = self.world.schedule(now, &tenant(), &name, change, expected);
        self.timed.put |= ours.is_ok();
        same(told.map(|state| shown(&state)), ours.map(|state| shown(&state)))
    }

    /// A decision here and there, each made from how the schedule stands on its side.
    pub(super) async fn fire(&mut self, decision: &Decision) -> Result<(), Stop> {
        // What is due is over on both sides, as the overlap rule looks at it.
        self.tick().await;
        let (now, name) = (self.case.now().await, self.schedule_name(decision.schedule));
        let all = Scope::All;
        let theirs = self.case.broker.find_schedule(&all, &tenant(), &name).await.map_err(|error| error.to_string())?;
        let ours = self.world.find_schedule(&all, &tenant(), &name);
        let (Some(theirs), Some(ours)) = (theirs, ours) else { return Ok(()) };
        let last = &mut self.timed.by_hand[usize::from(decision.schedule)];
        // How long the id of a job that was purged is remembered is a matter of each broker's own.
        let there = |tick: &FireTick| tick.job.as_ref().is_ok_and(|job| self.world.record(job.id).is_some());
        let again = last.take().filter(|tick| decision.by_hand && decision.again && there(tick));
        let ticks = match again {
            Some(tick) => vec![tick],
            None => decision.ticks.iter().map(|plan| self.next_tick(&ours, plan.as_ref(), now)).collect(),
        };
        if decision.by_hand {
            self.timed.by_hand[usize::from(decision.schedule)] = ticks.first().cloned();
        }
        let (of_broker, of_model) = (decided(decision, &theirs, &ticks, now), decided(decision, &ours, &ticks, now));
        let told = only(self.case.broker.fire(&self.case.queue, vec![of_broker]).await.map_err(|error| error.to_string())?);
        let ours = self.world.fire(now, &self.case.queue.clone(), of_model);
        let made: Vec<JobId> = ours.iter().flatten().filter_map(|record| record.job).collect();
        for id in made {
            if !self.ids.contains(&id) {
                self.ids.push(id);
            }
        }
        let lines = |fired: Vec<TickRecord>| fired.iter().map(line).collect::<Vec<_>>();
        same(told.map(lines), ours.map(lines))?;
        self.compare_history(decision.schedule).await
    }

    fn next_tick(&mut self, state: &ScheduleState, plan: Option<&Plan>, now: Millis) -> FireTick {
        self.timed.number += 1;
        let at = Millis::from(self.timed.number) * 1_000;
        let job = plan.map(|plan| {
            let id = JobId::derived(at, self.case.home, &state.incarnation.seed(at));
            let tick = Some(Tick { schedule: state.schedule.name.clone(), at });
            Box::new(NewJob { id, tenant: tenant(), tick, wait: None, ..self.job(plan, now) })
        });
        FireTick { at, due_at: at, job: job.ok_or_else(|| "no job".to_owned()) }
    }

    /// A job waits for the end of another one.
    pub(super) async fn follow(&mut self, id: JobId, plan: &Plan) -> Result<(), Stop> {
        self.tick().await;
        let now = self.case.now().await;
        let wait = Wait { on: WaitOn::Job(id), timeout: None, on_timeout: WaitPolicy::Ignore, on_child_failed: WaitPolicy::Ignore };
        let job = NewJob { wait: Some(wait), due: Due::Now, ..self.job(plan, now) };
        self.enqueue(job, now).await
    }

    /// Every schedule stands alike, and the same ones are due.
    pub(super) async fn compare_schedules(&mut self) -> Result<(), Stop> {
        if !self.timed.put {
            return Ok(());
        }
        for schedule in 0..SCHEDULES {
            let name = self.schedule_name(schedule);
            let told = self.case.broker.find_schedule(&Scope::All, &tenant(), &name).await.map_err(|error| error.to_string())?;
            let told = told.as_ref().map(shown);
            let ours = self.world.find_schedule(&Scope::All, &tenant(), &name).as_ref().map(shown);
            if told != ours {
                return Err(format!("{name} differs:\n  broker {told:?}\n  model  {ours:?}"));
            }
        }
        let due = |due: longshore_queue::DueSchedules| {
            let mut names: Vec<_> = due.due.into_iter().map(|state| state.schedule.name).collect();
            names.sort();
            (names, due.next_in.is_some())
        };
        let told = due(self.case.broker.due_schedules(&self.case.queue, 10).await.map_err(|error| error.to_string())?);
        let ours = due(self.world.due_schedules(self.case.now().await, &self.case.queue, 10));
        if told == ours { Ok(()) } else { Err(format!("due:\n  broker {told:?}\n  model  {ours:?}")) }
    }

    async fn compare_history(&self, schedule: u8) -> Result<(), Stop> {
        let name = self.schedule_name(schedule);
        let told = self.case.broker.ticks(&Scope::All, &tenant(), &name, 1_000).await.map_err(|error| error.to_string())?;
        let ours = self.world.ticks(&Scope::All, &tenant(), &name, 1_000);
        let (told, ours): (Vec<_>, Vec<_>) = (told.iter().map(line).collect(), ours.iter().map(line).collect());
        if told == ours { Ok(()) } else { Err(format!("the history of {name}:\n  broker {told:?}\n  model  {ours:?}")) }
    }
}

fn tenant() -> Name {
    Name::literal("t0")
}

/// The decision as it looks from one side.
fn decided(decision: &Decision, state: &ScheduleState, ticks: &[FireTick], now: Millis) -> Fire {
    let stale = |which: u8| u8::from(decision.stale == Some(which));
    let next_at = decision.next.map(|when| now + Millis::try_from(when.after().as_millis()).unwrap_or(0) - 1);
    let from = state.cursor - Millis::from(stale(1));
    let turn = match decision.by_hand {
        true => Turn::ByHand,
        false => Turn::Advance { revision: state.revision + u64::from(stale(0)), from, to: from + 10, next_at },
    };
    let missed = decision.missed.then_some(MissedTicks { first: 7, due_at: 8, count: 9 });
    let incarnation = Incarnation(state.incarnation.0 + u128::from(stale(2)));
    Fire { tenant: tenant(), name: state.schedule.name.clone(), incarnation, turn, missed, ticks: ticks.to_vec() }
}

/// What can be seen of a schedule and does not depend on the two clocks.
fn shown(state: &ScheduleState) -> impl PartialEq + Debug + use<> {
    let jobs = (state.last_job, state.held_job);
    let paused = state.paused.clone().map(|pause| pause.reason);
    (state.revision, state.incarnation, paused, state.next_at.is_some(), jobs, state.schedule.overlap, state.last_tick.as_ref().map(line))
}

/// One line of a history, without the server's time and the words.
fn line(record: &TickRecord) -> impl PartialEq + Debug + use<> {
    (record.at, record.due_at, record.outcome, record.job, record.by_hand, record.count)
}
