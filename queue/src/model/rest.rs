//! Lists, counts, rules, kinds, workers and requests.

use super::world::{Result, World, ms};
use crate::{
    BeatReply, Begun, BrokerError, Command, Filter, Job, JobId, KindRecord, Logs, Page, QueueStats, RuleScope, Scope, State, WorkerReport,
};
use longshore_base::{Millis, Name};
use std::time::Duration;

/// A worker as the model knows it.
#[derive(Debug)]
pub(super) struct Worker {
    report: WorkerReport,
    dies_at: Millis,
    command: Option<Command>,
}

/// A request under an Idempotency-Key.
#[derive(Debug)]
pub(super) struct Request {
    body: [u8; 32],
    seed: [u8; 16],
    at: Millis,
    answer: Option<String>,
}

impl World {
    /// A page of jobs: ended ones of one state newest first, others in the order of their ids.
    pub fn list(&self, scope: &Scope, filter: &Filter, limit: usize, cursor: Option<&str>) -> Result<Page> {
        let after = cursor.map(place).transpose()?;
        let by_end = filter.state.is_some_and(State::is_ended);
        let place_of = |job: &Job| (job.ended_at.filter(|_| by_end).map_or(0, |at| -at), job.id);
        let mut page = Page::default();
        let mut jobs: Vec<_> = self.queues.values().flat_map(|q| q.jobs.values()).map(|r| &r.job).collect();
        jobs.sort_by_key(|job| place_of(job));
        for job in jobs.into_iter().filter(|job| after.is_none_or(|after| place_of(job) > after)) {
            page.scanned += 1;
            let hidden = filter.state == Some(State::Dead) && job.replayed && !filter.replayed;
            if hidden || !scope.sees(&job.tenant) || !filter.matches(job) {
                continue;
            }
            if page.items.len() == limit {
                page.cursor = page.items.last().map(place_of).map(|(at, id)| format!("{at}/{id}"));
                break;
            }
            page.items.push(job.clone());
        }
        Ok(page)
    }

    /// A job's log lines.
    pub fn logs(&self, scope: &Scope, id: JobId) -> Result<Logs> {
        let record = self.record(id).filter(|r| scope.sees(&r.job.tenant)).ok_or(BrokerError::NotFound)?;
        Ok(Logs { lines: record.logs.iter().cloned().collect(), dropped: record.dropped })
    }

    /// A queue in numbers.
    pub fn stats(&mut self, now: Millis, scope: &Scope, queue: &Name) -> QueueStats {
        let workers = self.workers.values().filter(|w| w.dies_at > now && w.report.queues.iter().any(|q| q.name == *queue)).count();
        let slots_live = self.slots_live(now, queue);
        let q = self.queue(queue);
        let count = |state: State| {
            let seen = q.jobs.values().filter(|r| r.job.state == state && scope.sees(&r.job.tenant) && !r.job.replayed);
            seen.count() as u64
        };
        let oldest = q.jobs.values().filter(|r| r.job.state == State::Ready && scope.sees(&r.job.tenant)).map(|r| r.job.created_at).min();
        QueueStats {
            name: queue.to_string(),
            scheduled: count(State::Scheduled),
            ready: count(State::Ready),
            running: count(State::Running),
            retrying: count(State::Retrying),
            waiting: count(State::Waiting),
            completed: count(State::Completed),
            dead: count(State::Dead),
            cancelled: count(State::Cancelled),
            paused: q.gate(now, &RuleScope::Queue).map(|gate| gate.pause.clone()),
            oldest_ready_ms: oldest.map(|at| u64::try_from(now - at).unwrap_or(0)),
            slots: q.slots,
            workers: u32::try_from(workers).unwrap_or(u32::MAX),
            lease_lost: q.lease_lost,
            auto: q.auto,
            scaled_at: q.scaled_at,
            slots_live,
            rate_per_s: q.rate(now),
            mean_ms: q.mean_ms,
        }
    }

    /// Takes records over unless a newer one is there.
    pub fn put_kinds(&mut self, records: Vec<KindRecord>) {
        for record in records {
            if self.kinds.get(&record.name).is_none_or(|there| there.version <= record.version) {
                self.kinds.insert(record.name.clone(), record);
            }
        }
    }

    /// A worker reports.
    pub fn beat(&mut self, now: Millis, report: WorkerReport, ttl: Duration) -> BeatReply {
        let command = self.workers.get_mut(&report.id).filter(|w| w.dies_at > now).and_then(|w| w.command.take());
        let report = WorkerReport { seen_at: now, ..report };
        self.workers.insert(report.id.clone(), Worker { report, dies_at: now + ms(ttl), command: None });
        BeatReply { command }
    }

    /// Live workers.
    #[must_use]
    pub fn workers(&self, now: Millis) -> Vec<WorkerReport> {
        self.workers.values().filter(|w| w.dies_at > now).map(|w| w.report.clone()).collect()
    }

    /// Tells a worker something.
    pub fn command(&mut self, now: Millis, worker: &str, command: Command) -> Result<()> {
        let worker = self.workers.get_mut(worker).filter(|w| w.dies_at > now).ok_or(BrokerError::NotFound)?;
        worker.command = Some(command);
        Ok(())
    }

    /// Begins a request.
    pub fn begin(&mut self, tenant: &Name, key: &str, body: [u8; 32], seed: [u8; 16], now: Millis) -> Begun {
        let request = self.requests.entry((tenant.clone(), key.to_owned())).or_insert(Request { body, seed, at: now, answer: None });
        match &request.answer {
            _ if request.body != body => Begun::Conflict,
            Some(answer) => Begun::Answered(answer.clone()),
            None => Begun::Run { seed: request.seed, at: request.at },
        }
    }

    /// Ends a request with its answer.
    pub fn finish(&mut self, tenant: &Name, key: &str, answer: &str) -> Result<()> {
        let request = self.requests.get_mut(&(tenant.clone(), key.to_owned())).ok_or(BrokerError::NotFound)?;
        request.answer.get_or_insert_with(|| answer.to_owned());
        Ok(())
    }
}

/// A cursor: the place of the last job that was shown.
fn place(text: &str) -> Result<(Millis, JobId)> {
    let parts = text.split_once('/').and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
    parts.ok_or_else(|| BrokerError::Cursor(text.to_owned()))
}
