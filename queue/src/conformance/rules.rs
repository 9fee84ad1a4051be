//! Words for the cases about rules: change them, look at them, ask why, run many jobs.

use super::{Case, KIND, OTHER};
use crate::{
    Ack, Explanation, JobId, Lease, Limits, NewJob, Obstacle, Pause, Rate, RuleChange, RuleScope, Scope, ScopeState, ServedQueue,
    WorkerReport, WorkerState,
};
use longshore_base::{Millis, Name};
use std::{collections::BTreeMap, time::Duration};

/// What an attempt of most cases takes.
pub const RAN: Duration = Duration::from_millis(5);

/// How many started, and for how long they ran in all, by tenant.
pub type Shares = BTreeMap<String, (usize, Duration)>;

/// One scope of each sort, each of them around [`Case::keyed`] of the key `a`.
#[must_use]
pub fn every_scope() -> [RuleScope; 4] {
    [RuleScope::Queue, RuleScope::Tenant(Name::literal("one")), RuleScope::Kind(Name::literal(KIND)), key("a")]
}

/// The key of tenant `one`.
#[must_use]
pub fn key(key: &str) -> RuleScope {
    RuleScope::Key { tenant: Name::literal("one"), key: key.into() }
}

/// At most so many at once.
#[must_use]
pub fn at_once(max_running: u32) -> Limits {
    Limits { max_running: Some(max_running), ..Limits::default() }
}

/// So many at once after a rest, and then hardly any.
#[must_use]
pub fn burst_of(burst: u32) -> Limits {
    Limits { rate: Some(Rate { count: 1, period_ms: 3_600_000, burst }), ..Limits::default() }
}

/// A person's pause.
#[must_use]
pub fn pause(until: Option<Millis>) -> RuleChange {
    RuleChange::Pause(Pause { until, reason: Some("because".into()), by: Some("somebody".into()) })
}

/// The job is held back by its gate there.
#[must_use]
pub fn is_gated(obstacles: &[Obstacle], at: &RuleScope) -> bool {
    obstacles.iter().any(|obstacle| matches!(obstacle, Obstacle::Gated { scope, .. } if scope == at))
}

impl Case {
    /// Changes the rules of a scope.
    pub async fn change(&self, scope: &RuleScope, change: RuleChange) -> ScopeState {
        self.broker.rule(&self.queue, scope, change, None).await.expect("the rule is kept")
    }

    /// Sets the limits of a scope.
    pub async fn limit(&self, scope: &RuleScope, limits: Limits) -> ScopeState {
        self.change(scope, RuleChange::Limits(limits)).await
    }

    /// A scope as it stands.
    pub async fn rules(&self, scope: &RuleScope) -> ScopeState {
        self.broker.rules(&self.queue, scope).await.expect("the rules")
    }

    /// Why a job does not run.
    pub async fn why(&self, id: JobId) -> Explanation {
        self.broker.explain(&Scope::All, id).await.expect("an explanation")
    }

    /// What is in a job's way.
    pub async fn obstacles(&self, id: JobId) -> Vec<Obstacle> {
        self.why(id).await.obstacles
    }

    /// A job of tenant `one` with this key.
    #[must_use]
    pub fn keyed(&self, key: &str) -> NewJob {
        NewJob { lane_key: key.into(), ..self.job() }
    }

    /// A job of this tenant.
    #[must_use]
    pub fn of(&self, tenant: &'static str) -> NewJob {
        NewJob { tenant: Name::literal(tenant), ..self.job() }
    }

    /// A job with the key `a` that is not in the scope; None: every job of the queue is.
    #[must_use]
    pub fn beside_scope(&self, scope: &RuleScope) -> Option<NewJob> {
        match scope {
            RuleScope::Queue => None,
            RuleScope::Tenant(_) => Some(NewJob { tenant: Name::literal("two"), ..self.keyed("a") }),
            RuleScope::Kind(_) => Some(NewJob { kind: Name::literal(OTHER), ..self.keyed("a") }),
            RuleScope::Key { .. } => Some(self.keyed("b")),
        }
    }

    /// Enqueues `n` such jobs, in few calls.
    pub async fn fill(&self, n: usize, job: impl Fn() -> NewJob) -> Vec<JobId> {
        let jobs: Vec<_> = (0..n).map(|_| job()).collect();
        let ids = jobs.iter().map(|job| job.id).collect();
        for part in jobs.chunks(250) {
            for enqueued in self.broker.enqueue(part.to_vec()).await.expect("an answer") {
                assert!(!enqueued.expect("a new job").duplicate);
            }
        }
        ids
    }

    /// Ends the attempts well, after they ran for that long.
    pub async fn finish(&self, leases: &[Lease], ran: impl Fn(&Lease) -> Duration) {
        let mut by_worker = BTreeMap::<_, Vec<_>>::new();
        for lease in leases {
            let ack = Ack { id: lease.job.id, token: lease.token, ran: ran(lease), used: None, outcome: super::complete() };
            by_worker.entry(lease.job.worker.clone().unwrap_or_default()).or_default().push(ack);
        }
        for (worker, acks) in by_worker {
            for acked in self.broker.ack(&self.queue, &worker, acks).await.expect("an answer") {
                acked.expect("the ack is accepted");
            }
        }
    }

    /// Runs jobs, up to `batch` at once, until so many have started; tells who got what.
    pub async fn share(&self, starts: usize, batch: usize, ran: impl Fn(&Lease) -> Duration) -> Shares {
        let mut shares = Shares::new();
        let mut left = starts;
        while left > 0 {
            let leases = self.lease(batch.min(left)).await;
            assert!(!leases.is_empty(), "there is work for everybody");
            left -= leases.len();
            for lease in &leases {
                let share = shares.entry(lease.job.tenant.to_string()).or_default();
                *share = (share.0 + 1, share.1 + ran(lease));
            }
            self.finish(&leases, &ran).await;
        }
        shares
    }

    /// A live worker that serves the queue with so many slots; its id.
    pub async fn serve(&self, worker: &str, slots: u32) -> String {
        let id = self.own(worker).to_string();
        let report = WorkerReport {
            id: id.clone(),
            host: "host".into(),
            pid: 7,
            version: "1".into(),
            started_at: 5,
            seen_at: 0,
            queues: vec![ServedQueue { name: self.queue.clone(), slots, running: 0 }],
            kinds: vec![Name::literal(KIND), Name::literal(OTHER)],
            state: WorkerState::Active,
        };
        self.broker.beat(report, super::LONG).await.expect("a reply");
        id
    }
}
