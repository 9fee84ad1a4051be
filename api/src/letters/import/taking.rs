//! Lines become letters: checked like an enqueue, put in batches, counted.

use super::{Imported, Refused, parts::parts};
use crate::{
    auth::Principal,
    body::decode,
    calls::{Deadline, Repeat},
    intake::may_name,
    letters::line::LetterLine,
    limits::depth,
    problem::Problem,
    state::Api,
};
use longshore_base::{Name, Scope};
use longshore_jobs::{FieldFault, RequestError};
use longshore_queue::{BrokerError, Enqueued, JobId, Letter};
use serde_json::Value;
use std::collections::HashMap;

/// Letters of a batch, and bytes of their lines.
const BATCH: usize = 100;
const BATCH_BYTES: usize = 2 * 1024 * 1024;
/// Refused lines that are told, and bytes of each reason.
const REFUSED_MAX: usize = 1_000;
const REASON_MAX: usize = 500;

/// An import on its way.
pub(super) struct Taking<'a> {
    api: &'a Api,
    caller: &'a Principal,
    deadline: Deadline,
    told: Imported,
    /// Lines up to which it is known what came of them.
    settled: usize,
    batch: Vec<Pending>,
    bytes: usize,
    /// Queues that were asked for, and why the caller may not name them.
    queues: HashMap<Name, Option<String>>,
}

/// A letter that is not in its queue yet.
struct Pending {
    line: usize,
    /// The id that the line's own and the tenant always give.
    made: JobId,
    letter: Letter,
}

/// Why there is no letter.
enum Stop {
    /// The line is wrong.
    Refused(String),
    /// Nothing is wrong with the line.
    Failed(Problem),
}

impl From<Vec<FieldFault>> for Stop {
    fn from(faults: Vec<FieldFault>) -> Self {
        let each: Vec<_> = faults.iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail)).collect();
        Self::Refused(each.join("; "))
    }
}

impl From<RequestError> for Stop {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Faults { faults, .. } => faults.into(),
            RequestError::Broker(BrokerError::NotDurable) => Self::Refused(BrokerError::NotDurable.to_string()),
            RequestError::Broker(error) => Self::Failed(error.into()),
            RequestError::Blob(error) => Self::Failed(error.into()),
        }
    }
}

impl<'a> Taking<'a> {
    pub(super) fn new(api: &'a Api, caller: &'a Principal, deadline: Deadline) -> Self {
        let (told, batch, queues) = (Imported::default(), Vec::new(), HashMap::new());
        Self { api, caller, deadline, told, settled: 0, batch, bytes: 0, queues }
    }

    /// The next line.
    pub(super) async fn take(&mut self, text: &[u8]) -> Result<(), Problem> {
        self.told.lines += 1;
        match self.read(text).await {
            Ok(pending) => {
                self.batch.push(pending);
                self.bytes += text.len();
            }
            Err(Stop::Refused(reason)) => self.refuse(self.told.lines, reason),
            Err(Stop::Failed(problem)) => return Err(problem),
        }
        if self.batch.len() >= BATCH || self.bytes >= BATCH_BYTES { self.put().await } else { Ok(()) }
    }

    /// The next line, which holds nothing, or more than can be read.
    pub(super) fn pass(&mut self, wrong: Option<String>) {
        self.told.lines += 1;
        if let Some(reason) = wrong {
            self.refuse(self.told.lines, reason);
        }
    }

    /// Puts what is left, and tells what came of all lines.
    pub(super) async fn finish(mut self) -> Result<Imported, Problem> {
        match self.put().await {
            Ok(()) => Ok(self.told),
            Err(problem) => Err(self.failed(problem)),
        }
    }

    /// Puts what is left, and tells how far it came when `problem` ended it.
    pub(super) async fn close(mut self, problem: Problem) -> Problem {
        let put = self.put().await;
        self.failed(put.err().unwrap_or(problem))
    }

    /// How far it came.
    pub(super) fn failed(&self, problem: Problem) -> Problem {
        let Imported { imported, duplicates, refused_count, .. } = self.told;
        let told = format!(
            "{}. The first {} lines are done with: {imported} letters are new, {duplicates} were there before, {refused_count} lines \
             were refused. Send the file again, or the rest: what is in makes no second letter.",
            problem.sentence().trim_end_matches('.'),
            self.settled
        );
        problem.detail(told)
    }

    fn refuse(&mut self, line: usize, reason: String) {
        self.told.refused_count += 1;
        if self.told.refused.len() < REFUSED_MAX {
            let cut = reason.floor_char_boundary(REASON_MAX);
            self.told.refused.push(Refused { line, reason: reason[..cut].to_owned() });
        }
    }

