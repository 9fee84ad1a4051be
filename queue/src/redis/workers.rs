//! Kinds and workers.

use super::{RedisBroker, Result, keys, record::millis, script::Script, value};
use crate::{BeatReply, BrokerError, Command, KindRecord, WorkerReport};
use longshore_base::Millis;
use redis::Value;
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What a worker said of itself to a queue holds for its whole time; it is said again after this part of it, or when it changes.
const SAID_AGAIN: f64 = 2.0 / 3.0;

/// By worker: what it said to a queue, and until when that need not be said again.
#[derive(Debug, Default)]
pub(super) struct Announced(Mutex<HashMap<String, (u64, Duration)>>);

impl Announced {
    fn holds(&self, worker: &str, what: u64, now: Duration) -> bool {
        self.lock().get(worker).is_some_and(|(said, until)| *said == what && now < *until)
    }
    /// The server may not have heard what was said.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }
    fn note(&self, worker: &str, what: u64, holds: Range<Duration>) {
        let mut said = self.lock();
        said.retain(|_, (_, until)| *until > holds.start);
        said.insert(worker.to_owned(), (what, holds.end));
    }
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (u64, Duration)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a report says to one queue, as a number.
fn said(report: &WorkerReport, slots: u32, ttl: Duration) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&report.kinds, slots, ttl).hash(&mut hasher);
    hasher.finish()
}

impl RedisBroker {
    pub(super) async fn write_kinds(&self, records: &[KindRecord]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let key = keys::kinds(&self.options.prefix);
        let mut command = self.command(Script::PutKinds, &key);
        for record in records {
            let text = serde_json::to_vec(record).map_err(|e| BrokerError::Refused(e.to_string()))?;
            command.arg(record.name.as_str()).arg(&record.version.to_be_bytes()).arg(text);
        }
        self.call_key(Script::PutKinds, &key, &command).await.map(drop)
    }

    pub(super) async fn read_kinds(&self) -> Result<Vec<KindRecord>> {
        let key = keys::kinds(&self.options.prefix);
        let answer = self.router.call(keys::slot(&key), redis::cmd("HVALS").arg(&key), None).await?;
        let corrupt = || BrokerError::Corrupt("a kind's record".to_owned());
        let read = |v: &Value| -> Result<KindRecord> {
            let text = value::bytes(v).and_then(|b| b.get(4..)).ok_or_else(corrupt)?;
            serde_json::from_slice(text).map_err(|_| corrupt())
        };
        let mut kinds = value::list(answer, "kinds")?.iter().map(read).collect::<Result<Vec<_>>>()?;
        kinds.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(kinds)
    }

    pub(super) async fn report(&self, report: &WorkerReport, ttl: Duration) -> Result<BeatReply> {
        let key = keys::workers(&self.options.prefix);
        let text = serde_json::to_vec(report).map_err(|e| BrokerError::Refused(e.to_string()))?;
        let mut command = self.command(Script::Beat, &key);
        command.arg(&report.id).arg(millis(ttl)).arg(text);
        let answer = self.call_key(Script::Beat, &key, &command).await?;
        for served in &report.queues {
            let queue = self.queue(&served.name).await?;
            let (what, now) = (said(report, served.slots, ttl), self.options.clock.elapsed());
            if queue.announced.holds(&report.id, what, now) {
                continue;
            }
            let mut command = self.command(Script::Announce, &queue.meta);
            command.arg(millis(ttl)).arg(&report.id).arg(served.slots);
            for kind in &report.kinds {
                command.arg(kind.as_str());
            }
            self.call(&queue, Script::Announce, &command).await?;
            queue.announced.note(&report.id, what, now..now + ttl.mul_f64(SAID_AGAIN));
        }
        let command = value::text(&answer).and_then(|word| serde_json::from_value(word.into()).ok());
        Ok(BeatReply { command })
    }

    pub(super) async fn forget(&self, worker: &str) -> Result<()> {
        let key = keys::workers(&self.options.prefix);
        let command = redis::cmd("HDEL").arg(&key).arg(format!("w:{worker}")).arg(format!("c:{worker}")).to_owned();
        self.router.call(keys::slot(&key), &command, None).await.map(drop)
    }

    pub(super) async fn live_workers(&self) -> Result<Vec<WorkerReport>> {
        let key = keys::workers(&self.options.prefix);
        let answer = self.call_key(Script::Workers, &key, &self.command(Script::Workers, &key)).await?;
        let corrupt = || BrokerError::Corrupt("a worker's report".to_owned());
        let read = |v: &Value| -> Result<WorkerReport> {
            let (seen, text) = value::bytes(v).and_then(|b| b.split_at_checked(8)).ok_or_else(corrupt)?;
            let mut report: WorkerReport = serde_json::from_slice(text).map_err(|_| corrupt())?;
            report.seen_at = Millis::from_be_bytes(seen.try_into().map_err(|_| corrupt())?);
            Ok(report)
        };
        let mut workers = value::list(answer, "workers")?.iter().map(read).collect::<Result<Vec<_>>>()?;
        workers.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(workers)
    }

    pub(super) async fn tell_worker(&self, worker: &str, what: Command) -> Result<()> {
        let key = keys::workers(&self.options.prefix);
        let word = serde_json::to_value(what).map_err(|e| BrokerError::Refused(e.to_string()))?;
        let mut command = self.command(Script::Command, &key);
        command.arg(worker).arg(word.as_str().unwrap_or_default());
        match value::int(&self.call_key(Script::Command, &key, &command).await?, "command")? {
            1 => Ok(()),
            _ => Err(BrokerError::NotFound),
        }
    }
}
