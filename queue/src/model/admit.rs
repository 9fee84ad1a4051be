//! What keeps a job from running: one function, which the lease and whoever asks why share.

use super::world::{Queue, World};
use crate::{Explanation, Job, JobId, Obstacle, QUANTUM, RuleScope, Scope, State, WaitOn, WorkerState};
use longshore_base::{Millis, Name};
use std::collections::BTreeMap;

/// Jobs that an obstacle names at most.
const NAMED_MAX: usize = 10;

impl World {
    /// Every rule that holds the job back, in the order of its scopes.
    pub(super) fn admit(&self, now: Millis, queue: &Queue, job: &Job) -> Vec<Obstacle> {
        let mut obstacles = Vec::new();
        for scope in RuleScope::of(job) {
            obstacles.extend(queue.gate(now, &scope).map(|gate| Obstacle::Gated { scope: scope.clone(), gate: gate.clone() }));
            if let Some(probe) = queue.tries(now, &scope).and_then(|failures| failures.probe) {
                obstacles.push(Obstacle::Probe { by: Some(probe) });
            }
            for (max, rule) in self.maxima(now, queue, &scope) {
                if queue.running_in(&scope).count() as u64 >= max {
                    let by = queue.running_in(&scope).map(|job| job.id).take(NAMED_MAX).collect();
                    obstacles.push(Obstacle::Limit { scope: scope.clone(), max, rule, by });
                }
            }
            obstacles.extend(queue.empty(now, &scope));
        }
        obstacles.extend(job.resources.iter().filter_map(|name| self.lacks(now, name, job.cost)));
        obstacles
    }

    /// How many may run in a scope, by which rule.
    fn maxima(&self, now: Millis, queue: &Queue, scope: &RuleScope) -> Vec<(u64, &'static str)> {
        let limits = queue.scopes.get(scope).map(|rules| &rules.limits);
        let slots = self.slots_live(now, &queue.name).min(queue.slots.map_or(u64::MAX, u64::from));
        let of_queue = queue.slots.filter(|_| *scope == RuleScope::Queue);
        let maxima = [
            (limits.and_then(|limits| limits.max_running).map(u64::from), "max_running"),
            (of_queue.map(u64::from), "scale"),
            (limits.and_then(|limits| limits.share_of(slots)), "max_share"),
        ];
        maxima.into_iter().filter_map(|(max, rule)| max.map(|max| (max, rule))).collect()
    }

    /// The slots that a queue's live workers announce.
    #[must_use]
    pub fn slots_live(&self, now: Millis, queue: &Name) -> u64 {
        let served = self.workers(now).into_iter().flat_map(|w| w.queues).filter(|served| served.name == *queue);
        served.map(|served| u64::from(served.slots)).sum()
    }

    /// Why a job does not run.
    pub fn explain(&self, now: Millis, scope: &Scope, id: JobId) -> super::world::Result<Explanation> {
        let record = self.record(id).filter(|r| scope.sees(&r.job.tenant)).ok_or(crate::BrokerError::NotFound)?;
        let (job, queue) = (&record.job, &self.queues[&record.job.queue]);
        let mut obstacles: Vec<_> = own_state(now, record).into_iter().collect();
        if job.state == State::Running || job.state.is_ended() {
            return Ok(Explanation { state: job.state, obstacles, ahead: 0, estimated_start: None });
        }
        obstacles.extend(self.admit(now, queue, job));
        obstacles.extend(self.nobody(now, queue, record));
        let lane = queue.waiting().remove(&record.lane()).unwrap_or_default();
        let before: Vec<_> = lane.iter().filter(|(order, _)| *order < record.order()).map(|(_, id)| *id).collect();
        if let (Some(first), State::Ready) = (before.first(), job.state) {
            obstacles.push(Obstacle::Behind { ahead: before.len() as u64, first: *first });
        }
        let ahead = before.len() as u64 + queue.ahead(&job.tenant);
        if obstacles.is_empty() && !self.is_next(now, queue, id) {
            let behind_ms = queue.place(&job.tenant) - queue.turn;
            obstacles.push(Obstacle::Turn { behind_ms });
        }
        let estimated_start = estimate(now, &obstacles, ahead, queue.rate(now));
        Ok(Explanation { state: job.state, obstacles, ahead, estimated_start })
    }

    /// Nobody is there to run it.
    fn nobody(&self, now: Millis, queue: &Queue, record: &super::Record) -> Option<Obstacle> {
        let serves = |w: &crate::WorkerReport| w.state == WorkerState::Active && w.queues.iter().any(|q| q.name == queue.name);
        let workers: Vec<_> = self.workers(now).into_iter().filter(serves).collect();
        let able: Vec<_> = workers.iter().filter(|w| w.kinds.contains(&record.job.kind)).collect();
        let suspects = || queue.running.iter().map(|id| &queue.jobs[id]).filter(|r| r.is_suspect());
        let taken = |id: &str| suspects().any(|r| r.job.worker.as_deref() == Some(id));
        if workers.is_empty() {
            Some(Obstacle::NoWorker)
        } else if able.is_empty() {
            Some(Obstacle::UnknownKind { kind: record.job.kind.clone() })
        } else if record.is_suspect() && able.iter().all(|w| taken(&w.id)) {
            Some(Obstacle::Suspect { by: suspects().map(|r| r.job.id).take(NAMED_MAX).collect() })
        } else {
            None
        }
    }

