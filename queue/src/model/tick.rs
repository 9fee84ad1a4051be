//! Time: promote, expire, reap, time waits out.

use super::world::{Queue, World, ms};
use crate::{EventKind, JobId, Reason, State, TickReport, cause};
use longshore_base::{Millis, Name};
use std::time::Duration;

/// A crashed job's first new attempt comes within a second.
const CRASH_DELAY: Duration = Duration::from_millis(50);

impl World {
    /// Moves a queue's time forward.
    pub fn tick(&mut self, now: Millis, queue: &Name, lease: Duration) -> TickReport {
        let q = self.queue(queue);
        let mut report =
            TickReport { promoted: q.promote(now), expired: q.expire(now), timed_out: q.time_out(now), ..TickReport::default() };
        let last = q.last_seen.replace(now).unwrap_or(now);
        if now - last > ms(lease) / 2 || now < last {
            q.held_until = now + ms(lease);
        }
        if now < last {
            for record in q.jobs.values_mut().filter(|r| r.token.is_some()) {
                record.lease_ends = record.lease_ends.min(now + ms(lease));
            }
        }
        report.held = now < q.held_until;
        report.follows = q.auto.is_some();
        report.alerts = q.alerts(now);
        if !report.held {
            report.reaped = q.reap(now);
        }
        report.delivered = self.drain(now);
        report.next_schedule = self.due_schedules(now, queue, 0).next_in;
        report
    }
}

impl Queue {
    fn pick(&self, wanted: impl Fn(&super::Record) -> bool) -> Vec<JobId> {
        self.jobs.values().filter(|r| wanted(r)).map(|r| r.job.id).collect()
    }

    /// Due jobs enter their lanes.
    pub(super) fn promote(&mut self, now: Millis) -> u32 {
        let due = self.pick(|r| matches!(r.job.state, State::Scheduled | State::Retrying) && r.job.due_at.is_some_and(|due| due <= now));
        for id in &due {
            self.make_ready(*id, now);
        }
        u32::try_from(due.len()).unwrap_or(u32::MAX)
    }

    /// Jobs that have not started in time are cancelled.
    pub(super) fn expire(&mut self, now: Millis) -> u32 {
        let late = self.pick(|r| {
            matches!(r.job.state, State::Scheduled | State::Ready) && !r.started && r.job.expires_at.is_some_and(|end| end <= now)
        });
        for id in &late {
            self.tell(*id, now, EventKind::Expired, None, None);
            self.end(*id, now, State::Cancelled, Some(Reason::Expired), None);
        }
        u32::try_from(late.len()).unwrap_or(u32::MAX)
    }

    fn reap(&mut self, now: Millis) -> u32 {
        let lost = self.pick(|r| r.token.is_some() && r.lease_ends <= now);
        for id in &lost {
            self.lose(*id, now);
        }
        u32::try_from(lost.len()).unwrap_or(u32::MAX)
    }

    /// The lease is lost: the policy that was frozen into the job decides.
    fn lose(&mut self, id: JobId, now: Millis) {
        let record = self.get(id);
        let job = &mut record.job;
        let slot_ms = (now - job.started_at.unwrap_or(now)) as f64;
        let units = record.noted.unwrap_or(0).max(u64::from(job.cost));
        let (worker, cancelled) = (job.worker.clone(), job.cancel_requested);
        job.counters.crashes += 1;
        job.counters.crashes_in_row += 1;
        let (crashed, repeatable) = (job.counters.crashes_in_row >= job.policy.crashes_max, job.policy.repeatable);
        self.leave_running(id, None);
        self.settle_budget(id, units);
        self.correct(id, slot_ms);
        let error = cause::lost(worker.as_deref(), repeatable);
        self.tell(id, now, EventKind::Crashed, worker.as_deref(), Some(error.clone()));
        if !repeatable {
            self.end(id, now, State::Dead, Some(Reason::OutcomeUnknown), Some(error));
        } else if cancelled {
            self.end(id, now, State::Cancelled, Some(Reason::Cancelled), None);
        } else if crashed {
            self.end(id, now, State::Dead, Some(Reason::Crashed), Some(error));
        } else {
            self.rest(id, now, State::Retrying, CRASH_DELAY);
        }
    }
}
