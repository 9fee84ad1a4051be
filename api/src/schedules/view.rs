//! A schedule as it is shown: all that it says, as resolved, and how it stands.

use super::body::{MissedWord, says, split};
use crate::{time::Time, view::LargeView};
use longshore_base::{Code, Millis, Name};
use longshore_queue::{
    Gap, JobId, Json, LATE_MS, Missed, Overlap, Pause, RepeatedHour, ScheduleState, Tick, TickOutcome, TickRecord, Timetable,
};
use serde::Serialize;
use utoipa::ToSchema;

/// A schedule and how it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Schedule)]
pub(crate) struct ScheduleView {
    #[schema(schema_with = crate::view::name)]
    name: Name,
    #[schema(schema_with = crate::view::name)]
    tenant: Name,
    /// One of `cron` and `every_ms` is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cron: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    every_ms: Option<u64>,
    timezone: String,
    #[schema(schema_with = crate::view::name)]
    kind: Name,
    /// null in lists, and where their file cannot be read, if they are larger than 256 KiB: `large_args` tells.
    #[schema(value_type = serde_json::Value)]
    args: Option<Json>,
    /// Of args that are kept in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, inline)]
    large_args: Option<LargeView>,
    #[schema(schema_with = crate::view::name)]
    queue: Name,
    #[schema(value_type = Option<String>)]
    client: Option<Name>,
    /// Of its jobs, 9 first.
    priority: u8,
    #[schema(value_type = Vec<String>)]
    tags: Vec<Name>,
    #[schema(schema_with = says::gap)]
    gap: Gap,
    #[schema(schema_with = says::repeated_hour)]
    repeated_hour: RepeatedHour,
    #[schema(schema_with = says::missed)]
    missed: MissedWord,
    /// With missed all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    missed_max: Option<u32>,
    #[schema(schema_with = says::overlap)]
    overlap: Overlap,
    spread_ms: u64,
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Option<Time>,
    /// null while it runs.
    paused: Option<PausedView>,
    /// The file that declares it.
    #[schema(value_type = Option<String>)]
    managed_by: Option<Name>,
    /// For If-Match.
    revision: u64,
    #[schema(schema_with = crate::view::time)]
    created_at: Time,
    #[schema(schema_with = crate::view::time)]
    changed_at: Time,
    /// When the next tick is carried out (its time and the spread). null: there is none, or the schedule is paused.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_at: Option<Time>,
    /// The newest entry of its history.
    last_tick: Option<TickView>,
    /// The newest run that it made, by a tick or by hand.
    #[schema(value_type = Option<String>)]
    last_job: Option<JobId>,
    /// The job that is held until `last_job` has ended.
    #[schema(value_type = Option<String>)]
    held_job: Option<JobId>,
    /// The next tick is overdue by more than ten seconds, or the last one was, or it was missed.
    late: bool,
    /// Of the last tick.
    late_ms: Option<u64>,
}

/// Who paused it, and why.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Paused)]
struct PausedView {
    /// The name of a key.
    by: Option<String>,
    reason: Option<String>,
}

