//! A queue's feed: what happened to its jobs, for whoever listens.

use crate::{JobId, Json, LOGS_MAX, LogLine, Note, State};
use longshore_base::Millis;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A feed goes on for so long after the last call of [`crate::Broker::feed`].
pub const FEED_KEPT: Duration = Duration::from_secs(60);
/// So many steps of a queue stay in its feed at least, unless they take more than [`FEED_BYTES_MAX`]; the oldest go first. A broker may be
/// opened with another number.
pub const FEED_MAX: usize = 10_000;
/// What attempts tell may be large: a feed takes about so many bytes at most.
pub const FEED_BYTES_MAX: usize = 32 << 20;

/// Some of a queue's feed.
#[derive(Debug, Clone, Default)]
pub struct Feed {
    /// The oldest first.
    pub entries: Vec<FeedEntry>,
    /// Behind the last entry, or where it was when there is none: what the next call names. Opaque; grows as text within one queue. Empty: the
    /// queue does not exist.
    pub next: String,
    /// Something that came after the place that was named is gone: entries may be missing before the first one. Everything after the last
    /// entry that is gone is there, so that whoever has heard that one misses nothing.
    pub missed: bool,
    /// When the oldest entry that is there was made, or the feed began. None: the queue does not exist.
    pub oldest_at: Option<Millis>,
}

impl Feed {
    /// Of a queue that does not exist.
    pub(crate) fn of_nobody(after: Option<&str>) -> Self {
        Self { missed: after.is_some_and(|after| !after.is_empty()), ..Self::default() }
    }
}

/// One line of a feed.
#[derive(Debug, Clone)]
pub struct FeedEntry {
    /// Its place; [`Feed::next`] of a call that ended with it.
    pub place: String,
    /// Server time.
    pub at: Millis,
    /// What it is about. None: the queue.
    pub id: Option<JobId>,
    /// What happened.
    pub what: Change,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Change {
    /// It stands somewhere else now.
    State {
        /// Where.
        state: State,
        /// The attempt's number, counted over every lease that started; 0 before the first.
        run: u32,
    },
    /// Its args, priority, due time or tags were changed.
    Edited,
    /// Somebody asked the running attempt to stop.
    CancelRequested,
    /// What the running attempt told.
    Told {
        /// Its progress, where that changed.
        progress: Option<Json>,
        /// Log lines.
        logs: Vec<LogLine>,
        /// What it gave out piece by piece; kept nowhere else.
        output: Option<String>,
    },
    /// Not about a job.
    Alert(Alert),
}

impl Change {
    /// What a note tells whoever listens; None: nothing.
    pub(crate) fn told(note: Note) -> Option<Self> {
        let Note { progress, logs, output, .. } = note;
        let cut = |mut text: String| {
            text.truncate(text.floor_char_boundary(LOGS_MAX));
            text
        };
        let output = output.map(cut).filter(|text| !text.is_empty());
        (progress.is_some() || !logs.is_empty() || output.is_some()).then_some(Self::Told { progress, logs, output })
    }
}

/// Something that people should know, about a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Such as `schedules.late` or `dead_letters.many`.
    pub code: String,
    /// Whose; None: the whole queue's.
    pub tenant: Option<longshore_base::Name>,
    /// For people.
    pub detail: String,
}
