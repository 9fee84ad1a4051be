//! From checked requests to jobs in their queues, so that no repeat makes a second job: ids are made before the first call and kept
//! over its repeats, and an Idempotency-Key makes them the same over repeats of the whole request.

mod known;

pub(crate) use known::{KnownQueues, may_name};

use crate::{
    auth::Principal,
    body::shaped,
    calls::{Deadline, Repeat},
    problem::Problem,
    state::Api,
    time::Time,
    traces,
};
use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use longshore_base::{Code, Millis, Name, Scope, Trace};
use longshore_jobs::{FieldFault, JobRequest, RequestError, traces::Span};
use longshore_queue::{Begun, BrokerError, Claim, Enqueued, NewJob, Priority, Unique, UniqueMode};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use utoipa::ToSchema;

/// A job to be enqueued.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewJob)]
pub(crate) struct EnqueueBody {
    #[schema(schema_with = says::kind)]
    kind: Name,
    /// What it is called with; checked against the kind's schema.
    #[schema(value_type = Value)]
    args: Value,
    #[schema(schema_with = says::queue)]
    queue: Option<Name>,
    #[schema(schema_with = says::tenant)]
    tenant: Option<Name>,
    #[schema(schema_with = says::client)]
    client: Option<Name>,
    /// 9 first; 5 when absent.
    #[schema(nullable = false, minimum = 0, maximum = 9)]
    priority: Option<u8>,
    #[schema(schema_with = says::run_at)]
    run_at: Option<Time>,
    /// How long until it may start; instead of run_at.
    #[schema(nullable = false, minimum = 0)]
    delay_ms: Option<u64>,
    #[schema(nullable = false, inline)]
    unique: Option<UniqueBody>,
    /// The attempt that is this many and fails makes the job dead; absent: the kind's.
    #[schema(nullable = false, minimum = 1, maximum = 1000)]
    attempts_max: Option<u16>,
    /// An attempt is stopped after this long; absent: the kind's.
    #[schema(nullable = false, minimum = 1, maximum = 604_800_000)]
    timeout_ms: Option<u64>,
    #[schema(schema_with = says::expires_at)]
    expires_at: Option<Time>,
    /// Labels for filters.
    #[schema(schema_with = crate::view::names)]
    #[serde(default)]
    tags: Vec<Name>,
}
shaped!(EnqueueBody);

/// Schemas of names and times with what the fields mean; utoipa would take the types' own words.
mod says {
    use crate::view;
    use utoipa::openapi::{Object, ObjectBuilder};

    macro_rules! says {
        ($($field:ident: $of:ident, $text:literal;)*) => {
            $(pub(super) fn $field() -> Object { ObjectBuilder::from(view::$of()).description(Some($text)).build() })*
        };
    }
    says! {
        kind: name, "Which kind of work; see /v1/kinds.";
        queue: name, "Absent: the kind's queue.";
        tenant: name, "Only an operator's key may name another tenant than its own; absent is `default` there.";
        client: name, "For which of the tenant's clients; a label.";
        run_at: time, "When it may start: from 24 hours back to ten years ahead.";
        expires_at: time, "Cancelled if it has not started by then.";
    }
}

/// Keeps a second job with the same key in (queue, tenant, kind) away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Unique)]
struct UniqueBody {
    /// At most 256 bytes.
    #[schema(min_length = 1, max_length = 256)]
    key: String,
    #[schema(inline)]
    mode: Mode,
    /// With throttle: how long the first one is answered.
    #[schema(nullable = false, minimum = 1)]
    window_ms: Option<u64>,
    /// With replace: how far after its creation the due time may be pushed; absent: 24 hours.
    #[schema(nullable = false, minimum = 1)]
    wait_max_ms: Option<u64>,
}

/// keep: the first is answered until it ends · keep_until_started: until it starts · replace: the newest args replace those of a job
/// that has not started · throttle: one per window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Keep,
    KeepUntilStarted,
    Replace,
    Throttle,
}

impl EnqueueBody {
    /// What the checker is asked, or the faults that a schema cannot see.
    pub(crate) fn request(self, caller: &Principal) -> Result<JobRequest, Vec<FieldFault>> {
        let mut faults = Vec::new();
        let tenant = caller.tenant(self.tenant).map_err(|fault| faults.push(fault)).ok();
        let unique = self.unique.and_then(|unique| unique.checked(&mut faults));
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(JobRequest {
            kind: Some(self.kind),
            args: self.args,
            queue: self.queue,
            tenant,
            client: self.client,
            priority: self.priority.and_then(Priority::new),
            run_at: self.run_at.map(|time| time.0),
            delay: self.delay_ms.map(Duration::from_millis),
            unique,
            attempts_max: self.attempts_max,
            timeout_ms: self.timeout_ms,
            expires_at: self.expires_at.map(|time| time.0),
            tags: self.tags,
            parent: None,
            tick: None,
            internal: false,
            by_tenant: caller.is_tenant(),
        })
    }
}

