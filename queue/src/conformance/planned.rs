//! A schedule of one case, and short words for what schedulers and people do with it.

use super::{Case, KIND, args, only};
use crate::{
    BrokerError, Fire, FireTick, Fired, Gap, Incarnation, JobId, Missed, NewJob, Overlap, Pause, RepeatedHour, Schedule, ScheduleChange,
    ScheduleState, Scope, Tick, TickRecord, Timing, Turn, When,
};
use longshore_base::{Millis, Name};

/// Between two ticks of a case, in milliseconds. The broker computes none, so a case may choose them as it likes.
pub(super) const STEP_MS: Millis = 1_000;

/// A schedule that was put.
pub(super) struct Planned<'a> {
    pub(super) c: &'a Case,
    pub(super) schedule: Schedule,
}

impl Case {
    /// What a schedule of this case says unless a case says otherwise.
    pub(super) fn schedule(&self, name: &str) -> Schedule {
        Schedule {
            name: self.own(name),
            tenant: Name::literal("one"),
            timing: every(3_600_000),
            kind: Name::literal(KIND),
            args: args("tick"),
            queue: self.queue.clone(),
            client: None,
            priority: None,
            tags: Vec::new(),
            missed: Missed::Latest,
            overlap: Overlap::Allow,
            managed_by: None,
        }
    }

    /// Puts a schedule that is not there yet.
    pub(super) async fn planned(&self, schedule: Schedule) -> Planned<'_> {
        let planned = Planned { c: self, schedule };
        let state = planned.try_change(planned.put(), Some(0)).await.expect("a new schedule");
        assert_eq!(state.revision, 1);
        planned
    }

    /// A schedule with this overlap rule.
    pub(super) async fn plan(&self, overlap: Overlap) -> Planned<'_> {
        self.planned(Schedule { overlap, ..self.schedule("plan") }).await
    }

    /// Carries one decision out.
    pub(super) async fn fire(&self, fire: Fire) -> Result<Fired, BrokerError> {
        only(self.broker.fire(&self.queue, vec![fire]).await?)
    }
}

impl<'a> Planned<'a> {
    /// The change that puts it as it is here.
    pub(super) fn put(&self) -> ScheduleChange {
        let incarnation = Incarnation(u128::from_be_bytes(*self.c.id().as_bytes()));
        ScheduleChange::Put { schedule: Box::new(self.schedule.clone()), paused: None, incarnation }
    }

    /// The same with something changed; not put yet.
    pub(super) fn with(&self, change: impl FnOnce(&mut Schedule)) -> Planned<'a> {
        let mut schedule = self.schedule.clone();
        change(&mut schedule);
        Planned { c: self.c, schedule }
    }

    pub(super) async fn try_change(&self, change: ScheduleChange, expected: Option<u64>) -> Result<ScheduleState, BrokerError> {
        self.c.broker.schedule(&self.schedule.tenant, &self.schedule.name, change, expected).await
    }

    pub(super) async fn change(&self, change: ScheduleChange) -> ScheduleState {
        self.try_change(change, None).await.expect("the change is taken")
    }

    pub(super) async fn pause(&self) -> ScheduleState {
        self.change(pause("a reason")).await
    }

    pub(super) async fn find(&self) -> Option<ScheduleState> {
        self.c.broker.find_schedule(&Scope::All, &self.schedule.tenant, &self.schedule.name).await.expect("an answer")
    }

    pub(super) async fn state(&self) -> ScheduleState {
        self.find().await.expect("it is there")
    }

    /// Its history, newest first.
    pub(super) async fn ticks(&self) -> Vec<TickRecord> {
        self.c.broker.ticks(&Scope::All, &self.schedule.tenant, &self.schedule.name, 1_000).await.expect("a history")
    }

    /// The job that a tick makes.
    pub(super) fn job(&self, state: &ScheduleState, at: Millis) -> NewJob {
        NewJob {
            id: JobId::derived(at, self.c.home, &state.incarnation.seed(at)),
            tenant: self.schedule.tenant.clone(),
            kind: self.schedule.kind.clone(),
            args: self.schedule.args.clone(),
            tick: Some(Tick { schedule: self.schedule.name.clone(), at }),
            ..self.c.job()
        }
    }

    /// The `n` ticks after the cursor.
    pub(super) fn next(&self, state: &ScheduleState, n: usize) -> Vec<FireTick> {
        let at = (0..).map(|step: Millis| state.cursor + (step + 1) * STEP_MS).take(n);
        at.map(|at| tick(at, self.job(state, at))).collect()
    }

    /// The decision to carry these ticks out, made from this state.
    pub(super) fn advance(&self, state: &ScheduleState, ticks: Vec<FireTick>) -> Fire {
        let to = ticks.last().map_or(state.cursor, |tick| tick.at);
        let turn = Turn::Advance { revision: state.revision, from: state.cursor, to, next_at: Some(to + STEP_MS) };
        self.decide(state, turn, ticks)
    }

    /// A decision.
    pub(super) fn decide(&self, state: &ScheduleState, turn: Turn, ticks: Vec<FireTick>) -> Fire {
        let (tenant, name) = (self.schedule.tenant.clone(), self.schedule.name.clone());
        Fire { tenant, name, incarnation: state.incarnation, turn, missed: None, ticks }
    }

    /// Carries the next `n` ticks out in one step.
    pub(super) async fn fire(&self, n: usize) -> Fired {
        let state = self.state().await;
        self.c.fire(self.advance(&state, self.next(&state, n))).await.expect("nobody was faster")
    }

    /// Carries the next tick out.
    pub(super) async fn once(&self) -> TickRecord {
        only(self.fire(1).await)
    }

    /// Carries the next tick out, which must make a job.
    pub(super) async fn run(&self) -> JobId {
        self.once().await.job.expect("a job")
    }

    /// Runs it by hand.
    pub(super) async fn by_hand(&self, job: NewJob, at: Millis) -> Result<TickRecord, BrokerError> {
        let state = self.state().await;
        self.c.fire(self.decide(&state, Turn::ByHand, vec![tick(at, job)])).await.map(only)
    }
}

/// A tick with its job.
pub(super) fn tick(at: Millis, job: NewJob) -> FireTick {
    FireTick { at, due_at: at + 7, job: Ok(Box::new(job)) }
}

/// A pause for that reason.
pub(super) fn pause(reason: &str) -> ScheduleChange {
    ScheduleChange::Pause(Pause { until: None, reason: Some(reason.into()), by: Some("somebody".into()) })
}

/// A period.
pub(super) fn every(every_ms: u64) -> Timing {
    Timing {
        when: When::EveryMs(every_ms),
        timezone: "UTC".into(),
        gap: Gap::Next,
        repeated_hour: RepeatedHour::Once,
        spread_ms: 0,
        starts_at: None,
        ends_at: None,
    }
}

/// What can be seen of a schedule, as text.
pub(super) fn shown(state: &ScheduleState) -> String {
    serde_json::to_string(state).expect("it is JSON")
}