    /// Whether a worker with every kind and a slot would get this job first.
    fn is_next(&self, now: Millis, queue: &Queue, id: JobId) -> bool {
        let slots = self.slots_live(now, &queue.name);
        let heads: BTreeMap<_, _> = queue
            .waiting()
            .into_iter()
            .filter_map(|(lane, jobs)| jobs.first().map(|(_, head)| (lane, *head)))
            .filter(|(_, head)| self.admit(now, queue, &queue.jobs[head].job).is_empty())
            .collect();
        queue.first(&heads) == Some(id) && (queue.running.len() as u64) < slots
    }
}

fn own_state(now: Millis, record: &super::Record) -> Option<Obstacle> {
    let job = &record.job;
    match job.state {
        State::Scheduled | State::Retrying => job.due_at.filter(|due| *due > now).map(|until| Obstacle::NotDue { until }),
        State::Waiting => {
            let what = match record.wait.as_ref().map(|wait| &wait.on) {
                Some(WaitOn::Signal(name)) => format!("the signal {name}"),
                Some(WaitOn::AnyChild) => "one of its children".to_owned(),
                Some(WaitOn::Job(other)) => format!("the end of {other}"),
                _ => "its children".to_owned(),
            };
            let by = match record.followed() {
                Some(other) => vec![other],
                None => record.children.values().filter(|child| child.outcome.is_none()).map(|child| child.id).collect(),
            };
            Some(Obstacle::Waiting { what, by, until: job.due_at })
        }
        State::Completed | State::Cancelled | State::Dead => Some(Obstacle::Ended { state: job.state, reason: job.reason }),
        State::Ready | State::Running => None,
    }
}

/// When nothing of what is known is in the way any more, and what is ahead has gone at the measured rate.
#[expect(clippy::cast_possible_truncation, reason = "an estimate in milliseconds")]
fn estimate(now: Millis, obstacles: &[Obstacle], ahead: u64, rate_per_s: f64) -> Option<Millis> {
    let clear = obstacles.iter().try_fold(now, |latest, obstacle| obstacle.until(now).map(|until| latest.max(until)))?;
    match ahead {
        0 => Some(clear),
        ahead if rate_per_s > 0.0 => Some(clear + (ahead as f64 / rate_per_s * 1_000.0) as Millis),
        _ => None,
    }
}

impl Obstacle {
    /// When it is gone by itself, where that is known. Others' turns are counted elsewhere.
    pub(super) fn until(&self, now: Millis) -> Option<Millis> {
        match self {
            Self::NotDue { until } | Self::Rate { until, .. } | Self::Budget { until, .. } => Some(*until),
            Self::Waiting { until, .. } => *until,
            Self::Gated { gate, .. } => gate.pause.until,
            Self::Resource { until, gate, .. } => gate.as_ref().map_or(*until, |gate| gate.pause.until),
            Self::Behind { .. } | Self::Turn { .. } => Some(now),
            Self::Limit { .. }
            | Self::NoWorker
            | Self::UnknownKind { .. }
            | Self::Suspect { .. }
            | Self::Probe { .. }
            | Self::Ended { .. } => None,
        }
    }
}

impl Queue {
    /// A rate or a budget with nothing left.
    fn empty(&self, now: Millis, scope: &RuleScope) -> Vec<Obstacle> {
        let Some(rules) = self.scopes.get(scope) else { return Vec::new() };
        let mut obstacles = Vec::new();
        if let Some(rate) = rules.limits.rate {
            let now_us = now as f64 * 1_000.0;
            let (free, at_us) = rate.admits(rate.clamped(rules.tat_us, now_us), now_us);
            if free == 0 {
                obstacles.push(Obstacle::Rate { scope: scope.clone(), until: millis(at_us) });
            }
        }
        if let (RuleScope::Tenant(tenant), Some(budget)) = (scope, rules.limits.budget) {
            let span = budget.period.around(now);
            let used = rules.spent.get(&span).copied().unwrap_or(0);
            if let Some(units) = budget.closes_at().filter(|units| used >= *units) {
                obstacles.push(Obstacle::Budget { tenant: tenant.clone(), used, units, until: span.1 });
            }
        }
        obstacles
    }

    /// Jobs of other tenants that have their turn before this one: one turn of each tenant that has had less.
    fn ahead(&self, tenant: &Name) -> u64 {
        let ready = |other: &Name| self.jobs.values().filter(|r| r.job.state == State::Ready && r.job.tenant == *other).count();
        let others = self.shares.keys().filter(|other| *other != tenant && self.place(other) < self.place(tenant));
        others.map(|other| ready(other).min(QUANTUM) as u64).sum()
    }
}

/// A time in microseconds as the first whole millisecond that is not before it.
#[expect(clippy::cast_possible_truncation, reason = "times of this century")]
pub(super) fn millis(us: f64) -> Millis {
    (us / 1_000.0).ceil() as Millis
}
