//! What operations are called with and what they tell: for the calls that begin them, and for whoever reads how far they are. The kinds
//! themselves are private as all are.

use crate::FieldFault;
use longshore_base::{Millis, Name};
use longshore_dlq::{Search, Wanted};
use longshore_queue::{JobId, OPERATIONS, Priority, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The kind that repeats dead letters; args are [`ReplayArgs`].
pub const REPLAY: &str = "dead_letters.replay";
/// The kind that takes an operation back; args are [`UndoArgs`].
pub const UNDO: &str = "dead_letters.undo";
/// The kind that removes dead letters; args are [`PurgeArgs`].
pub const PURGE: &str = "dead_letters.purge";
/// The kind that changes living jobs; args are [`BulkArgs`].
pub const BULK: &str = "jobs.bulk";

/// The name under which the history of a job keeps what an operation changed.
#[must_use]
pub fn signature(operation: JobId) -> String {
    format!("operation:{operation}")
}

/// Which letters to repeat, and how.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayArgs {
    /// These, or those of `filter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<String>>")]
    pub ids: Option<Vec<JobId>>,
    /// Those that it matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Wanted>,
    /// The moment of the call, Unix time in milliseconds: letters that died later are not part of it.
    #[schemars(range(min = 0))]
    pub before: Millis,
    /// A JSON merge patch (RFC 7396) for their args; a letter whose kind refuses the result is told and left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args_patch: Option<Value>,
    /// So many a second at most; 100 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub per_second: Option<u32>,
    /// From 20 first results on, the operation ends when this share of them, or more, is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub stop_when_failing: Option<f64>,
}

/// What to take back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UndoArgs {
    /// A replay, or a change of priority or due time, that has ended.
    #[schemars(with = "String")]
    pub operation: JobId,
}

/// Which letters to remove.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PurgeArgs {
    /// These, or those of `filter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<String>>")]
    pub ids: Option<Vec<JobId>>,
    /// Those that it matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Wanted>,
    /// The moment of the call, Unix time in milliseconds: letters that died later are not part of it.
    #[schemars(range(min = 0))]
    pub before: Millis,
}

/// Which living jobs to change, and how.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkArgs {
    /// What to do with each.
    pub verb: Verb,
    /// Those that it matches.
    pub filter: Wanted,
    /// Of move the queue; of priority 0..=9; of postpone the time before which they do not start: RFC 3339, or milliseconds from the call on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// So many a second at most; 1,000 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub per_second: Option<u32>,
    /// The moment of the call, Unix time in milliseconds: jobs that were enqueued later are not part of it.
    #[schemars(range(min = 0))]
    pub before: Millis,
}

/// What can be done with many living jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Ends them; running ones are asked to stop.
    Cancel,
    /// They go on in another queue.
    Move,
    /// Another priority.
    Priority,
    /// They start later.
    Postpone,
}

/// A verb with its value, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BulkChange {
    /// Cancel.
    Cancel,
    /// Move there.
    Move(Name),
    /// This priority.
    Priority(Priority),
    /// Not before this time.
    Postpone(Millis),
}

/// How far an operation is; its progress, and in the end its output.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// So many jobs it is about.
    pub total: u64,
    /// So many it is done with: the next four, `skipped` and `refused_count` add up to it.
    pub done: u64,
    /// Letters that it repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed: Option<u64>,
    /// Jobs that it took back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<u64>,
    /// Letters that it removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purged: Option<u64>,
    /// Living jobs that it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<u64>,
    /// Jobs that there was nothing to do with any more.
    pub skipped: u64,
    /// The first two hundred that could not be done.
    pub refused: Vec<RefusedJob>,
    /// So many could not be done.
    pub refused_count: u64,
    /// Of a replay: so many of the new jobs completed at their first attempt, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub well: Option<u64>,
    /// Of a replay: so many of the new jobs failed at their first attempt, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<u64>,
    /// Why it ended before it was through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}

