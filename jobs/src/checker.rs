//! From a request to a [`NewJob`]: the kind's record, cached, checks the args and fills in what was not said. Large args are in their file
//! before there is a job to enqueue.
//! Read `fields.rs` for what a request may say, `args.rs` for how a schema's faults are told, `register.rs` for new records.

mod args;
mod fields;
mod known;
mod record;
mod register;
mod secrets;
mod shape;
mod uses;

pub(crate) use args::escape;
pub use shape::Shape;

use crate::{Blobs, FieldFault, JobRequest, RequestError};
use known::{Kinds, Known};
use longshore_base::{Clock, Code, Millis, Name, Random};
use longshore_queue::{Broker, BrokerError, Durability, Home, Job, JobId, Json, KindRecord, NewJob, PAYLOAD_MAX, json};
use serde_json::Value;
use std::sync::Arc;

/// More faults than this are not told.
const FAULTS_MAX: usize = 50;

/// Checks requests against kind records, which it caches (refreshed when a kind is not known, and every few seconds).
#[derive(Debug)]
pub struct Checker {
    broker: Arc<dyn Broker>,
    clock: Arc<dyn Clock>,
    kinds: Kinds,
    blobs: Blobs,
}

impl Checker {
    /// A checker on this broker's records.
    #[must_use]
    pub fn new(broker: Arc<dyn Broker>, clock: Arc<dyn Clock>) -> Self {
        Self { kinds: Kinds::new(Arc::clone(&broker), Arc::clone(&clock)), broker, clock, blobs: Blobs::none() }
    }

    /// The same, with a place for args that do not fit into a record.
    #[must_use]
    pub fn with_blobs(self, blobs: Blobs) -> Self {
        Self { blobs, ..self }
    }

    /// Where large args and outputs lie.
    #[must_use]
    pub const fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// A job with a fresh id from `random`; the id of a child comes from its parent.
    ///
    /// # Errors
    /// Every fault at once, or the broker's failure to tell the kinds or the queue's home.
    pub async fn check(&self, request: JobRequest, random: &dyn Random) -> Result<NewJob, RequestError> {
        self.build(request, |home| JobId::new(self.clock.now(), home, random)).await
    }

    /// A job whose id `seed` and `time` always give, so that a repeated call makes no second job. An item of a batch puts
    /// its index into the seed.
    ///
    /// # Errors
    /// As [`Checker::check`].
    pub async fn check_derived(&self, request: JobRequest, time: Millis, seed: &[u8]) -> Result<NewJob, RequestError> {
        self.build(request, |home| JobId::derived(time, home, seed)).await
    }

    /// Checks args alone, and keeps nothing. Answers them as JSON, whatever their size.
    ///
    /// # Errors
    /// As [`Checker::check`].
    pub async fn check_args(&self, kind: &Name, args: &Value) -> Result<Json, RequestError> {
        let known = self.kind(kind).await?;
        let mut faults = Vec::new();
        let text = self.args(&known, args, self.blobs.most(), &mut faults)?;
        if faults.is_empty() { Ok(text) } else { Err(RequestError::Faults { code: Code::ArgsInvalid, faults }) }
    }

    /// Whether a caller may give jobs of this kind other args: kinds for operators take none from a tenant's key.
    ///
    /// # Errors
    /// One fault, at `/kind`; the broker's.
    pub async fn check_caller(&self, kind: &Name, by_tenant: bool) -> Result<(), RequestError> {
        let known = self.kind(kind).await?;
        if by_tenant && known.record.operators {
            return Err(RequestError::Faults { code: Code::RequestInvalid, faults: vec![fields::for_operators(&known.record)] });
        }
        Ok(())
    }

    /// Checks other args for a job that there is, or for the one of `id` that repeats it. Answers what its record keeps.
    ///
    /// # Errors
    /// As [`Checker::check`].
    pub async fn check_other_args(&self, job: &Job, id: JobId, args: &Value) -> Result<Json, RequestError> {
        let text = self.check_args(&job.kind, args).await?;
        Ok(self.blobs.keep(&job.queue, id, &text).await?)
    }

