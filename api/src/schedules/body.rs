//! What a schedule may say, as it comes in.

use crate::{body::shaped, time::Time};
use longshore_base::Name;
use longshore_jobs::FieldFault;
use longshore_queue::{Gap, KindSchedule, Overlap, RepeatedHour, Timing, When};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// A schedule to be kept. Without `cron` and `every_ms` it takes over the kind's own schedule.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSchedule)]
pub(crate) struct ScheduleBody {
    /// Five fields, or six with seconds first, or one of @hourly, @daily, @weekly, @monthly, @yearly.
    #[schema(nullable = false, max_length = 512)]
    pub(super) cron: Option<String>,
    /// A period instead of `cron`: at least 1000; counted from `starts_at`, else from the schedule's creation.
    #[schema(nullable = false)]
    pub(super) every_ms: Option<u64>,
    /// An IANA time zone; UTC when absent.
    #[schema(nullable = false, max_length = 128)]
    pub(super) timezone: Option<String>,
    #[schema(schema_with = says::kind, required = true)]
    pub(super) kind: Option<Name>,
    /// What its jobs are called with; checked against the kind's schema, now and at each tick.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Value, required = false)]
    pub(super) args: Option<Value>,
    #[schema(schema_with = says::queue)]
    pub(super) queue: Option<Name>,
    #[schema(schema_with = says::client)]
    pub(super) client: Option<Name>,
    /// Of its jobs, 9 first; 5 when absent.
    #[schema(nullable = false, minimum = 0, maximum = 9)]
    pub(super) priority: Option<u8>,
    /// Labels of its jobs.
    #[schema(schema_with = crate::view::names)]
    #[serde(default)]
    pub(super) tags: Vec<Name>,
    #[schema(schema_with = says::gap)]
    pub(super) gap: Option<Gap>,
    #[schema(schema_with = says::repeated_hour)]
    pub(super) repeated_hour: Option<RepeatedHour>,
    #[schema(schema_with = says::missed)]
    pub(super) missed: Option<MissedWord>,
    /// With missed all: at most so many, the newest ones; 100 when absent.
    #[schema(nullable = false, minimum = 1, maximum = 10_000)]
    pub(super) missed_max: Option<u32>,
    #[schema(schema_with = says::overlap)]
    pub(super) overlap: Option<Overlap>,
    /// Each tick is carried out up to this much later: the same part of it for the same tenant and name. 0 when absent.
    #[schema(nullable = false)]
    pub(super) spread_ms: Option<u64>,
    #[schema(schema_with = says::starts_at)]
    pub(super) starts_at: Option<Time>,
    #[schema(schema_with = says::ends_at)]
    pub(super) ends_at: Option<Time>,
    /// true: it makes nothing until it is resumed · false: it is resumed · absent: as it is.
    #[schema(nullable = false)]
    pub(super) paused: Option<bool>,
    #[schema(schema_with = says::managed_by)]
    pub(super) managed_by: Option<Name>,
}
shaped!(ScheduleBody);

/// What becomes of missed ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MissedWord {
    Skip,
    Latest,
    All,
}

/// `null` is a value like any other: args may be null, where the kind allows it.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// Schemas of names, times and words with what the fields mean; utoipa would take the types' own words.
pub(super) mod says {
    use crate::view;
    use utoipa::openapi::{Object, ObjectBuilder, schema::Type};

    macro_rules! says {
        ($($field:ident: $of:ident, $text:literal;)*) => {
            $(pub(crate) fn $field() -> Object { ObjectBuilder::from(view::$of()).description(Some($text)).build() })*
        };
    }
    says! {
        kind: name, "What its ticks make; see /v1/kinds.";
        queue: name, "Absent: the kind's queue.";
        client: name, "Its jobs are for this client; a label.";
        managed_by: name, "The file that declares it; `schedules apply --prune` removes no other.";
        starts_at: time, "No tick before this.";
        ends_at: time, "No tick at this time or later.";
    }

    macro_rules! words {
        ($($field:ident: [$($word:literal),+], $text:literal;)*) => {
            $(pub(crate) fn $field() -> Object {
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some([$($word),+])).description(Some($text)).build()
            })*
        };
    }
    words! {
        gap: ["next", "skip"], "A fixed time in the hour that does not exist ticks once at the first instant after the gap (next, when absent), or not at all.";
        repeated_hour: ["once", "twice"], "A fixed time in the hour that comes twice ticks in the first (once, when absent), or in both. Expressions with a wildcard or a step in minute or hour tick in both anyway.";
        missed: ["skip", "latest", "all"], "What becomes of ticks that nobody carried out within ten seconds: none, the last one (when absent), or the last `missed_max`.";
        overlap: ["allow", "skip", "wait", "cancel"], "While the run before has not ended: make the job (when absent), make none, hold one until it has ended, or cancel the run before and hold one until it has stopped.";
        outcome: ["started", "held", "overlapped", "missed", "merged", "refused"], "started: its job was enqueued · held: its job waits for the end of the run before · overlapped: the run before had not ended · missed: nobody looked in time · merged: a unique key led to a job that was there · refused: the kind refuses it.";
    }
}