    async fn read(&mut self, text: &[u8]) -> Result<Pending, Stop> {
        let (api, line) = (self.api, self.told.lines);
        let max = api.limits.depth_max;
        if depth(text) > max {
            return Err(Stop::Refused(format!("it is nested deeper than {max} levels")));
        }
        let value = serde_json::from_slice::<Value>(text).map_err(|error| Stop::Refused(format!("it is not JSON: {error}")))?;
        let read: LetterLine = decode(value)?;
        let tenant = self.caller.tenant(read.tenant.clone()).map_err(|fault| vec![fault])?;
        self.may_name(&read.queue).await?;
        let id = read.id;
        let seed = [id.as_bytes().as_slice(), b"/import/", tenant.as_str().as_bytes()].concat();
        let (mut request, rest) = parts(read, tenant, api.clock.now())?;
        request.by_tenant = self.caller.is_tenant();
        let job = api.call(self.deadline, Repeat::Read, || api.checker.check_derived(request.clone(), id.time(), &seed)).await?;
        let (made, mut letter) = (job.id, rest.letter(job));
        // An id names its queue's number too, which may be another one here.
        if id.home() == made.home() {
            let renamed = api.checker.blobs().rename(&letter.job.queue, &letter.job.args, made, id).await;
            renamed.map_err(|error| Stop::Failed(error.into()))?;
            letter.job.id = id;
        }
        Ok(Pending { line, made, letter })
    }

    /// A tenant's key makes no queues.
    async fn may_name(&mut self, queue: &Name) -> Result<(), Stop> {
        if !self.queues.contains_key(queue) {
            let refused = match may_name(self.api, self.caller, self.deadline, queue).await.map_err(Problem::into_faults) {
                Ok(()) => None,
                Err(Ok((_, faults))) => Some(faults.into_iter().map(|fault| fault.detail).collect::<Vec<_>>().join("; ")),
                Err(Err(problem)) => return Err(Stop::Failed(problem)),
            };
            self.queues.insert(queue.clone(), refused);
        }
        match self.queues.get(queue) {
            Some(Some(reason)) => Err(Stop::Refused(format!("/queue: {reason}"))),
            _ => Ok(()),
        }
    }

    /// Puts the batch into the queues.
    async fn put(&mut self) -> Result<(), Problem> {
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        let (answers, mut held) = (self.bury(&batch).await?, Vec::new());
        for (pending, answer) in batch.into_iter().zip(answers) {
            match answer {
                Ok(Enqueued { duplicate: true, .. }) if pending.letter.job.id != pending.made => held.push(pending),
                answer => self.settle(pending.line, answer)?,
            }
        }
        let again = self.hidden(held).await?;
        let answers = self.bury(&again).await?;
        for (pending, answer) in again.iter().zip(answers) {
            self.settle(pending.line, answer)?;
        }
        self.settled = self.told.lines;
        Ok(())
    }

    /// Of letters whose ids are taken, those that collide with what this caller cannot see, under their other ids: to the caller, nothing is
    /// there. The others were there before.
    async fn hidden(&mut self, held: Vec<Pending>) -> Result<Vec<Pending>, Problem> {
        let scope = self.caller.scope();
        if scope == Scope::All || held.is_empty() {
            self.told.duplicates += held.len();
            return Ok(Vec::new());
        }
        let ids: Vec<_> = held.iter().map(|pending| pending.letter.job.id).collect();
        let seen = self.api.call(self.deadline, Repeat::Read, || self.api.broker.get(&scope, &ids)).await;
        let seen = seen.map_err(|error: BrokerError| error)?;
        let mut hidden = Vec::new();
        for (mut pending, seen) in held.into_iter().zip(seen) {
            if seen.is_some() {
                self.told.duplicates += 1;
                continue;
            }
            pending.letter.job.id = pending.made;
            hidden.push(pending);
        }
        Ok(hidden)
    }

    async fn bury(&self, batch: &[Pending]) -> Result<Vec<Result<Enqueued, BrokerError>>, Problem> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let letters = || batch.iter().map(|pending| pending.letter.clone()).collect();
        let buried = self.api.call(self.deadline, Repeat::Write, || self.api.broker.bury(letters())).await;
        Ok(buried.map_err(|error: BrokerError| error)?)
    }

    fn settle(&mut self, line: usize, answer: Result<Enqueued, BrokerError>) -> Result<(), Problem> {
        match answer {
            Ok(Enqueued { duplicate: false, .. }) => self.told.imported += 1,
            Ok(_) => self.told.duplicates += 1,
            Err(error @ (BrokerError::Refused(_) | BrokerError::Conflict { .. })) => self.refuse(line, error.to_string()),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
