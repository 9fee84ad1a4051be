//! Schedules as people see and change them, and which of them are due.

use super::world::{Result, World};
use crate::{BrokerError, DueSchedules, ScheduleChange, ScheduleFilter, SchedulePage, ScheduleState, Scope, TickRecord};
use longshore_base::{Code, Millis, Name};
use std::{collections::VecDeque, time::Duration};

/// A schedule with its history.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) state: ScheduleState,
    /// Newest first.
    pub(super) history: VecDeque<TickRecord>,
}

impl World {
    /// Makes, changes or removes a schedule.
    pub fn schedule(
        &mut self,
        now: Millis,
        tenant: &Name,
        name: &Name,
        change: ScheduleChange,
        expected: Option<u64>,
    ) -> Result<ScheduleState> {
        let key = (tenant.clone(), name.clone());
        let there = self.schedules.get(&key).map(|entry| entry.state.clone());
        let revision = there.as_ref().map_or(0, |state| state.revision);
        if there.is_none() && !matches!(change, ScheduleChange::Put { .. }) {
            let detail = format!("{tenant} has no schedule `{name}`");
            return Err(BrokerError::Conflict { code: Code::ScheduleNotFound, detail });
        }
        if let Some(expected) = expected.filter(|expected| *expected != revision) {
            let detail = format!("the schedule `{name}` is at revision {revision}, not {expected}");
            return Err(BrokerError::Conflict { code: Code::ScheduleMismatch, detail });
        }
        if let ScheduleChange::Put { schedule, .. } = &change {
            self.home(&schedule.queue);
        }
        let state = match (there, change) {
            (Some(state), ScheduleChange::Remove) => {
                self.schedules.remove(&key);
                return Ok(state);
            }
            (Some(state), change) => changed(now, state, change),
            (None, change) => made(now, change),
        };
        let entry = self.schedules.entry(key).or_insert_with(|| Entry { state: state.clone(), history: VecDeque::new() });
        entry.state = state.clone();
        Ok(state)
    }

    /// One schedule.
    #[must_use]
    pub fn find_schedule(&self, scope: &Scope, tenant: &Name, name: &Name) -> Option<ScheduleState> {
        self.entry(scope, tenant, name).map(|entry| entry.state.clone())
    }

    /// Its history, newest first.
    #[must_use]
    pub fn ticks(&self, scope: &Scope, tenant: &Name, name: &Name, limit: usize) -> Vec<TickRecord> {
        self.entry(scope, tenant, name).into_iter().flat_map(|entry| entry.history.iter().take(limit).cloned()).collect()
    }

    fn entry(&self, scope: &Scope, tenant: &Name, name: &Name) -> Option<&Entry> {
        self.schedules.get(&(tenant.clone(), name.clone())).filter(|_| scope.sees(tenant))
    }

    /// A page of schedules. The cursor is the last one of the page before.
    pub fn schedules(&self, scope: &Scope, filter: &ScheduleFilter, limit: usize, cursor: Option<&str>) -> Result<SchedulePage> {
        let after = cursor.map(read_cursor).transpose()?;
        let wanted = |state: &&ScheduleState| scope.sees(&state.schedule.tenant) && filter.matches(&state.schedule);
        let rest = self.schedules.iter().filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after)).map(|(_, entry)| &entry.state);
        let mut page = SchedulePage::default();
        for state in rest.filter(wanted) {
            if page.items.len() == limit {
                page.cursor = page.items.last().map(|last| format!("{}/{}", last.schedule.tenant, last.schedule.name));
                break;
            }
            page.items.push(state.clone());
        }
        Ok(page)
    }

    /// Schedules of a queue that are due, and how long until the next of the others.
    #[must_use]
    pub fn due_schedules(&self, now: Millis, queue: &Name, limit: usize) -> DueSchedules {
        let own = self.schedules.values().map(|entry| &entry.state).filter(|state| state.schedule.queue == *queue);
        let mut planned: Vec<_> = own.filter_map(|state| state.next_at.map(|next_at| (next_at, state))).collect();
        planned.sort_by_key(|(next_at, _)| *next_at);
        let due: Vec<_> = planned.iter().filter(|(next_at, _)| *next_at <= now).take(limit).map(|(_, state)| (*state).clone()).collect();
        let next_in = planned.get(due.len()).map(|(next_at, _)| Duration::from_millis(u64::try_from(next_at - now).unwrap_or(0)));
        DueSchedules { now, due, next_in }
    }
}

/// A new schedule: the scheduler looks at once.
fn made(now: Millis, change: ScheduleChange) -> ScheduleState {
    let ScheduleChange::Put { schedule, paused, incarnation } = change else { unreachable!("the caller has looked") };
    ScheduleState {
        schedule: *schedule,
        revision: 1,
        incarnation,
        created_at: now,
        changed_at: now,
        cursor: now,
        next_at: paused.is_none().then_some(now),
        paused,
        last_job: None,
        held_job: None,
        last_tick: None,
    }
}

fn changed(now: Millis, mut state: ScheduleState, change: ScheduleChange) -> ScheduleState {
    match change {
        ScheduleChange::Put { schedule, paused, .. } => {
            let moves = schedule.queue != state.schedule.queue;
            if moves || schedule.timing != state.schedule.timing {
                state.cursor = state.cursor.max(now);
            }
            if moves {
                (state.last_job, state.held_job) = (None, None);
            }
            state.schedule = *schedule;
            state.paused = paused.or(state.paused);
        }
        ScheduleChange::Pause(pause) => state.paused = Some(pause),
        ScheduleChange::Resume if state.paused.is_none() => return state,
        ScheduleChange::Resume => {
            state.paused = None;
            state.cursor = state.cursor.max(now);
        }
        ScheduleChange::Remove => unreachable!("the caller has looked"),
    }
    state.next_at = state.paused.is_none().then_some(now);
    state.revision += 1;
    state.changed_at = now;
    state
}

fn read_cursor(text: &str) -> Result<(Name, Name)> {
    let read = || {
        let (tenant, name) = text.split_once('/')?;
        Some((Name::new(tenant).ok()?, Name::new(name).ok()?))
    };
    read().ok_or_else(|| BrokerError::Cursor(text.to_owned()))
}
