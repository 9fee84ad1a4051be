//! A job as the API shows it.

use crate::{
    schedules::TickOfView,
    time::Time,
    timeline::{Step, timeline},
};
use longshore_base::{Code, Millis, Name};
use longshore_queue::{Claim, Event, Job, JobId, Json, Reason, State};
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{KnownFormat, Object, ObjectBuilder, SchemaFormat, schema::Array, schema::ArrayBuilder, schema::Type},
};

/// A job with everything that is known of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub(crate) struct JobView {
    #[schema(schema_with = id)]
    pub(crate) id: JobId,
    #[schema(schema_with = name)]
    kind: Name,
    /// The version of the kind's record that checked the args.
    kind_version: u32,
    #[schema(schema_with = name)]
    tenant: Name,
    #[schema(value_type = Option<String>)]
    client: Option<Name>,
    #[schema(schema_with = name)]
    queue: Name,
    /// The lane's key inside (tenant, kind); empty by default.
    lane: String,
    /// Units of a budget, and points of resources, that a run is expected to take.
    cost: u32,
    /// The outside quotas that it uses.
    #[schema(value_type = Vec<String>)]
    resources: Vec<Name>,
    #[schema(schema_with = state)]
    pub(crate) state: State,
    /// Why it ended as it did, for cancelled and dead jobs.
    #[schema(value_type = Option<String>)]
    reason: Option<Reason>,
    /// 0..=9, 9 first.
    priority: u8,
    /// Attempts that returned, failed, panicked or timed out.
    attempts: u16,
    /// Attempts whose worker was lost, in total.
    crashes: u16,
    /// Attempts that a stopping worker gave back after their start.
    interruptions: u16,
    attempts_max: u16,
    timeout_ms: u64,
    /// null in lists, and where a file cannot be read, if they are larger than 256 KiB: `large` tells.
    #[schema(value_type = Value)]
    args: Option<Json>,
    /// As args.
    #[schema(value_type = Value)]
    output: Option<Json>,
    /// What is kept in files, as it does not fit into the job's record.
    #[serde(skip_serializing_if = "Large::is_none")]
    #[schema(nullable = false, inline)]
    large: Large,
    errors: Vec<ErrorView>,
    /// What the running attempt last told.
    #[schema(value_type = Value)]
    progress: Option<Json>,
    timeline: Vec<Step>,
    /// Somebody asked the running attempt to stop.
    cancel_requested: bool,
    /// Who runs it now.
    worker: Option<String>,
    /// The dead job that it repeats.
    #[schema(value_type = Option<String>)]
    replay_of: Option<JobId>,
    /// The jobs that repeat it, those that were taken back too.
    #[schema(value_type = Vec<String>)]
    replays: Vec<JobId>,
    /// The last of `replays` stands for it; it is no dead letter until that is taken back.
    replayed: bool,
    /// The job of another queue that it goes on with.
    #[schema(value_type = Option<String>)]
    moved_from: Option<JobId>,
    /// The job of another queue that goes on with this one.
    #[schema(value_type = Option<String>)]
    moved_to: Option<JobId>,
    /// For If-Match.
    pub(crate) revision: u32,
    #[schema(schema_with = time)]
    created_at: Time,
    /// When it is due, or was at first.
    #[schema(value_type = Option<String>, format = DateTime)]
    run_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Time>,
    #[schema(value_type = Vec<String>)]
    tags: Vec<Name>,
    /// The schedule's tick that made it, or that it repeats.
    tick: Option<TickOfView>,
    /// The trace that its spans are part of, 32 hex digits; absent when nobody named one.
    trace_id: Option<String>,
}

/// What went wrong in one attempt.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobError)]
struct ErrorView {
    /// Which attempt, from 1.
    attempt: u32,
    #[schema(schema_with = time)]
    at: Time,
    code: String,
    message: String,
    worker: Option<String>,
    duration_ms: Option<Millis>,
}

/// What is kept in files.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Large {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, inline)]
    pub(crate) args: Option<LargeView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, inline)]
    pub(crate) output: Option<LargeView>,
}

