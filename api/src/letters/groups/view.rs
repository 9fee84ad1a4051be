//! A group as it is shown: its parts in every queue and of every tenant, put together.

use crate::time::Time;
use longshore_base::{Millis, Name};
use longshore_queue::{GROUP_HOURS, Group};
use longshore_store::{GroupWords, Said};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use utoipa::ToSchema;

/// Names of queues, and of tenants, that are told of a group.
const NAMES_MAX: usize = 100;

/// Every group.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterGroups)]
pub(crate) struct GroupList {
    groups: Vec<GroupView>,
}

impl GroupList {
    /// One group for each fingerprint and kind, the largest first.
    pub(super) fn merged(found: Vec<Group>, said: &HashMap<String, GroupWords>) -> Self {
        let mut alike: BTreeMap<(String, Name), Vec<Group>> = BTreeMap::new();
        for group in found {
            alike.entry((group.fingerprint.clone(), group.kind.clone())).or_default().push(group);
        }
        let mut groups: Vec<_> = alike.into_values().filter_map(|alike| GroupView::of(&alike, said)).collect();
        groups.sort_by(|a, b| b.count.cmp(&a.count).then(b.last_at.0.cmp(&a.last_at.0)));
        Self { groups }
    }
}

/// Letters of a kind with like errors.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterGroup)]
struct GroupView {
    /// What their errors share.
    fingerprint: String,
    #[schema(schema_with = crate::view::name)]
    kind: Name,
    sample_error: SampleView,
    /// So many letters now.
    count: u64,
    #[schema(schema_with = crate::view::time)]
    first_at: Time,
    #[schema(schema_with = crate::view::time)]
    last_at: Time,
    /// The last 48 hours in which letters came, oldest first; a letter that has left is still counted.
    hours: Vec<HourView>,
    /// Where they are, at most 100.
    #[schema(value_type = Vec<String>)]
    queues: Vec<Name>,
    /// Whose they are, at most 100.
    #[schema(value_type = Vec<String>)]
    tenants: Vec<Name>,
    #[serde(flatten)]
    said: SaidView,
}

/// The newest of the errors.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SampleError)]
struct SampleView {
    code: String,
    message: String,
}

/// Letters by the hour in which they died.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterHour)]
struct HourView {
    /// The hour's begin.
    #[schema(schema_with = crate::view::time)]
    at: Time,
    count: u64,
}

/// What is said of a group.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = DeadLetterGroupWords)]
struct SaidView {
    note: Option<String>,
    /// Whoever changed the note last, by the key's name.
    noted_by: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    noted_at: Option<Time>,
    /// Somebody knows of it.
    acknowledged: bool,
    /// Who said so.
    acknowledged_by: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    acknowledged_at: Option<Time>,
}

/// A group after something was said of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterGroupSaid)]
pub(crate) struct GroupSaid {
    fingerprint: String,
    #[serde(flatten)]
    said: SaidView,
}

impl GroupView {
    /// The group that these are the parts of.
    fn of(alike: &[Group], said: &HashMap<String, GroupWords>) -> Option<Self> {
        let newest = alike.iter().max_by_key(|group| group.last_at)?;
        let (fingerprint, kind, sample) = (newest.fingerprint.clone(), newest.kind.clone(), newest.sample.clone());
        let mut hours: BTreeMap<Millis, u64> = BTreeMap::new();
        for hour in alike.iter().flat_map(|group| &group.hours) {
            *hours.entry(hour.at).or_default() += hour.count;
        }
        let oldest = hours.len().saturating_sub(GROUP_HOURS);
        let names = |all: BTreeSet<&Name>| all.into_iter().take(NAMES_MAX).cloned().collect();
        Some(Self {
            said: said.get(&fingerprint).map(SaidView::from).unwrap_or_default(),
            fingerprint,
            kind,
            sample_error: SampleView { code: sample.code, message: sample.message },
            count: alike.iter().map(|group| group.count).sum(),
            first_at: Time(alike.iter().map(|group| group.first_at).min()?),
            last_at: Time(alike.iter().map(|group| group.last_at).max()?),
            hours: hours.into_iter().skip(oldest).map(|(at, count)| HourView { at: Time(at), count }).collect(),
            queues: names(alike.iter().map(|group| &group.queue).collect()),
            tenants: names(alike.iter().map(|group| &group.tenant).collect()),
        })
    }
}

impl From<GroupWords> for GroupSaid {
    fn from(words: GroupWords) -> Self {
        Self { said: SaidView::from(&words), fingerprint: words.fingerprint }
    }
}

impl From<&GroupWords> for SaidView {
    fn from(words: &GroupWords) -> Self {
        let who = |said: &Option<Said>| said.as_ref().map(|said| said.by.clone());
        let when = |said: &Option<Said>| said.as_ref().map(|said| Time(said.at));
        Self {
            note: words.note.clone(),
            noted_by: who(&words.noted),
            noted_at: when(&words.noted),
            acknowledged: words.acknowledged.is_some(),
            acknowledged_by: who(&words.acknowledged),
            acknowledged_at: when(&words.acknowledged),
        }
    }
}