/// A body with its faults so far. One whose faulty fields are left out goes on, so that everything is told at once.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) body: Option<ScheduleBody>,
    pub(super) faults: Vec<FieldFault>,
    /// The fields that are faulty by themselves.
    pub(super) bad: BTreeSet<String>,
}

impl Read {
    pub(super) fn new(value: Value) -> Self {
        let faults = match crate::body::decode::<ScheduleBody>(value.clone()) {
            Ok(body) => return Self { body: Some(body), faults: Vec::new(), bad: BTreeSet::new() },
            Err(faults) => faults,
        };
        let bad: BTreeSet<_> = faults.iter().map(|fault| field(&fault.pointer)).collect();
        let Value::Object(mut fields) = value else { return Self { body: None, faults, bad } };
        fields.retain(|name, _| !bad.contains(name));
        // Not by the schema, which would miss the kind again.
        let body = serde_json::from_value(Value::Object(fields)).ok();
        Self { body, faults, bad }
    }

    /// Adds faults of fields that had none by themselves.
    pub(super) fn add(&mut self, more: impl IntoIterator<Item = FieldFault>) {
        let bad = &self.bad;
        self.faults.extend(more.into_iter().filter(|fault| !bad.contains(&field(&fault.pointer))));
    }
}

/// The field of the body that a pointer leads into.
fn field(pointer: &str) -> String {
    pointer.split('/').nth(1).unwrap_or_default().replace("~1", "/").replace("~0", "~")
}

/// The timing that a schedule of a kind takes over when it names none, and the args that it takes over when it has none.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KindSchedule)]
pub(crate) struct KindScheduleBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 512)]
    cron: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    every_ms: Option<u64>,
    #[serde(default = "utc")]
    #[schema(required = false, max_length = 128)]
    timezone: String,
    #[serde(default)]
    #[schema(schema_with = says::gap, required = false)]
    gap: Gap,
    #[serde(default)]
    #[schema(schema_with = says::repeated_hour, required = false)]
    repeated_hour: RepeatedHour,
    /// So that the tenants' runs do not come at once.
    #[serde(default)]
    #[schema(required = false)]
    spread_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = says::starts_at)]
    starts_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = says::ends_at)]
    ends_at: Option<Time>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    args: Option<Value>,
}

fn utc() -> String {
    "UTC".to_owned()
}

impl KindScheduleBody {
    /// The same as the kind's record keeps it; what is wrong with the timing itself is told when the record is checked.
    pub(crate) fn checked(self) -> Result<KindSchedule, FieldFault> {
        let when = when("/schedule", self.cron, self.every_ms)?;
        let when = when.ok_or_else(|| FieldFault::new("/schedule/cron", "the schedule says neither cron nor every_ms", "one of them"))?;
        let timing = Timing {
            when,
            timezone: self.timezone,
            gap: self.gap,
            repeated_hour: self.repeated_hour,
            spread_ms: self.spread_ms,
            starts_at: self.starts_at.map(|time| time.0),
            ends_at: self.ends_at.map(|time| time.0),
        };
        Ok(KindSchedule { timing, args: self.args })
    }
}

impl From<KindSchedule> for KindScheduleBody {
    fn from(KindSchedule { timing, args }: KindSchedule) -> Self {
        let (cron, every_ms) = split(timing.when);
        Self {
            cron,
            every_ms,
            timezone: timing.timezone,
            gap: timing.gap,
            repeated_hour: timing.repeated_hour,
            spread_ms: timing.spread_ms,
            starts_at: timing.starts_at.map(Time),
            ends_at: timing.ends_at.map(Time),
            args,
        }
    }
}

/// Cron or a period; both are a fault at `{at}/every_ms`.
pub(super) fn when(at: &str, cron: Option<String>, every_ms: Option<u64>) -> Result<Option<When>, FieldFault> {
    match (cron, every_ms) {
        (Some(_), Some(_)) => {
            Err(FieldFault::new(format!("{at}/every_ms"), "cron and every_ms are both there", "one of cron and every_ms"))
        }
        (Some(cron), None) => Ok(Some(When::Cron(cron))),
        (None, Some(every)) => Ok(Some(When::EveryMs(every))),
        (None, None) => Ok(None),
    }
}

/// `cron` and `every_ms`, one of which is there.
pub(super) fn split(when: When) -> (Option<String>, Option<u64>) {
    match when {
        When::Cron(cron) => (Some(cron), None),
        When::EveryMs(every) => (None, Some(every)),
    }
}
