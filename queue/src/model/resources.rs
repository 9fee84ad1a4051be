//! Outside quotas. The model lends nothing: every queue looks at the one account.

use super::rules::mismatch;
use super::world::{Result, World, ms};
use crate::{BrokerError, Gate, GateCause, Job, Obstacle, Quota, ResourceChange, ResourceState};
use longshore_base::{Millis, Name};

/// What is kept of a quota.
#[derive(Debug, Default)]
pub(super) struct Resource {
    quota: Quota,
    revision: u64,
    gate: Option<Gate>,
    tat_us: f64,
    /// Points by the time they were taken, oldest first.
    taken: Vec<(Millis, u64)>,
    learned: Option<(u64, Millis)>,
}

impl Resource {
    fn learned(&self, now: Millis) -> Option<(u64, Millis)> {
        self.learned.filter(|(_, until)| *until > now)
    }

    fn window(&self, now: Millis) -> impl Iterator<Item = (Millis, u64)> {
        let period = self.quota.points.map_or(0, |points| Millis::try_from(points.period_ms).unwrap_or(Millis::MAX));
        self.taken.iter().map(move |(at, points)| (at.saturating_add(period), *points)).filter(move |(ends, _)| *ends > now)
    }

    /// When there are points for a job of this cost; now: there are.
    fn points_at(&self, now: Millis, cost: u64) -> Millis {
        let Some(points) = self.quota.points else { return now };
        let mut used: u64 = self.window(now).map(|(_, points)| points).sum();
        let mut at = now;
        for (ends, points_then) in self.window(now) {
            if used + cost <= points.count || used == 0 {
                break;
            }
            used -= points_then;
            at = ends;
        }
        at
    }
}

impl World {
    /// What a resource lacks for a job of this cost.
    pub(super) fn lacks(&self, now: Millis, name: &Name, cost: u32) -> Option<Obstacle> {
        let resource = self.resources.get(name)?;
        let obstacle = |gate, until| Some(Obstacle::Resource { name: name.clone(), gate, until });
        if let Some(gate) = resource.gate.as_ref().filter(|gate| gate.is_closed(now)) {
            return obstacle(Some(gate.clone()), gate.pause.until);
        }
        let needs = if resource.quota.points.is_some() { u64::from(cost) } else { 1 };
        if let Some((_, until)) = resource.learned(now).filter(|(left, _)| *left < needs) {
            return obstacle(None, Some(until));
        }
        if resource.quota.max_running.is_some_and(|max| self.users(name).count() >= max as usize) {
            return obstacle(None, None);
        }
        let now_us = now as f64 * 1_000.0;
        if let Some((0, at_us)) = resource.quota.rate.map(|rate| rate.admits(rate.clamped(resource.tat_us, now_us), now_us)) {
            return obstacle(None, Some(super::admit::millis(at_us)));
        }
        let at = resource.points_at(now, u64::from(cost));
        if at > now { obstacle(None, Some(at)) } else { None }
    }

    /// A start takes of its resources what it needs.
    pub(super) fn take_resources(&mut self, now: Millis, job: &Job) {
        for name in &job.resources {
            let Some(resource) = self.resources.get_mut(name) else { continue };
            let now_us = now as f64 * 1_000.0;
            if let Some(rate) = resource.quota.rate {
                resource.tat_us = rate.charged(rate.clamped(resource.tat_us, now_us), now_us, 1);
            }
            resource.taken.push((now, u64::from(job.cost)));
            let needs = if resource.quota.points.is_some() { u64::from(job.cost) } else { 1 };
            if let Some((left, _)) = &mut resource.learned {
                *left = left.saturating_sub(needs);
            }
        }
    }

    /// Running jobs that use it, in all queues.
    fn users(&self, name: &Name) -> impl Iterator<Item = &Job> {
        let running = self.queues.values().flat_map(|q| q.running.iter().map(|id| &q.jobs[id].job));
        running.filter(move |job| job.resources.contains(name))
    }

    /// Changes an outside quota.
    pub fn resource(&mut self, now: Millis, name: &Name, change: ResourceChange, expected: Option<u64>) -> Result<ResourceState> {
        let put = matches!(change, ResourceChange::Put(_));
        let Some(there) = self.resources.get(name).map(|r| r.revision).or(put.then_some(0)) else { return Err(BrokerError::NotFound) };
        if let Some(expected) = expected.filter(|expected| *expected != there) {
            return Err(mismatch(there, expected));
        }
        let resource = self.resources.entry(name.clone()).or_default();
        match change {
            ResourceChange::Put(quota) => (resource.quota, resource.revision) = (quota, there + 1),
            ResourceChange::Pause(pause) => resource.gate = Some(Gate { pause, cause: GateCause::Person }),
            ResourceChange::Resume => resource.gate = None,
            ResourceChange::Learn { remaining, resets_in } => resource.learned = Some((remaining, now + ms(resets_in))),
            ResourceChange::Remove => {
                let last = self.shown(now, name);
                self.resources.remove(name);
                return Ok(last);
            }
        }
        Ok(self.shown(now, name))
    }

    /// Every outside quota.
    #[must_use]
    pub fn resources(&self, now: Millis) -> Vec<ResourceState> {
        self.resources.keys().map(|name| self.shown(now, name)).collect()
    }

    fn shown(&self, now: Millis, name: &Name) -> ResourceState {
        let resource = &self.resources[name];
        let mut queues: Vec<_> = self.users(name).map(|job| job.queue.clone()).collect();
        queues.sort();
        queues.dedup();
        ResourceState {
            name: name.clone(),
            quota: resource.quota.clone(),
            revision: resource.revision,
            gate: resource.gate.clone().filter(|gate| gate.is_closed(now)),
            points_used: resource.window(now).map(|(_, points)| points).sum(),
            running: self.users(name).count() as u64,
            learned: resource.learned(now),
            queues,
        }
    }
}