/// One job that could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedJob {
    /// Which.
    #[schemars(with = "String")]
    pub id: JobId,
    /// Why, for people.
    pub detail: String,
}

impl ReplayArgs {
    /// Which letters these are.
    ///
    /// # Errors
    /// Neither `ids` nor `filter`, or both.
    pub fn search(&self) -> Result<Search, FieldFault> {
        letters(self.ids.as_ref(), self.filter.as_ref(), self.before)
    }
}

impl PurgeArgs {
    /// Which letters these are.
    ///
    /// # Errors
    /// Neither `ids` nor `filter`, or both.
    pub fn search(&self) -> Result<Search, FieldFault> {
        letters(self.ids.as_ref(), self.filter.as_ref(), self.before)
    }
}

fn letters(ids: Option<&Vec<JobId>>, filter: Option<&Wanted>, before: Millis) -> Result<Search, FieldFault> {
    match (ids, filter) {
        (Some(ids), None) => Ok(Search::letters(&Wanted::default(), before).only(Some(ids.clone()))),
        (None, Some(filter)) => Ok(Search::letters(filter, before)),
        (Some(_), Some(_)) => Err(FieldFault::new("/filter", "ids and filter are both there", "one of ids and filter")),
        (None, None) => Err(FieldFault::new("/filter", "the field is missing", "one of ids and filter")),
    }
}

impl BulkArgs {
    /// The verb with its value.
    ///
    /// # Errors
    /// The value does not go with the verb.
    pub fn change(&self) -> Result<BulkChange, FieldFault> {
        let fault = |allowed: &str| {
            let detail =
                self.value.as_ref().map_or_else(|| "the field is missing".to_owned(), |value| format!("{value} does not go with it"));
            FieldFault::new("/value", detail, allowed)
        };
        match (self.verb, &self.value) {
            (Verb::Cancel, None) => Ok(BulkChange::Cancel),
            (Verb::Cancel, Some(_)) => Err(fault("nothing")),
            (Verb::Move, value) => {
                let queue = value.as_ref().and_then(Value::as_str).and_then(|text| Name::new(text).ok());
                queue.filter(|queue| queue.as_str() != OPERATIONS).map(BulkChange::Move).ok_or_else(|| fault("the name of a queue"))
            }
            (Verb::Priority, value) => {
                let number = value.as_ref().and_then(Value::as_u64).and_then(|n| u8::try_from(n).ok());
                number.and_then(Priority::new).map(BulkChange::Priority).ok_or_else(|| fault("0..=9"))
            }
            (Verb::Postpone, value) => {
                let time = value.as_ref().and_then(|value| until(value, self.before));
                time.map(BulkChange::Postpone).ok_or_else(|| fault("an RFC 3339 time, or milliseconds from now on, up to ten years"))
            }
        }
    }

    /// Which jobs these are.
    #[must_use]
    pub fn search(&self) -> Search {
        Search::living(&self.filter, self.verb.states(), self.before)
    }
}

impl Verb {
    /// The states in which a job can be changed like this, in the order of a life.
    #[must_use]
    pub const fn states(self) -> &'static [State] {
        match self {
            Self::Cancel => &[State::Scheduled, State::Retrying, State::Waiting, State::Ready, State::Running],
            Self::Move | Self::Priority | Self::Postpone => EDITABLE,
        }
    }
}

/// The states in which a job can be edited and moved.
pub(crate) const EDITABLE: &[State] = &[State::Scheduled, State::Retrying, State::Ready];

/// Nobody means to wait longer than ten years.
const AHEAD_MAX_MS: Millis = 3_653 * 86_400_000;

fn until(value: &Value, call: Millis) -> Option<Millis> {
    let time = match value {
        Value::String(text) => longshore_dlq::time_of(text)?,
        value => call.checked_add(value.as_i64().filter(|ms| *ms >= 0)?)?,
    };
    (0..=call.saturating_add(AHEAD_MAX_MS)).contains(&time).then_some(time)
}

#[cfg(test)]
mod tests;
