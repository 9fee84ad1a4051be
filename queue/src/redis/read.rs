//! Jobs and queues, looked at.

use super::{
    RedisBroker, Result,
    bytes::{self, Reader},
    keys,
    mutable::{self, Held, Parts},
    queues::Queue,
    script::Script,
    value,
};
use crate::{BrokerError, Group, Home, Hour, Job, JobId, Pause, QueueStats, Scope};
use longshore_base::{Millis, Name};
use redis::Value;
use std::collections::HashMap;

/// Jobs read by one script: with the largest args and outputs still some 50 MiB.
const GET_MAX: usize = 100;
const HOUR_MS: Millis = 3_600_000;

impl RedisBroker {
    pub(super) async fn get_jobs(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        let mut found: HashMap<JobId, Job> = HashMap::with_capacity(ids.len());
        let mut by_home: HashMap<Home, Vec<JobId>> = HashMap::new();
        for id in ids {
            by_home.entry(id.home()).or_default().push(*id);
        }
        for (home, ids) in by_home {
            let Some(queue) = self.at_home(home).await? else { continue };
            for some in ids.chunks(GET_MAX) {
                let jobs = self.stored(&queue, some).await?;
                found.extend(jobs.into_iter().flatten().filter(|job| scope.sees(&job.tenant)).map(|job| (job.id, job)));
            }
        }
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    /// Jobs of one queue, whoever they belong to.
    pub(super) async fn stored(&self, queue: &Queue, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = self.command(Script::Get, &queue.meta);
        for id in ids {
            command.arg(&keys::short(*id));
        }
        let answers = value::list(self.call(queue, Script::Get, &command).await?, "get")?;
        ids.iter().zip(&answers).map(|(id, answer)| Ok(whole(queue, *id, answer)?.map(|(job, _)| job))).collect()
    }

    /// One job and its record as stored.
    pub(super) async fn with_record(&self, queue: &Queue, id: JobId) -> Result<Option<(Job, Vec<u8>)>> {
        let mut command = self.command(Script::Get, &queue.meta);
        command.arg(&keys::short(id));
        let answers = value::list(self.call(queue, Script::Get, &command).await?, "get")?;
        whole(queue, id, answers.first().ok_or_else(|| value::strange("get"))?)
    }

    pub(super) async fn stats_of(&self, scope: &Scope, name: &Name) -> Result<QueueStats> {
        let mut stats = QueueStats { name: name.to_string(), ..QueueStats::default() };
        let workers = self.live_workers().await?;
        let serving = workers.iter().filter(|w| w.queues.iter().any(|q| q.name == *name)).count();
        stats.slots_live = workers.iter().flat_map(|w| &w.queues).filter(|q| q.name == *name).map(|q| u64::from(q.slots)).sum();
        stats.workers = u32::try_from(serving).unwrap_or(u32::MAX);
        let Some(queue) = self.existing(name).await? else { return Ok(stats) };
        let mut command = self.command(Script::Stats, &queue.meta);
        command.arg(match scope {
            Scope::All => "",
            Scope::Tenant(tenant) => tenant.as_str(),
        });
        let answer = value::list(self.call(&queue, Script::Stats, &command).await?, "stats")?;
        let number = |at: usize| answer.get(at).and_then(|v| value::int(v, "stats").ok()).and_then(|n| u64::try_from(n).ok());
        let text = |at: usize| answer.get(at).and_then(value::text).filter(|t| !t.is_empty()).map(str::to_owned);
        let count = |at: usize| number(at).unwrap_or(0);
        (stats.scheduled, stats.ready, stats.running, stats.retrying) = (count(0), count(1), count(2), count(3));
        (stats.waiting, stats.completed, stats.cancelled, stats.dead) = (count(4), count(5), count(6), count(7));
        if answer.get(8).and_then(value::bytes).is_some() {
            stats.paused = Some(Pause { until: text(8).and_then(|t| t.parse().ok()), reason: text(9), by: text(10) });
        }
        stats.slots = number(11).and_then(|n| u32::try_from(n).ok());
        stats.lease_lost = count(12);
        stats.oldest_ready_ms = number(13);
        stats.auto = text(14).and_then(|json| serde_json::from_str(&json).ok());
        stats.scaled_at = text(15).and_then(|t| t.parse().ok());
        stats.rate_per_s = text(16).and_then(|t| t.parse().ok()).unwrap_or(0.0);
        stats.mean_ms = text(17).and_then(|t| t.parse().ok());
        Ok(stats)
    }

    pub(super) async fn dead_groups(&self, scope: &Scope, only: Option<&Name>) -> Result<Vec<Group>> {
        let queues = match only {
            Some(name) => self.existing(name).await?.into_iter().collect(),
            None => self.all_queues().await?,
        };
        let mut groups = Vec::new();
        for queue in queues {
            for (field, stored) in self.hash(&queue, &keys::sibling(&queue.meta, "groups")).await? {
                let group = group(&queue.name, &field, &stored).ok_or_else(|| BrokerError::Corrupt("a group".to_owned()))?;
                if scope.sees(&group.tenant) {
                    groups.push(group);
                }
            }
        }
        groups.sort_by(|a, b| b.last_at.cmp(&a.last_at).then_with(|| a.fingerprint.cmp(&b.fingerprint)));
        Ok(groups)
    }
}

/// What `get.lua` answers for one id.
fn whole(queue: &Queue, id: JobId, answer: &Value) -> Result<Option<(Job, Vec<u8>)>> {
    let Value::Array(parts) = answer else { return Ok(None) };
    let part = |at: usize| parts.get(at).and_then(value::bytes);
    let Some(record) = part(0) else { return Err(value::strange("get")) };
    let held = part(2).map(|lease| Held::read(lease).ok_or_else(|| BrokerError::Corrupt("a lease".to_owned()))).transpose()?;
    let due_at = parts.get(3).and_then(value::score);
    let parts = Parts { record, mutable: part(1), held, due_at, output: part(4), progress: part(5), replays: part(6), moved_to: part(7) };
    let (job, _) = mutable::job(&keys::short(id), queue.home, &queue.name, parts)?;
    Ok(Some((job, record.to_vec())))
}

/// `tenant/kind/fingerprint` -> count, first, last, hours, sample, as `include/finish.lua` keeps them.
fn group(queue: &Name, field: &[u8], stored: &[u8]) -> Option<Group> {
    let mut names = std::str::from_utf8(field).ok()?.splitn(3, '/');
    let (tenant, kind) = (Name::new(names.next()?).ok()?, Name::new(names.next()?).ok()?);
    let fingerprint = names.next()?.to_owned();
    let mut r = Reader::new(stored);
    let (count, first_at, last_at) = (r.u32()?.into(), r.millis()?, r.millis()?);
    let mut hours = Vec::new();
    if r.rest().first().is_some_and(|n| *n > 0) {
        for _ in 0..r.u8()? {
            hours.push(Hour { at: Millis::from(r.u32()?) * HOUR_MS, count: r.u32()?.into() });
        }
    }
    let sample = bytes::decode_error(r.rest())?;
    Some(Group { fingerprint, tenant, kind, queue: queue.clone(), sample, count, first_at, last_at, hours })
}
