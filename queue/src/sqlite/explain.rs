//! Why a job is not running: every scope is asked what the lease asks, on one snapshot.

use super::{
    admit::{Asked, Block, capped},
    codec,
    db::Db,
    list,
    row::{self, NEVER, Names, Row},
    scope::{self, Line, Place, RESOURCE},
    stats,
    tx::{READY, RUNNING, WAITING},
};
use crate::{BrokerError, Explanation, JobId, Obstacle, QUANTUM, RuleScope, Scope, Wait, WaitOn, WorkerReport, WorkerState};
use longshore_base::{Millis, Name};
use rusqlite::params;

type Result<T> = std::result::Result<T, BrokerError>;

/// Jobs that an obstacle names at most.
const NAMED_MAX: usize = 10;

/// A queue and the job's tenant in it.
struct Standing {
    vt: f64,
    queue_vt: f64,
    cap: Option<u32>,
    running: u64,
    flags: i64,
    slots: u64,
    rate_per_s: f64,
}

/// The answer for one job, to whoever may see it.
pub(super) fn explain(db: Db<'_>, scope: &Scope, id: JobId, now: Millis) -> Result<Explanation> {
    let job = list::seen(db, scope, id)?.ok_or(BrokerError::NotFound)?;
    let mut answer = Explanation { state: job.state(), obstacles: Vec::new(), ahead: 0, estimated_start: None };
    if !job.is_live() {
        answer.obstacles.push(Obstacle::Ended { state: job.state(), reason: job.reason.and_then(row::reason) });
        return Ok(answer);
    }
    if job.state == RUNNING {
        return Ok(answer);
    }
    let names = row::names(db, job.lane)?;
    let standing = standing(db, &job, now)?;
    answer.obstacles.extend(own_state(db, &job, now)?);
    answer.obstacles.extend(rules(db, &job, &names, &standing, now)?);
    answer.obstacles.extend(workers(db, &job, &names, now)?);
    let ready = job.state == READY || (job.state != WAITING && job.due_at.is_some_and(|due| due <= now));
    if ready {
        turns(db, &job, &names, &standing, now, &mut answer)?;
    }
    answer.estimated_start = estimate(&answer, &standing, now);
    Ok(answer)
}

fn standing(db: Db<'_>, job: &Row, now: Millis) -> Result<Standing> {
    let slots = scope::slots(db, job.queue, now)?;
    db.must("why.turn", [job.turn], |row| {
        let cap: Option<u32> = row.get(2)?;
        Ok(Standing {
            vt: row.get(0)?,
            queue_vt: row.get(1)?,
            cap,
            running: row.get(3)?,
            flags: row.get(4)?,
            slots: cap.map_or(slots, |cap| slots.min(u64::from(cap))),
            rate_per_s: stats::rate(now, row.get(5)?, row.get(6)?, row.get(7)?),
        })
    })
}

/// What its own state has in its way.
fn own_state(db: Db<'_>, job: &Row, now: Millis) -> Result<Option<Obstacle>> {
    if job.state == WAITING {
        let wait: Option<Wait> = job.wait.as_deref().map(codec::unpack).transpose()?;
        let open = db.all("deliver.open", [job.seq], |row| row.get::<_, [u8; 16]>(0))?;
        let mut by = open.into_iter().map(JobId::from_bytes).collect::<Vec<_>>();
        let what = match wait.map(|wait| wait.on) {
            Some(WaitOn::Signal(name)) => format!("the signal {name}"),
            Some(WaitOn::Job(id)) => {
                by = vec![id];
                format!("the end of the job {id}")
            }
            Some(WaitOn::AnyChild) => format!("one of {} children", by.len()),
            Some(WaitOn::AllChildren) | None => format!("{} children", by.len()),
        };
        return Ok(Some(Obstacle::Waiting { what, by, until: job.due_at.filter(|due| *due != NEVER) }));
    }
    Ok(job.due_at.filter(|due| job.state != READY && *due > now).map(|until| Obstacle::NotDue { until }))
}