/// One file.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct LargeView {
    /// Of JSON.
    bytes: u64,
    /// Of these bytes, in hex.
    sha256: String,
    /// Why it is not shown: the code of an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    fault: Option<String>,
}

impl Large {
    const fn is_none(&self) -> bool {
        self.args.is_none() && self.output.is_none()
    }
}

impl LargeView {
    /// None: the value itself stands here.
    pub(crate) fn of(json: &Json) -> Option<Self> {
        match Claim::of(json) {
            Ok(claim) => claim.map(|Claim { bytes, sha256 }| Self { bytes, sha256, fault: None }),
            Err(error) => Some(Self { bytes: 0, sha256: String::new(), fault: Some(error.code().to_string()) }),
        }
    }

    pub(crate) fn at_fault(self, code: Code) -> Self {
        Self { fault: Some(code.to_string()), ..self }
    }
}

/// A job with as much of its args and its output as is shown.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) job: Job,
    pub(crate) args: Option<Json>,
    pub(crate) output: Option<Json>,
    pub(crate) large: Large,
}

impl Whole {
    /// Without what lies in files.
    pub(crate) fn without_files(job: Job) -> Self {
        let large = Large { args: LargeView::of(&job.args), output: job.output.as_ref().and_then(LargeView::of) };
        let args = large.args.is_none().then(|| job.args.clone());
        let output = job.output.clone().filter(|_| large.output.is_none());
        Self { job, args, output, large }
    }
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        Self::from(Whole::without_files(job))
    }
}

impl From<Whole> for JobView {
    fn from(Whole { job, args, output, large }: Whole) -> Self {
        let timeline = timeline(&job);
        let errors = job.history.iter().filter_map(error).collect();
        Self {
            id: job.id,
            kind: job.kind,
            kind_version: job.kind_version,
            tenant: job.tenant,
            client: job.client,
            queue: job.queue,
            lane: job.lane_key,
            cost: job.cost,
            resources: job.resources,
            state: job.state,
            reason: job.reason,
            priority: job.priority.get(),
            attempts: job.counters.attempts,
            crashes: job.counters.crashes,
            interruptions: job.counters.interruptions,
            attempts_max: job.policy.attempts_max,
            timeout_ms: job.policy.timeout_ms,
            args,
            output,
            large,
            errors,
            progress: job.progress,
            timeline,
            cancel_requested: job.cancel_requested,
            worker: job.worker,
            replay_of: job.replay_of,
            replays: job.replays,
            replayed: job.replayed,
            moved_from: job.moved_from,
            moved_to: job.moved_to,
            revision: job.revision,
            created_at: Time(job.created_at),
            run_at: job.due_at.or(job.run_at).map(Time),
            started_at: job.started_at.map(Time),
            ended_at: job.ended_at.map(Time),
            expires_at: job.expires_at.map(Time),
            tags: job.tags,
            tick: job.tick.map(TickOfView::from),
            trace_id: job.trace.map(|trace| trace.id_text()),
        }
    }
}

fn error(event: &Event) -> Option<ErrorView> {
    let error = event.error.as_ref()?;
    Some(ErrorView {
        attempt: event.run,
        at: Time(event.at),
        code: error.code.clone(),
        message: error.message.clone(),
        worker: event.worker.clone(),
        duration_ms: event.started_at.map(|started| (event.at - started).max(0)),
    })
}

// ---- schemas of what is not ours

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// A name.
pub(crate) fn name() -> Object {
    string().pattern(Some("^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")).build()
}

/// At most twenty names.
pub(crate) fn names() -> Array {
    ArrayBuilder::new().items(name()).max_items(Some(20)).build()
}

/// A job's id.
pub(crate) fn id() -> Object {
    string().format(Some(SchemaFormat::Custom("uuid".into()))).build()
}

/// RFC 3339.
pub(crate) fn time() -> Object {
    string().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).build()
}

/// The states as words.
pub(crate) fn state() -> Object {
    string().enum_values(Some(State::ALL.map(State::as_str))).build()
}
