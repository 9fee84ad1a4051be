//! A letter as one line of JSON: what it asks for, what its attempts came to, how it died. Written by an export, read by an import, here or in
//! another deployment.

use crate::{body::shaped, time::Time, view};
use longshore_base::Name;
use longshore_queue::{ErrorInfo, Event, EventKind, Job, JobId, Json, Reason, Tick, Unique, UniqueMode};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

const fn priority() -> u8 {
    5
}

/// A dead letter, written down.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeadLetterLine)]
pub(crate) struct LetterLine {
    #[schema(schema_with = view::id)]
    pub(super) id: JobId,
    #[schema(schema_with = view::name)]
    pub(super) kind: Name,
    #[schema(schema_with = view::name)]
    pub(super) queue: Name,
    /// Absent: that of the key, or `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = view::name)]
    pub(super) tenant: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = view::name)]
    pub(super) client: Option<Name>,
    /// 9 first; 5 when absent.
    #[serde(default = "priority")]
    #[schema(minimum = 0, maximum = 9)]
    pub(super) priority: u8,
    #[schema(value_type = Value)]
    pub(super) args: Json,
    #[serde(default)]
    #[schema(schema_with = view::names)]
    pub(super) tags: Vec<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, inline)]
    pub(super) unique: Option<UniqueLine>,
    /// Absent: the kind's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 1000)]
    pub(super) attempts_max: Option<u16>,
    /// Absent: the kind's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 604_800_000)]
    pub(super) timeout_ms: Option<u64>,
    #[serde(default)]
    pub(super) attempts: u16,
    #[serde(default)]
    pub(super) crashes: u16,
    #[serde(default)]
    pub(super) interruptions: u16,
    /// Leases in all.
    #[serde(default)]
    pub(super) runs: u32,
    /// Why it died.
    #[schema(value_type = String)]
    pub(super) reason: Reason,
    /// What happened to it, oldest first. The last error names its group.
    #[serde(default)]
    #[schema(inline, max_items = 200)]
    pub(super) history: Vec<EventLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = view::time)]
    pub(super) created_at: Option<Time>,
    /// Start of its last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = view::time)]
    pub(super) started_at: Option<Time>,
    #[schema(schema_with = view::time)]
    pub(super) ended_at: Time,
    /// The letter that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = view::id)]
    pub(super) replay_of: Option<JobId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, inline)]
    pub(super) tick: Option<TickLine>,
}
shaped!(LetterLine);

/// Keeps a second job with the same key in (queue, tenant, kind) away, from its replay on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UniqueLine {
    #[schema(min_length = 1, max_length = 256)]
    key: String,
    #[schema(inline)]
    mode: ModeLine,
    /// With throttle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    window_ms: Option<u64>,
    /// With replace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    wait_max_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ModeLine {
    Keep,
    KeepUntilStarted,
    Replace,
    Throttle,
}

/// The schedule's tick that made it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TickLine {
    #[schema(schema_with = view::name)]
    schedule: Name,
    #[schema(schema_with = view::time)]
    at: Time,
}

/// One thing that happened to it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventLine {
    #[schema(schema_with = view::time)]
    pub(super) at: Time,
    #[schema(value_type = String)]
    what: EventKind,
    /// The attempt's number, from 1.
    #[serde(default)]
    run: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 200)]
    worker: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = view::time)]
    started_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, inline)]
    error: Option<ErrorLine>,
    /// What an edit replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 4000)]
    before: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ErrorLine {
    #[schema(min_length = 1, max_length = 256)]
    code: String,
    #[schema(max_length = 8192)]
    message: String,
    /// What like errors share; absent: made of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 256)]
    fingerprint: Option<String>,
}

impl From<Job> for LetterLine {
    fn from(job: Job) -> Self {
        Self {
            id: job.id,
            kind: job.kind,
            queue: job.queue,
            tenant: Some(job.tenant),
            client: job.client,
            priority: job.priority.get(),
            args: job.args,
            tags: job.tags,
            unique: job.unique.map(UniqueLine::from),
            attempts_max: Some(job.policy.attempts_max),
            timeout_ms: Some(job.policy.timeout_ms),
            attempts: job.counters.attempts,
            crashes: job.counters.crashes,
            interruptions: job.counters.interruptions,
            runs: job.counters.runs,
            reason: job.reason.unwrap_or(Reason::Fatal),
            history: job.history.into_iter().map(EventLine::from).collect(),
            created_at: Some(Time(job.created_at)),
            started_at: job.started_at.map(Time),
            ended_at: Time(job.ended_at.unwrap_or(job.created_at)),
            replay_of: job.replay_of,
            tick: job.tick.map(|Tick { schedule, at }| TickLine { schedule, at: Time(at) }),
        }
    }
}

impl From<Unique> for UniqueLine {
    fn from(Unique { key, mode }: Unique) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (mode, window_ms, wait_max_ms) = match mode {
            UniqueMode::Keep => (ModeLine::Keep, None, None),
            UniqueMode::KeepUntilStarted => (ModeLine::KeepUntilStarted, None, None),
            UniqueMode::Replace { wait_max } => (ModeLine::Replace, None, wait_max.map(ms)),
            UniqueMode::Throttle { window } => (ModeLine::Throttle, Some(ms(window)), None),
        };
        Self { key, mode, window_ms, wait_max_ms }
    }
}

impl UniqueLine {
    /// None: throttle without its window.
    pub(super) fn read(self) -> Option<Unique> {
        let mode = match self.mode {
            ModeLine::Keep => UniqueMode::Keep,
            ModeLine::KeepUntilStarted => UniqueMode::KeepUntilStarted,
            ModeLine::Replace => UniqueMode::Replace { wait_max: self.wait_max_ms.map(Duration::from_millis) },
            ModeLine::Throttle => UniqueMode::Throttle { window: Duration::from_millis(self.window_ms?) },
        };
        Some(Unique { key: self.key, mode })
    }
}

impl TickLine {
    pub(super) fn read(self) -> Tick {
        Tick { schedule: self.schedule, at: self.at.0 }
    }
}

impl From<Event> for EventLine {
    fn from(event: Event) -> Self {
        let error = |error: ErrorInfo| ErrorLine { code: error.code, message: error.message, fingerprint: Some(error.fingerprint) };
        Self {
            at: Time(event.at),
            what: event.what,
            run: event.run,
            worker: event.worker,
            started_at: event.started_at.map(Time),
            error: event.error.map(error),
            before: event.before,
        }
    }
}

impl EventLine {
    /// What happened to a job of `kind`.
    pub(super) fn read(self, kind: &Name) -> Event {
        let error = |ErrorLine { code, message, fingerprint }| {
            let made = || longshore_dlq::fingerprint(kind.as_str(), &code, &message);
            ErrorInfo { fingerprint: fingerprint.unwrap_or_else(made), code, message }
        };
        Event {
            at: self.at.0,
            what: self.what,
            run: self.run,
            worker: self.worker,
            started_at: self.started_at.map(|time| time.0),
            error: self.error.map(error),
            before: self.before,
        }
    }
}
