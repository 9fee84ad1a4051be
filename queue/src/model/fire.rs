//! Carrying ticks out: the cursor, then tick by tick the overlap rule, the job and the history.

use super::{World, world::Result};
use crate::{
    BrokerError, Enqueued, Fire, FireTick, Fired, JobId, NewJob, Overlap, ScheduleState, Scope, State, TICKS_KEPT, TickOutcome, TickRecord,
    Turn, Wait, WaitOn, WaitPolicy,
};
use longshore_base::{Code, Millis, Name};

/// What the overlap rule says.
enum Way {
    Free { detail: Option<String> },
    Behind { job: JobId, detail: Option<String> },
    Blocked { by: JobId },
}

impl World {
    /// Carries one decision out, or nothing of it.
    pub fn fire(&mut self, now: Millis, queue: &Name, fire: Fire) -> Result<Fired> {
        let key = (fire.tenant.clone(), fire.name.clone());
        let there = self.schedules.get(&key).map(|entry| &entry.state);
        let there = there.filter(|state| state.schedule.queue == *queue && state.incarnation == fire.incarnation);
        let mut state = there.filter(|state| agrees(state, fire.turn)).cloned().ok_or_else(|| {
            let detail = format!("the schedule `{}` of {} is not as it was when this was decided", fire.name, fire.tenant);
            BrokerError::Conflict { code: Code::ScheduleMoved, detail }
        })?;
        let by_hand = match fire.turn {
            Turn::Advance { from, to, next_at, .. } => {
                (state.cursor, state.next_at) = (from.max(to), next_at);
                false
            }
            Turn::ByHand => true,
        };
        let missed = fire.missed.map(|missed| TickRecord {
            at: missed.first,
            due_at: missed.due_at,
            done_at: now,
            outcome: TickOutcome::Missed,
            job: None,
            detail: None,
            by_hand,
            count: missed.count,
        });
        let mut kept: Vec<_> = missed.into_iter().collect();
        let mut fired = kept.clone();
        for tick in fire.ticks {
            let (record, repeated) = self.carry_out(now, &mut state, tick, by_hand);
            fired.push(record.clone());
            kept.extend(Some(record).filter(|_| !repeated));
        }
        state.last_tick = kept.last().cloned().or(state.last_tick);
        let entry = self.schedules.get_mut(&key).expect("found above");
        entry.state = state;
        for record in kept {
            entry.history.push_front(record);
        }
        entry.history.truncate(TICKS_KEPT);
        self.drain(now);
        Ok(fired)
    }

    /// One tick; and whether it is only told again.
    fn carry_out(&mut self, now: Millis, state: &mut ScheduleState, tick: FireTick, by_hand: bool) -> (TickRecord, bool) {
        let record =
            |outcome, job, detail| TickRecord { at: tick.at, due_at: tick.due_at, done_at: now, outcome, job, detail, by_hand, count: 1 };
        let queue = state.schedule.queue.clone();
        let job = match tick.job.and_then(|job| self.check_job(&queue, *job)) {
            Ok(job) => job,
            Err(why) => return (record(TickOutcome::Refused, None, Some(why)), false),
        };
        let asked = job.id;
        let came = |job: Enqueued| match job.state {
            _ if job.id != asked => TickOutcome::Merged,
            State::Waiting => TickOutcome::Held,
            _ => TickOutcome::Started,
        };
        if let Some(there) = self.queue(&queue).known(asked) {
            return (record(came(there), Some(there.id), None), by_hand);
        }
        let (wait, detail) = match self.overlap(now, state) {
            Way::Free { detail } => (None, detail),
            Way::Behind { job, detail } => (Some(job), detail),
            Way::Blocked { by } => return (record(TickOutcome::Overlapped, None, Some(format!("{by} has not ended"))), false),
        };
        let enqueued = self.make(now, &queue, NewJob { wait: wait.map(until_ended).or(job.wait.clone()), ..job });
        if enqueued.id == asked {
            *if wait.is_some() { &mut state.held_job } else { &mut state.last_job } = Some(asked);
        }
        (record(came(enqueued), Some(enqueued.id), detail), false)
    }

    /// An enqueue would refuse it.
    fn check_job(&mut self, queue: &Name, job: NewJob) -> std::result::Result<NewJob, String> {
        if self.home(queue) == job.id.home() && *queue == job.queue {
            Ok(job)
        } else {
            Err(format!("{} is not of the queue {queue}", job.id))
        }
    }

    fn make(&mut self, now: Millis, queue: &Name, job: NewJob) -> Enqueued {
        let queue = self.queue(queue);
        match queue.taken(now, &job) {
            Some(holder) => queue.meet(now, holder, job),
            None => queue.insert(now, job),
        }
    }

    /// Applies the overlap rule to what has become of the runs before.
    fn overlap(&mut self, now: Millis, state: &mut ScheduleState) -> Way {
        let alive = |world: &Self, id: JobId| world.record(id).is_some_and(|record| !record.job.state.is_ended());
        let mut before = state.last_job.filter(|id| alive(self, *id));
        if before.is_none() && state.held_job.is_some() {
            state.last_job = state.held_job.take();
            before = state.last_job.filter(|id| alive(self, *id));
        }
        state.held_job = state.held_job.filter(|id| alive(self, *id));
        let Some(before) = before else { return Way::Free { detail: None } };
        match (state.schedule.overlap, state.held_job) {
            (Overlap::Allow, _) => Way::Free { detail: None },
            (Overlap::Skip, _) => Way::Blocked { by: before },
            (Overlap::Wait, Some(held)) => Way::Blocked { by: held },
            (Overlap::Wait, None) => Way::Behind { job: before, detail: None },
            (Overlap::Cancel, held) => {
                state.held_job = None;
                for id in held.into_iter().chain([before]) {
                    let _ = self.cancel(now, &Scope::All, id);
                }
                let held = held.map_or_else(String::new, |held| format!("{held}, which was held, was cancelled; "));
                if alive(self, before) {
                    Way::Behind { job: before, detail: Some(format!("{held}{before} was asked to stop")) }
                } else {
                    Way::Free { detail: Some(format!("{held}{before} was cancelled")) }
                }
            }
        }
    }
}

/// The decision was made from how the schedule stands.
fn agrees(state: &ScheduleState, turn: Turn) -> bool {
    match turn {
        Turn::Advance { revision, from, .. } => state.paused.is_none() && (state.revision, state.cursor) == (revision, from),
        Turn::ByHand => true,
    }
}

fn until_ended(job: JobId) -> Wait {
    Wait { on: WaitOn::Job(job), timeout: None, on_timeout: WaitPolicy::Ignore, on_child_failed: WaitPolicy::Ignore }
}