    /// Checks a time that an edit gives a job: from 24 hours back to ten years ahead.
    ///
    /// # Errors
    /// One fault, at `/run_at`.
    pub fn check_run_at(&self, at: Millis) -> Result<(), RequestError> {
        let mut faults = Vec::new();
        fields::in_reach("/run_at", at, self.clock.now(), &mut faults);
        if faults.is_empty() { Ok(()) } else { Err(RequestError::Faults { code: Code::RequestInvalid, faults }) }
    }

    /// Checks all of a request, and makes nothing, not even its queue.
    ///
    /// # Errors
    /// As [`Checker::check`].
    pub async fn look(&self, request: &JobRequest) -> Result<(), RequestError> {
        self.fill(request).await.map(drop)
    }

    /// The record of a kind.
    ///
    /// # Errors
    /// No process has registered it, or the broker's.
    pub async fn record(&self, kind: &Name) -> Result<KindRecord, RequestError> {
        Ok(self.kind(kind).await?.record.clone())
    }

    async fn build(&self, request: JobRequest, id: impl FnOnce(Home) -> JobId) -> Result<NewJob, RequestError> {
        let job = self.fill(&request).await?;
        let home = self.broker.home(&job.queue).await?;
        let id = job.parent.as_ref().map_or_else(|| id(home), |parent| parent.child_id(home));
        let mut job = NewJob { id, ..job };
        self.blobs.keep_new(&mut job).await?;
        Ok(job)
    }

    /// The job, with an id that is not its own yet, and its args as they are.
    async fn fill(&self, request: &JobRequest) -> Result<NewJob, RequestError> {
        let Some(name) = &request.kind else {
            let fault = FieldFault::new("/kind", "the kind is missing", "the name of a kind");
            return Err(RequestError::Faults { code: Code::RequestInvalid, faults: vec![fault] });
        };
        let known = self.kind(name).await?;
        let mut faults = fields::reserved(&known.record, request);
        if !faults.is_empty() {
            return Err(RequestError::Faults { code: Code::RequestInvalid, faults });
        }
        // Operations are read by the API and by one another, record by record.
        let most = if request.internal { PAYLOAD_MAX } else { self.blobs.most() };
        let args = self.args(&known, &request.args, most, &mut faults)?;
        let code = if faults.is_empty() { Code::RequestInvalid } else { Code::ArgsInvalid };
        let job = fields::fill(&known.record, request, args, self.clock.now(), &mut faults);
        if !faults.is_empty() {
            faults.truncate(FAULTS_MAX);
            return Err(RequestError::Faults { code, faults });
        }
        if !job.policy.repeatable && self.broker.durability() == Durability::Fast {
            return Err(BrokerError::NotDurable.into());
        }
        Ok(job)
    }

    async fn kind(&self, name: &Name) -> Result<Arc<Known>, RequestError> {
        if let Some(known) = self.kinds.get(name).await? {
            return Ok(known);
        }
        let fault = FieldFault::new("/kind", format!("no process has registered the kind `{name}`"), self.kinds.nearest(name));
        Err(RequestError::Faults { code: Code::KindUnknown, faults: vec![fault] })
    }

    fn args(&self, known: &Known, args: &Value, most: usize, faults: &mut Vec<FieldFault>) -> Result<Json, RequestError> {
        let text = json(args);
        let bytes = text.get().len();
        if bytes > most {
            let fault = FieldFault::new("/args", format!("the args have {bytes} bytes"), format!("at most {most} bytes of JSON"));
            return Err(RequestError::Faults { code: Code::ArgsTooLarge, faults: vec![fault] });
        }
        match &known.validator {
            Ok(validator) => {
                args::faults(validator, &known.record.args_schema, args, faults);
                // Args of an operation may hold those of other jobs, which are checked when it makes them.
                if !known.record.internal {
                    secrets::misplaced("/args", validator, args, faults);
                }
            }
            Err(broken) => faults.push(FieldFault::new("/args", format!("the kind's schema cannot be used: {broken}"), "")),
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests;
