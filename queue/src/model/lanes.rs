//! Whose turn it is: virtual times in slot-time, of tenants in a queue and of lanes in a tenant. And the lanes as people see them.

use super::world::{Queue, World};
use crate::{JobId, LaneView, RuleScope, Scope, State, fair};
use longshore_base::{Millis, Name};
use std::collections::{BTreeMap, BTreeSet};

/// One tenant, one kind, one key, one set of resources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lane {
    pub(super) tenant: Name,
    pub(super) kind: Name,
    pub(super) key: String,
    pub(super) resources: Vec<Name>,
}

/// Ready jobs by their lanes, in the order in which they start there.
pub(super) type Waiting = BTreeMap<Lane, BTreeSet<((u8, u64), JobId)>>;

/// What a tenant has had, in milliseconds of slot-time over its weight.
#[derive(Debug, Default)]
pub(super) struct Share {
    pub(super) at: f64,
    /// Where its lanes stand: the virtual time of the one that started last.
    pub(super) inside: f64,
    pub(super) lanes: BTreeMap<Lane, f64>,
}

impl super::Record {
    pub(super) fn lane(&self) -> Lane {
        let job = &self.job;
        Lane { tenant: job.tenant.clone(), kind: job.kind.clone(), key: job.lane_key.clone(), resources: job.resources.clone() }
    }
}

impl Queue {
    /// The Ready jobs of each lane, in their order.
    pub(super) fn waiting(&self) -> Waiting {
        let mut lanes = Waiting::new();
        for record in self.jobs.values().filter(|r| r.job.state == State::Ready) {
            lanes.entry(record.lane()).or_default().insert((record.order(), record.job.id));
        }
        lanes
    }

    /// Lanes that may run from now on. Those that could not before, and tenants of whom nothing could, begin where the others are: they
    /// have gained nothing meanwhile, and lost no debt.
    pub(super) fn enter(&mut self, open: BTreeSet<Lane>) {
        for lane in &open {
            let at = self.place(&lane.tenant);
            let share = self.shares.entry(lane.tenant.clone()).or_default();
            share.at = at;
            let own = share.lanes.entry(lane.clone()).or_insert(share.inside);
            if !self.open.contains(lane) {
                *own = own.max(share.inside);
            }
        }
        self.open = open;
    }

    /// A tenant's virtual time, were it to start now.
    pub(super) fn place(&self, tenant: &Name) -> f64 {
        let own = self.shares.get(tenant).map_or(0.0, |share| share.at);
        if self.open.iter().any(|lane| lane.tenant == *tenant) { own } else { own.max(self.turn) }
    }

    fn lane_place(&self, lane: &Lane) -> f64 {
        self.shares.get(&lane.tenant).map_or(0.0, |share| share.lanes.get(lane).copied().unwrap_or(share.inside))
    }

    /// Of these heads of lanes the one that starts next: its tenant first, then the head's priority, then the lane's virtual time.
    pub(super) fn first(&self, heads: &BTreeMap<Lane, JobId>) -> Option<JobId> {
        let key = |lane: &Lane, id: &JobId| (self.place(&lane.tenant), self.jobs[id].order(), self.lane_place(lane));
        let before = |(a, x): &(&Lane, &JobId), (b, y): &(&Lane, &JobId)| {
            let (left, right) = (key(a, x), key(b, y));
            let tenants = left.0.total_cmp(&right.0).then_with(|| a.tenant.cmp(&b.tenant));
            tenants.then_with(|| left.1.0.cmp(&right.1.0)).then_with(|| left.2.total_cmp(&right.2)).then_with(|| a.cmp(b))
        };
        heads.iter().min_by(before).map(|(_, id)| *id)
    }

    /// A start is charged with what its kind takes in the mean.
    pub(super) fn charge(&mut self, id: JobId) {
        let weight = self.weight(&self.jobs[&id].job.tenant);
        let cost = fair::charge(self.means.get(&self.jobs[&id].job.kind).copied());
        let lane = self.jobs[&id].lane();
        self.turn = self.turn.max(self.place(&lane.tenant));
        let share = self.shares.entry(lane.tenant.clone()).or_default();
        share.inside = share.inside.max(share.lanes.get(&lane).copied().unwrap_or(share.inside));
        let record = self.get(id);
        (record.charged, record.weight) = (0.0, weight);
        self.correct(id, cost);
    }

    /// The job's slot-time is now known to be this.
    pub(super) fn correct(&mut self, id: JobId, ms: f64) {
        let lane = self.jobs[&id].lane();
        let record = self.get(id);
        let (more, weight) = (ms - record.charged, record.weight);
        record.charged = ms;
        let share = self.shares.entry(lane.tenant.clone()).or_default();
        share.at += more / weight;
        *share.lanes.entry(lane).or_insert(share.inside) += more;
    }

    pub(super) fn weight(&self, tenant: &Name) -> f64 {
        self.scopes.get(&RuleScope::Tenant(tenant.clone())).map_or(1.0, |scope| scope.limits.weight_or_default())
    }
}

impl World {
    /// Lanes that have something ready or running; those that differ in their resources only are told as one.
    #[must_use]
    pub fn lanes(&self, now: Millis, scope: &Scope, queue: &Name, limit: usize) -> Vec<LaneView> {
        let Some(q) = self.queues.get(queue) else { return Vec::new() };
        let busy = || q.jobs.values().filter(|r| matches!(r.job.state, State::Ready | State::Running));
        let tenants: BTreeSet<&Name> = busy().map(|r| &r.job.tenant).collect();
        let weights: f64 = tenants.iter().map(|tenant| q.weight(tenant)).sum();
        let mut views = BTreeMap::<_, LaneView>::new();
        for record in busy().filter(|r| scope.sees(&r.job.tenant)) {
            let Lane { tenant, kind, key, .. } = record.lane();
            let at = RuleScope::Key { tenant: tenant.clone(), key: key.clone() };
            let rules = q.scopes.get(&at);
            let view = views.entry((tenant.clone(), kind.clone(), key.clone())).or_insert_with(|| LaneView {
                limits: rules.map(|rules| rules.limits.clone()).filter(|limits| *limits != crate::Limits::default()),
                gate: RuleScope::of(&record.job).iter().find_map(|scope| q.gate(now, scope).cloned()),
                failures: rules.and_then(|rules| rules.failures.clone()),
                share: q.weight(&tenant) / weights,
                ready: 0,
                running: 0,
                tenant,
                kind,
                key,
            });
            match record.job.state {
                State::Ready => view.ready += 1,
                _ => view.running += 1,
            }
        }
        views.into_values().take(limit).collect()
    }
}
