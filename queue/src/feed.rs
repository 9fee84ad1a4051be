//! A queue's feed: what happened to its jobs, for whoever listens.

use crate::{JobId, Json, LogLine, State};
use longshore_base::Millis;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A feed goes on for so long after the last call of [`crate::Broker::feed`].
pub const FEED_KEPT: Duration = Duration::from_secs(60);
/// So many steps of a queue stay in its feed at least; the oldest go first.
pub const FEED_MAX: usize = 10_000;

/// Some of a queue's feed.
#[derive(Debug, Clone, Default)]
pub struct Feed {
    /// The oldest first.
    pub entries: Vec<FeedEntry>,
    /// Behind the last entry, or where it was when there is none: what the next call names. Opaque; grows as text within one queue.
    pub next: String,
    /// The place that was named is not there any more, or nobody listened for a while: entries may be missing before the first one.
    pub missed: bool,
    /// When the oldest entry that is there was made, or the feed began.
    pub oldest_at: Option<Millis>,
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