impl ScheduleView {
    /// The view at `now`.
    pub(super) fn new(state: ScheduleState, now: Millis) -> Self {
        let next = next_at(&state);
        let overdue = next.is_some_and(|next| now.saturating_sub(next) > LATE_MS);
        let last_late = |last: &TickRecord| last.outcome == TickOutcome::Missed || last.late_ms() > LATE_MS.unsigned_abs();
        let late = overdue || state.last_tick.as_ref().is_some_and(last_late);
        let schedule = state.schedule;
        let large_args = LargeView::of(&schedule.args);
        let (cron, every_ms) = split(schedule.timing.when);
        let (missed, missed_max) = match schedule.missed {
            Missed::Skip => (MissedWord::Skip, None),
            Missed::Latest => (MissedWord::Latest, None),
            Missed::All(most) => (MissedWord::All, Some(most)),
        };
        Self {
            name: schedule.name,
            tenant: schedule.tenant,
            cron,
            every_ms,
            timezone: schedule.timing.timezone,
            kind: schedule.kind,
            args: large_args.is_none().then_some(schedule.args),
            large_args,
            queue: schedule.queue,
            client: schedule.client,
            priority: schedule.priority.unwrap_or_default().get(),
            tags: schedule.tags,
            gap: schedule.timing.gap,
            repeated_hour: schedule.timing.repeated_hour,
            missed,
            missed_max,
            overlap: schedule.overlap,
            spread_ms: schedule.timing.spread_ms,
            starts_at: schedule.timing.starts_at.map(Time),
            ends_at: schedule.timing.ends_at.map(Time),
            paused: state.paused.map(|Pause { by, reason, .. }| PausedView { by, reason }),
            managed_by: schedule.managed_by,
            revision: state.revision,
            created_at: Time(state.created_at),
            changed_at: Time(state.changed_at),
            next_at: next.map(Time),
            late_ms: state.last_tick.as_ref().map(TickRecord::late_ms),
            last_tick: state.last_tick.map(TickView::from),
            last_job: state.last_job,
            held_job: state.held_job,
            late,
        }
    }

    /// With args that were kept in a file.
    pub(super) fn complete(&mut self, args: Json) {
        self.args = Some(args);
    }

    /// The file cannot be read.
    pub(super) fn at_fault(&mut self, code: Code) {
        self.large_args = self.large_args.take().map(|large| large.at_fault(code));
    }
}

/// The ticks of a schedule.
pub(super) fn timetable(state: &ScheduleState) -> Option<Timetable> {
    let schedule = &state.schedule;
    Timetable::new(&schedule.timing, &schedule.tenant, &schedule.name, state.created_at).ok()
}

/// When the next tick is carried out. Right after a change the state says "look now" and no scheduler has looked yet.
fn next_at(state: &ScheduleState) -> Option<Millis> {
    let said = state.next_at.filter(|_| state.paused.is_none())?;
    if said != state.changed_at {
        return Some(said);
    }
    let timetable = timetable(state)?;
    timetable.next(state.cursor).map(|tick| timetable.due(tick))
}

/// What came of a tick.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tick)]
pub(super) struct TickView {
    /// The tick; for a run by hand the time at which somebody asked.
    #[schema(schema_with = crate::view::time)]
    at: Time,
    /// When it was to be carried out: `at` and the spread.
    #[schema(schema_with = crate::view::time)]
    due_at: Time,
    /// When it was decided.
    #[schema(schema_with = crate::view::time)]
    done_at: Time,
    /// How much later than planned.
    late_ms: u64,
    #[schema(schema_with = says::outcome)]
    outcome: TickOutcome,
    /// The job that it made, or the one that a unique key led to.
    #[schema(value_type = Option<String>)]
    job: Option<JobId>,
    /// Why, where the outcome does not say it all.
    detail: Option<String>,
    /// Somebody asked for it.
    by_hand: bool,
    /// So many ticks in a row with this outcome, this one the first.
    count: u32,
}

impl From<TickRecord> for TickView {
    fn from(record: TickRecord) -> Self {
        Self {
            at: Time(record.at),
            due_at: Time(record.due_at),
            done_at: Time(record.done_at),
            late_ms: record.late_ms(),
            outcome: record.outcome,
            job: record.job,
            detail: record.detail,
            by_hand: record.by_hand,
            count: record.count,
        }
    }
}

/// The tick that a job stands for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TickOf)]
pub(crate) struct TickOfView {
    #[schema(schema_with = crate::view::name)]
    schedule: Name,
    /// The time that the run stands for, however late it starts.
    #[schema(schema_with = crate::view::time)]
    at: Time,
}

impl From<Tick> for TickOfView {
    fn from(Tick { schedule, at }: Tick) -> Self {
        Self { schedule, at: Time(at) }
    }
}
