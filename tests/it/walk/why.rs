//! Explain is checked against the truth: what is told is what the model tells; where nothing is in the way a worker that asks gets the
//! job; and a reason that is removed is not told any more, until none is left and the job is leased.

use super::walker::{KINDS, Stop, Walker};
use longshore_base::Millis;
use longshore_queue::{Explanation, JobId, Obstacle, ResourceChange, RuleChange, Scope, State};

/// More rules than can hold one job.
const REASONS_MAX: usize = 40;
/// Jobs that are leased to see whether one of them is the one: as many as a walk can have ready.
const ENOUGH: usize = 400;
/// The worker that asks; it runs no suspects.
const FRESH: u8 = 100;

impl Walker {
    pub(super) async fn why(&mut self, id: JobId, remove: bool) -> Result<(), Stop> {
        // A lease would promote first.
        self.tick().await;
        let mut told = self.explained(id).await?;
        for _ in 0..REASONS_MAX {
            if !remove {
                break;
            }
            let Some(first) = self.remove_first(id, &told).await? else { break };
            told = self.explained(id).await?;
            if told.obstacles.iter().any(|obstacle| alike(obstacle, &first)) {
                return Err(format!("{first:?} was removed and is told again: {:?}", told.obstacles));
            }
        }
        self.lease_if_free(id, &told).await
    }

    /// What the broker tells, once it is the same as what the model tells.
    async fn explained(&mut self, id: JobId) -> Result<Explanation, Stop> {
        let now = self.case.now().await;
        let told = self.case.broker.explain(&Scope::All, id).await;
        let ours = self.world.explain(now, &Scope::All, id);
        let (told, ours) = match (told, ours) {
            (Ok(told), Ok(ours)) => (told, ours),
            (Err(told), Err(ours)) if told.code() == ours.code() => {
                return Ok(Explanation { state: State::Cancelled, obstacles: vec![], ahead: 0, estimated_start: None });
            }
            (told, ours) => return Err(format!("why {id}: broker {told:?}, model {ours:?}")),
        };
        // Rules may be told of a job that waits, or looked at when it does not wait any more.
        let told_of = |obstacles: &[Obstacle]| {
            let own = obstacles.iter().filter(|obstacle| ours.state != State::Waiting || matches!(obstacle, Obstacle::Waiting { .. }));
            shown(own)
        };
        let (theirs, model) = (told_of(&told.obstacles), told_of(&ours.obstacles));
        if told.state != ours.state || theirs != model {
            return Err(format!("why {id}:\n  broker {} {theirs:#?}\n  model  {} {model:#?}", told.state, ours.state));
        }
        Ok(told)
    }

    /// Takes the first reason away that a person can take away; tells which.
    async fn remove_first(&mut self, id: JobId, told: &Explanation) -> Result<Option<Obstacle>, Stop> {
        let now = self.case.now().await;
        for obstacle in &told.obstacles {
            match obstacle {
                Obstacle::Gated { scope, .. } => self.rule(scope, RuleChange::Resume, None, now).await?,
                Obstacle::Limit { scope, rule: "scale", .. } => self.rule(scope, RuleChange::Scale(None), None, now).await?,
                Obstacle::Limit { scope, .. } | Obstacle::Rate { scope, .. } => self.rule(scope, RuleChange::Clear, None, now).await?,
                Obstacle::Budget { tenant, .. } => {
                    let scope = longshore_queue::RuleScope::Tenant(tenant.clone());
                    self.rule(&scope, RuleChange::Clear, None, now).await?;
                }
                Obstacle::Resource { name, gate: Some(_), .. } => self.resource(name, ResourceChange::Resume, now).await?,
                Obstacle::Resource { name, .. } => self.resource(name, ResourceChange::Remove, now).await?,
                Obstacle::NotDue { .. } => self.bring_forward(id, now).await?,
                _ => continue,
            }
            return Ok(Some(obstacle.clone()));
        }
        Ok(None)
    }

    async fn bring_forward(&mut self, id: JobId, now: Millis) -> Result<(), Stop> {
        let told = self.case.broker.retry_now(&Scope::All, id).await;
        super::walker::same(told, self.world.retry_now(now, &Scope::All, id))
    }

    /// A Ready job with nothing in its way but others' turns is leased when enough is asked for; unless one of those that were leased
    /// before it took the last of something, which it then tells.
    async fn lease_if_free(&mut self, id: JobId, told: &Explanation) -> Result<(), Stop> {
        let is_turn = |obstacle: &Obstacle| matches!(obstacle, Obstacle::Behind { .. } | Obstacle::Turn { .. });
        if told.state != State::Ready || !told.obstacles.iter().all(is_turn) {
            return Ok(());
        }
        let now = self.case.now().await;
        self.lease(FRESH, ENOUGH, (1 << KINDS.len()) - 1, now).await?;
        let state = self.case.state(id).await;
        let expired = state == State::Cancelled;
        if state == State::Running || expired {
            return Ok(());
        }
        let after = self.explained(id).await?;
        if !after.obstacles.iter().all(is_turn) {
            return Ok(());
        }
        Err(format!("{id} was told to be free ({:?}), was not leased, and is {state} ({:?})", told.obstacles, after.obstacles))
    }
}

/// The same reason at the same place, whoever holds it now.
fn alike(a: &Obstacle, b: &Obstacle) -> bool {
    match (a, b) {
        (Obstacle::Gated { scope: a, .. }, Obstacle::Gated { scope: b, .. })
        | (Obstacle::Rate { scope: a, .. }, Obstacle::Rate { scope: b, .. }) => a == b,
        (Obstacle::Limit { scope: a, rule: x, .. }, Obstacle::Limit { scope: b, rule: y, .. }) => (a, x) == (b, y),
        (Obstacle::Resource { name: a, gate: x, .. }, Obstacle::Resource { name: b, gate: y, .. }) => a == b && x.is_some() == y.is_some(),
        (Obstacle::Budget { .. }, Obstacle::Budget { .. }) | (Obstacle::NotDue { .. }, Obstacle::NotDue { .. }) => true,
        _ => false,
    }
}

/// What can be told of obstacles in spite of two clocks, and without whose turn it is: that is a matter of what attempts took.
fn shown<'a>(obstacles: impl Iterator<Item = &'a Obstacle>) -> Vec<String> {
    let text = |obstacle: &Obstacle| match obstacle {
        Obstacle::NotDue { .. } => "not due".to_owned(),
        Obstacle::Waiting { by, until, .. } => {
            let mut by = by.clone();
            by.sort();
            format!("waits for {by:?}, with an end: {}", until.is_some())
        }
        Obstacle::Gated { scope, gate } => format!("{:?} closed {scope:?}, with an end: {}", gate.cause, gate.pause.until.is_some()),
        Obstacle::Limit { scope, max, rule, by } => {
            let mut by = by.clone();
            by.sort();
            // Of more than are told everyone may choose.
            format!("{rule} {max} of {scope:?} by {:?}", Some(by).filter(|by| by.len() < 10))
        }
        Obstacle::Rate { scope, .. } => format!("rate of {scope:?}"),
        Obstacle::Budget { tenant, used, units, .. } => format!("{used} of {units} units of {tenant}"),
        Obstacle::Resource { name, gate, .. } => format!("{name}, closed: {}", gate.is_some()),
        other => format!("{other:?}"),
    };
    let mut lines: Vec<_> = obstacles.filter(|obstacle| !matches!(obstacle, Obstacle::Turn { .. })).map(text).collect();
    lines.sort();
    lines
}