impl UniqueBody {
    fn checked(self, faults: &mut Vec<FieldFault>) -> Option<Unique> {
        let before = faults.len();
        let mut only = |field: &str, there: bool, with: Mode, word: &str| {
            if there && self.mode != with {
                faults.push(FieldFault::new(format!("/unique/{field}"), "the field does not go with this mode", format!("mode {word}")));
            }
        };
        only("window_ms", self.window_ms.is_some(), Mode::Throttle, "throttle");
        only("wait_max_ms", self.wait_max_ms.is_some(), Mode::Replace, "replace");
        let mode = match (self.mode, self.window_ms) {
            (Mode::Keep, _) => UniqueMode::Keep,
            (Mode::KeepUntilStarted, _) => UniqueMode::KeepUntilStarted,
            (Mode::Replace, _) => UniqueMode::Replace { wait_max: self.wait_max_ms.map(Duration::from_millis) },
            (Mode::Throttle, Some(window)) => UniqueMode::Throttle { window: Duration::from_millis(window) },
            (Mode::Throttle, None) => {
                faults.push(FieldFault::new("/unique/window_ms", "the field is missing", "with mode throttle: at least 1"));
                return None;
            }
        };
        (faults.len() == before).then_some(Unique { key: self.key, mode })
    }
}

/// One request's way in.
#[derive(Debug)]
pub(crate) struct Intake<'a> {
    api: &'a Api,
    deadline: Deadline,
    /// Set when the request has an Idempotency-Key.
    key: Option<Key>,
    /// Whether it may make a queue by naming it.
    makes_queues: bool,
    /// The place in a trace that its caller named.
    told: Option<Trace>,
    looked: known::Looked,
}

#[derive(Debug)]
struct Key {
    tenant: Name,
    key: String,
    seed: [u8; 16],
    at: Millis,
}

/// How a request goes on.
#[derive(Debug)]
pub(crate) enum Begin<'a> {
    /// It is new, or was not finished.
    Go(Intake<'a>),
    /// It was answered before, with this body.
    Answered(String),
}