/// Every rule that holds it, scope by scope.
fn rules(db: Db<'_>, job: &Row, names: &Names, standing: &Standing, now: Millis) -> Result<Vec<Obstacle>> {
    let mut found = Vec::new();
    if let Some(block) = capped(standing.cap, standing.running) {
        found.push(told(db, &Place::queue(job.queue), block)?);
    }
    let asked = Asked { now, cost: u64::from(job.cost), slots: standing.slots };
    for place in scope::places(job.queue, standing.flags, &names.tenant, &names.kind, &names.key, &names.resources) {
        let Some(line) = scope::find(db, &place, now)? else { continue };
        // Of an outside quota people need to know that it lacks something, not what first and what next.
        let most = if place.class == RESOURCE { 1 } else { usize::MAX };
        for block in line.blocks(&asked).into_iter().take(most) {
            found.push(told(db, &place, block)?);
        }
    }
    Ok(found)
}

fn told(db: Db<'_>, place: &Place, block: Block) -> Result<Obstacle> {
    let Some(scope) = place.rule_scope()? else {
        let until = block.until();
        let gate = if let Block::Gated(gate) = block { Some(gate) } else { None };
        return Ok(Obstacle::Resource { name: codec::name(&place.name)?, gate, until });
    };
    Ok(match block {
        Block::Gated(gate) => Obstacle::Gated { scope, gate },
        Block::Probe(by) => Obstacle::Probe { by },
        Block::Limit { max, rule } => Obstacle::Limit { by: holders(db, place, &scope)?, scope, max, rule },
        Block::Rate { until } => Obstacle::Rate { scope, until },
        Block::Budget { used, units, until } => Obstacle::Budget { tenant: codec::name(&place.tenant)?, used, units, until },
        Block::Empty { until } => Obstacle::Resource { name: codec::name(&place.name)?, gate: None, until },
    })
}

fn holders(db: Db<'_>, place: &Place, scope: &RuleScope) -> Result<Vec<JobId>> {
    let (tenant, kind, key) = match scope {
        RuleScope::Queue => (None, None, None),
        RuleScope::Tenant(tenant) => (Some(tenant.as_str()), None, None),
        RuleScope::Kind(kind) => (None, Some(kind.as_str()), None),
        RuleScope::Key { tenant, key } => (Some(tenant.as_str()), None, Some(key.as_str())),
    };
    let ids = db.all("why.holders", params![place.queue, tenant, kind, key], |row| row.get::<_, [u8; 16]>(0))?;
    Ok(ids.into_iter().map(JobId::from_bytes).collect())
}

/// Whether any live worker would take it: those that report that they are at work here, and those that only lease.
fn workers(db: Db<'_>, job: &Row, names: &Names, now: Millis) -> Result<Option<Obstacle>> {
    let reports = super::workers::workers(db, now)?;
    let active = |worker: &&WorkerReport| worker.state == WorkerState::Active && worker.queues.iter().any(|q| q.name == names.queue);
    let active: Vec<_> = reports.iter().filter(active).collect();
    let since = now - super::workers::CARRIES_MS;
    let silent = |kind: Option<&str>| db.all("why.silent", params![job.queue, kind, now, since], |row| row.get::<_, String>(0));
    let mut able: Vec<String> = silent(Some(names.kind.as_str()))?;
    able.extend(active.iter().filter(|worker| worker.kinds.contains(&names.kind)).map(|worker| worker.id.clone()));
    if able.is_empty() {
        let served = !active.is_empty() || !silent(None)?.is_empty();
        return Ok(Some(if served { Obstacle::UnknownKind { kind: names.kind.clone() } } else { Obstacle::NoWorker }));
    }
    if !job.suspect {
        return Ok(None);
    }
    let running: Vec<([u8; 16], String)> = db.all("why.suspects", [job.queue], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let taken = able.iter().all(|worker| running.iter().any(|(_, by)| by == worker));
    let by = running.iter().take(NAMED_MAX).map(|(id, _)| JobId::from_bytes(*id)).collect();
    Ok(taken.then_some(Obstacle::Suspect { by }))
}

/// Who starts before it: in its lane, among its tenant's lanes, among the tenants.
fn turns(db: Db<'_>, job: &Row, names: &Names, standing: &Standing, now: Millis, answer: &mut Explanation) -> Result<()> {
    let place = params![job.lane, job.rank, job.seq];
    let before: u64 = db.must("why.before", place, |row| row.get(0))?;
    if before > 0 {
        let first = db.must("why.first", place, |row| row.get::<_, [u8; 16]>(0))?;
        answer.obstacles.push(Obstacle::Behind { ahead: before, first: JobId::from_bytes(first) });
    }
    let (head, vt) = db.must("why.lane", [job.lane], |row| Ok((row.get::<_, u8>(0)?, row.get::<_, f64>(1)?)))?;
    let mut looker = Looker { db, queue: job.queue, flags: standing.flags, slots: standing.slots, now };
    let own = looker.lanes(job.turn, &names.tenant, (head, vt, job.lane))?;
    let mut others = 0;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, u64>(2)?));
    for (turn, tenant, ready) in db.all("why.turns_before", params![job.queue, standing.vt, job.turn], read)? {
        if looker.lanes(turn, &codec::name(&tenant)?, (u8::MAX, f64::MAX, i64::MAX))? > 0 {
            others += ready.min(QUANTUM as u64);
        }
    }
    answer.ahead = before + own + others;
    let full = standing.slots > 0 && standing.running >= standing.slots;
    if answer.obstacles.is_empty() && (own + others > 0 || full) {
        answer.obstacles.push(Obstacle::Turn { behind_ms: (standing.vt - standing.queue_vt).max(0.0) });
    }
    Ok(())
}

