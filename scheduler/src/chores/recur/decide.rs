//! From schedules that are due to decisions: which ticks are carried out, with which jobs, and which are not made up for. Nothing is
//! written here.

use super::tell;
use longshore_base::Millis;
use longshore_jobs::{Checker, RequestError};
use longshore_queue::{BrokerError, FIRE_MOST, Fire, FireTick, Incarnation, NewJob, Plan, ScheduleState, Timetable, Turn};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Bytes of args in one call at most; a decision of one tick may be larger.
const BYTES_MOST: usize = 1 << 20;
/// Timetables that are remembered; when there are more, all are worked out again.
const TIMETABLES_MOST: usize = 20_000;
/// A schedule whose timing cannot be read by this version is looked at again after so many milliseconds.
const UNREADABLE_MS: Millis = 60_000;

/// Makes decisions. Any number of schedulers come to the same ones.
#[derive(Debug)]
pub(super) struct Decider {
    checker: Arc<Checker>,
    timetables: Mutex<HashMap<Incarnation, (u64, Arc<Timetable>)>>,
}

/// A decision about a schedule as it stood.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) state: ScheduleState,
    pub(super) fire: Fire,
}

impl Decided {
    /// When the schedule is to be looked at next, by the server's clock.
    pub(super) fn next_at(&self) -> Option<Millis> {
        match self.fire.turn {
            Turn::Advance { next_at, .. } => next_at,
            Turn::ByHand => None,
        }
    }

    fn bytes(&self) -> usize {
        self.fire.ticks.len() * self.state.schedule.args.get().len()
    }
}

impl Decider {
    pub(super) fn new(checker: Arc<Checker>) -> Self {
        Self { checker, timetables: Mutex::default() }
    }

    /// Decides about each of `due` at the server's time `now`.
    ///
    /// # Errors
    /// The broker could not tell the kinds or the queue's number: later, as a whole.
    pub(super) async fn decide(&self, due: Vec<ScheduleState>, now: Millis) -> Result<Vec<Decided>, BrokerError> {
        let mut all = Vec::with_capacity(due.len());
        for state in due {
            let (mut plan, mut ticks) =
                (Plan { ticks: Vec::new(), missed: None, cursor: state.cursor, next_at: Some(now + UNREADABLE_MS) }, Vec::new());
            if let Some(timetable) = self.timetable(&state) {
                plan = planned(&timetable, &state, now);
                for at in &plan.ticks {
                    ticks.push(FireTick { at: *at, due_at: timetable.due(*at), job: self.job(&state, *at).await? });
                }
            }
            let turn = Turn::Advance { revision: state.revision, from: state.cursor, to: plan.cursor, next_at: plan.next_at };
            let (tenant, name) = (state.schedule.tenant.clone(), state.schedule.name.clone());
            let fire = Fire { tenant, name, incarnation: state.incarnation, turn, missed: plan.missed, ticks };
            all.push(Decided { state, fire });
        }
        Ok(all)
    }

    /// The job of a tick, or why there is none. What may go away by itself is a failure of the look: nothing is fired then.
    async fn job(&self, state: &ScheduleState, at: Millis) -> Result<Result<Box<NewJob>, String>, BrokerError> {
        match self.checker.tick(state, at).await {
            Ok(job) => Ok(Ok(Box::new(job))),
            Err(RequestError::Broker(error)) if error.is_transient() => Err(error),
            Err(RequestError::Blob(error)) if error.is_transient() => Err(error.into()),
            Err(refused) => Ok(Err(refused.told())),
        }
    }

    /// The timetable of a schedule; None: this version cannot read it, which is told.
    fn timetable(&self, state: &ScheduleState) -> Option<Arc<Timetable>> {
        let mut known = self.timetables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((revision, timetable)) = known.get(&state.incarnation)
            && *revision == state.revision
        {
            return Some(timetable.clone());
        }
        let schedule = &state.schedule;
        match Timetable::new(&schedule.timing, &schedule.tenant, &schedule.name, state.created_at) {
            Ok(timetable) => {
                if known.len() >= TIMETABLES_MOST {
                    known.clear();
                }
                let timetable = Arc::new(timetable);
                known.insert(state.incarnation, (state.revision, timetable.clone()));
                Some(timetable)
            }
            Err(faults) => {
                tell::unreadable(schedule, &faults);
                None
            }
        }
    }
}

/// What is due, no more of it than one call may carry; the rest stays due.
fn planned(timetable: &Timetable, state: &ScheduleState, now: Millis) -> Plan {
    let most = (BYTES_MOST / state.schedule.args.get().len().max(1)).clamp(1, FIRE_MOST);
    Plan::new(timetable, state.schedule.missed, state.cursor, now).at_most(timetable, most)
}

/// Parts of a size that a broker takes in one step without holding up others.
pub(super) fn parts(all: Vec<Decided>) -> Vec<Vec<Decided>> {
    let (mut parts, mut ticks, mut bytes) = (vec![Vec::new()], 0, 0);
    for decided in all {
        ticks += decided.fire.ticks.len();
        bytes += decided.bytes();
        if (ticks > FIRE_MOST || bytes > BYTES_MOST)
            && let Some(part) = parts.last()
            && !part.is_empty()
        {
            (ticks, bytes) = (decided.fire.ticks.len(), decided.bytes());
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(decided);
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}