impl<'a> Intake<'a> {
    /// Begins a request; `hash` tells its body from others.
    pub(crate) async fn begin(api: &'a Api, caller: &Principal, headers: &HeaderMap, hash: &[u8; 32]) -> Result<Begin<'a>, Problem> {
        let deadline = api.deadline();
        let go = |key| Self {
            api,
            deadline,
            key,
            makes_queues: caller.scope() == Scope::All,
            told: traces::told(headers),
            looked: known::Looked::default(),
        };
        let Some(key) = idempotency_key(headers)? else { return Ok(Begin::Go(go(None))) };
        let (tenant, prefix) = caller.keyspace();
        let (key, now) = (format!("{prefix}{key}"), api.clock.now());
        let mut seed = [0; 16];
        api.random.fill(&mut seed);
        let begun = api.call(deadline, Repeat::Write, || api.broker.begin(&tenant, &key, hash, &seed, now)).await;
        // Until it is begun nothing can have been enqueued: to the caller, nothing was sent.
        match begun.map_err(|error: BrokerError| match error {
            BrokerError::OutcomeUnknown(text) => BrokerError::Unavailable(text),
            other => other,
        })? {
            Begun::Answered(answer) => Ok(Begin::Answered(answer)),
            Begun::Conflict => Err(Problem::new(Code::IdempotencyConflict)),
            Begun::Run { seed, at } => Ok(Begin::Go(go(Some(Key { tenant, key, seed, at })))),
        }
    }

    /// When it stops trying.
    pub(crate) const fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// The same with all its time before it, after something that may take long.
    pub(crate) fn renewed(self) -> Self {
        Self { deadline: self.api.deadline(), ..self }
    }

    /// With an Idempotency-Key: what ids are made from, and the time of the first call.
    pub(crate) fn seed(&self) -> Option<(&[u8; 16], Millis)> {
        self.key.as_ref().map(|key| (&key.seed, key.at))
    }

    /// The job that the `index`-th item of the request asks for.
    pub(crate) async fn check(&self, index: usize, request: JobRequest) -> Result<NewJob, Problem> {
        let (api, key) = (self.api, self.key.as_ref());
        if let Some(queue) = request.queue.as_ref().filter(|_| !self.makes_queues) {
            self.looked.check(api, self.deadline, queue).await?;
        }
        let checked = match key {
            None => api.call(self.deadline, Repeat::Read, || api.checker.check(request.clone(), &*api.random)).await,
            Some(key) => {
                let seed = [key.seed.as_slice(), &index.to_be_bytes()].concat();
                api.call(self.deadline, Repeat::Read, || api.checker.check_derived(request.clone(), key.at, &seed)).await
            }
        };
        Ok(checked.map_err(|error: RequestError| error)?)
    }

    /// Enqueues, repeating what is not settled until the deadline. In the order of `jobs`, which go on in the request's trace.
    pub(crate) async fn enqueue(&self, mut jobs: Vec<NewJob>) -> Vec<Result<Enqueued, Problem>> {
        let span = self.follow(&mut jobs);
        let enqueued = self.settle(jobs).await;
        if let Some(problem) = enqueued.iter().find_map(|done| done.as_ref().err()) {
            span.fail(problem.code().as_str());
        }
        enqueued
    }

    /// Lets `jobs` go on in the request's trace. The span is that of their enqueue.
    pub(crate) fn follow(&self, jobs: &mut [NewJob]) -> Span {
        let span = Span::enqueue(jobs);
        let trace = span.trace().or_else(|| self.told.clone());
        for job in jobs {
            job.trace.clone_from(&trace);
        }
        span
    }

    async fn settle(&self, jobs: Vec<NewJob>) -> Vec<Result<Enqueued, Problem>> {
        let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
        let large: Vec<_> = jobs.iter().enumerate().filter(|(_, job)| Claim::is(&job.args)).map(|(at, job)| (at, job.clone())).collect();
        let mut settled: Vec<Option<Result<Enqueued, BrokerError>>> = jobs.iter().map(|_| None).collect();
        let mut sent = vec![false; jobs.len()];
        let mut open: Vec<(usize, NewJob)> = jobs.into_iter().enumerate().collect();
        for round in 0.. {
            if open.is_empty() {
                break;
            }
            let answers = self.send(open.iter().map(|(_, job)| job.clone()).collect()).await;
            let mut again = Vec::new();
            for ((at, job), answer) in open.into_iter().zip(answers) {
                sent[at] |= matches!(answer, Err(BrokerError::OutcomeUnknown(_)));
                let transient = matches!(answer, Err(BrokerError::Unavailable(_) | BrokerError::OutcomeUnknown(_) | BrokerError::Moving));
                if transient {
                    again.push((at, job));
                }
                settled[at] = Some(answer);
            }
            open = again;
            if !open.is_empty() && !self.api.pause(round, self.deadline).await {
                break;
            }
        }
        for (at, job) in large {
            if let Some(Ok(done)) = &settled[at] {
                self.api.checker.blobs().settle(&job, done.id).await;
            }
        }
        let problem = |at: usize, error: BrokerError| {
            let unknown = sent[at] && error.is_transient();
            Problem::from(if unknown { BrokerError::OutcomeUnknown(error.to_string()) } else { error }).ids([ids[at]])
        };
        // An id is this request's own, so a job that is there under it is no duplicate, but this request's earlier try.
        let own = |at: usize, done: Enqueued| Enqueued { duplicate: done.id != ids[at], ..done };
        let item = |(at, answer): (usize, Option<Result<Enqueued, BrokerError>>)| match answer {
            Some(Ok(done)) => Ok(own(at, done)),
            Some(Err(error)) => Err(problem(at, error)),
            None => Err(Problem::new(Code::Unavailable)),
        };
        settled.into_iter().enumerate().map(item).collect()
    }

    /// One call; a failure of the whole is a failure of each.
    async fn send(&self, jobs: Vec<NewJob>) -> Vec<Result<Enqueued, BrokerError>> {
        let count = jobs.len();
        let all = |error: BrokerError| (0..count).map(|_| Err(error.clone())).collect();
        match tokio::time::timeout(self.api.left(self.deadline), self.api.broker.enqueue(jobs)).await {
            Ok(Ok(answers)) => answers,
            Ok(Err(error)) => all(error),
            Err(_) => all(BrokerError::OutcomeUnknown("no answer before the deadline".into())),
        }
    }

    /// Enqueues one job.
    pub(crate) async fn enqueue_one(&self, job: NewJob) -> Result<Enqueued, Problem> {
        let [done] = <[_; 1]>::try_from(self.enqueue(vec![job]).await).map_err(|_| Problem::new(Code::Internal))?;
        done
    }

    /// Keeps the answer for repeats. If that fails, a repeat finds the jobs by their ids and answers the same.
    pub(crate) async fn finish(&self, answer: &str) {
        let Some(key) = &self.key else { return };
        let broker = &self.api.broker;
        let kept = self.api.call(self.deadline, Repeat::Write, || broker.finish(&key.tenant, &key.key, answer)).await;
        if let Err(error) = kept {
            let error: BrokerError = error;
            tracing::warn!(%error, "the answer of a request with an Idempotency-Key could not be kept");
        }
    }
}

/// An answer that is kept as text, so that a repeat gets the same.
pub(crate) fn answered(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    const ALLOWED: &str = "1 to 200 visible ASCII characters, once";
    let mut given = headers.get_all("idempotency-key").iter();
    let Some(value) = given.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let fit = (1..=200).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if !fit || given.next().is_some() {
        return Err(Problem::fault("/Idempotency-Key", "the header is not allowed like this", ALLOWED));
    }
    Ok(Some(text.to_owned()))
}
