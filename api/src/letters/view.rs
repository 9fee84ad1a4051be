//! A dead letter as it is shown: the job, what names its group, and what it led to.

use crate::view::{JobView, Whole};
use longshore_dlq::{Difference, Varies};
use longshore_queue::{Job, JobId, Reason, State};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A job that failed for good.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub(crate) struct LetterView {
    #[serde(flatten)]
    pub(super) job: JobView,
    /// Of its last error; letters of a kind with the same one are a group.
    fingerprint: Option<String>,
}

impl From<Job> for LetterView {
    fn from(job: Job) -> Self {
        Self::of(Whole::without_files(job))
    }
}

impl LetterView {
    /// The letter with what lies in files.
    pub(super) fn of(whole: Whole) -> Self {
        let fingerprint = whole.job.last_error().map(|error| error.fingerprint.clone());
        Self { job: JobView::from(whole), fingerprint }
    }
}

/// A letter with what is known around it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterInFull)]
pub(crate) struct LetterInFull {
    #[serde(flatten)]
    pub(super) letter: LetterView,
    pub(super) lineage: Lineage,
    /// What differs in the args of its group. null: it has no error, or that could not be found out in time.
    pub(super) varies: Option<VariesView>,
}

/// A letter after an edit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterEdited)]
pub(crate) struct LetterEdited {
    #[serde(flatten)]
    pub(super) letter: LetterView,
    /// What the edit changed in the args, in the order of the places.
    pub(super) diff: Vec<DifferenceView>,
}

/// How the jobs stand that a letter repeats and that repeat it.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Lineage {
    /// The letter that it repeats.
    pub(super) replay_of: Option<KinView>,
    /// The jobs that repeat it, the first one first.
    pub(super) replays: Vec<KinView>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Kin)]
pub(crate) struct KinView {
    #[schema(schema_with = crate::view::id)]
    id: JobId,
    /// null: it is not in its queue any more.
    #[schema(value_type = Option<String>)]
    state: Option<State>,
    /// Why it ended so; `undone`: it was taken back.
    #[schema(value_type = Option<String>)]
    reason: Option<Reason>,
}

impl KinView {
    pub(super) fn new(id: JobId, job: Option<&Job>) -> Self {
        Self { id, state: job.map(|job| job.state), reason: job.and_then(|job| job.reason) }
    }
}

/// One place in which args differ.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Difference)]
pub(crate) struct DifferenceView {
    /// Where (RFC 6901).
    pointer: String,
    /// What was there; absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    before: Option<Value>,
    /// What is there now; absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    after: Option<Value>,
}

impl From<Difference> for DifferenceView {
    fn from(Difference { pointer, before, after }: Difference) -> Self {
        Self { pointer, before, after }
    }
}

/// What a sample of a group's letters does not have in common.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Varies)]
pub(crate) struct VariesView {
    /// So many letters were looked at, at most 200.
    sampled: usize,
    /// The places that differ, those with the fewest values first.
    fields: Vec<VaryingView>,
}

/// A place of the args that is not the same in every letter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Varying)]
struct VaryingView {
    /// Where (RFC 6901).
    pointer: String,
    /// So many different values.
    distinct: usize,
    /// So many letters have nothing there.
    absent: usize,
    /// The most frequent values.
    values: Vec<SeenView>,
}

/// One value of a place.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Seen)]
struct SeenView {
    /// A long one is cut, and text then.
    #[schema(value_type = Value)]
    value: Value,
    /// So many letters have it.
    count: usize,
}

impl From<Varies> for VariesView {
    fn from(Varies { sampled, fields }: Varies) -> Self {
        let fields = fields.into_iter().map(|field| VaryingView {
            pointer: field.pointer,
            distinct: field.distinct,
            absent: field.absent,
            values: field.values.into_iter().map(|seen| SeenView { value: seen.value, count: seen.count }).collect(),
        });
        Self { sampled, fields: fields.collect() }
    }
}