/// Asks for other lanes what the lease would ask.
struct Looker<'c> {
    db: Db<'c>,
    queue: u16,
    flags: i64,
    slots: u64,
    now: Millis,
}

impl Looker<'_> {
    /// How many of a tenant's lanes before this place may start something.
    fn lanes(&mut self, turn: i64, tenant: &Name, before: (u8, f64, i64)) -> Result<u64> {
        type Found = (String, String, String, i64);
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let lanes: Vec<Found> = self.db.all("why.lanes_before", params![turn, before.0, before.1, before.2], read)?;
        let mut open = 0;
        for (kind, key, resources, lane) in lanes {
            let Some(cost) = self.db.one("why.head", [lane], |row| row.get::<_, u64>(0))? else { continue };
            let asked = Asked { now: self.now, cost, slots: self.slots };
            let resources = row::resources(&resources)?;
            let places = scope::places(self.queue, self.flags, tenant, &codec::name(&kind)?, &key, &resources);
            let mut free = true;
            for place in places {
                let found: Option<Line> = scope::find(self.db, &place, self.now)?;
                free &= found.is_none_or(|line| line.blocks(&asked).is_empty());
            }
            open += u64::from(free);
        }
        Ok(open)
    }
}

/// When it may start, by what is known.
#[expect(clippy::cast_possible_truncation, reason = "an estimate of a time")]
fn estimate(answer: &Explanation, standing: &Standing, now: Millis) -> Option<Millis> {
    let (mut at, mut ahead) = (now, answer.ahead);
    for obstacle in &answer.obstacles {
        let until = match obstacle {
            Obstacle::NotDue { until } | Obstacle::Rate { until, .. } | Obstacle::Budget { until, .. } => Some(*until),
            Obstacle::Gated { gate, .. } => gate.pause.until,
            Obstacle::Waiting { until, .. } | Obstacle::Resource { until, .. } => *until,
            Obstacle::NoWorker | Obstacle::UnknownKind { .. } | Obstacle::Ended { .. } => None,
            Obstacle::Limit { .. } | Obstacle::Suspect { .. } | Obstacle::Probe { .. } => {
                ahead = ahead.max(1);
                Some(now)
            }
            Obstacle::Behind { .. } => Some(now),
            Obstacle::Turn { .. } => {
                ahead = ahead.max(1);
                Some(now)
            }
        };
        at = at.max(until?);
    }
    if ahead == 0 {
        return Some(at);
    }
    let wait_ms = (standing.rate_per_s > 0.0).then(|| ahead as f64 / standing.rate_per_s * 1_000.0)?;
    Some(at.saturating_add(wait_ms as Millis))
}
