//! Dead letters and what is done with them: repeated, taken back, brought from elsewhere; and jobs that change their queue.

use crate::{Counters, Event, JobId, Json, NewJob, Reason};
use longshore_base::{Millis, Name};
use serde::{Deserialize, Serialize};

/// One dead job to repeat.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The dead job.
    pub id: JobId,
    /// The new one: [`JobId::derived`] from [`Self::seed`], so that a repeated call makes one.
    pub new_id: JobId,
    /// Other args, checked before.
    pub args: Option<Json>,
}

impl Replay {
    /// The id of the job by which `operation` repeats `letter`: always the same one, in the letter's own queue.
    #[must_use]
    pub fn id_of(letter: JobId, operation: JobId) -> JobId {
        let seed = [letter.as_bytes().as_slice(), b"/replay/", operation.as_bytes().as_slice()].concat();
        JobId::derived(letter.time(), letter.home(), &seed)
    }
}

/// A replay to take back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undo {
    /// The letter.
    pub id: JobId,
    /// The job that repeats it.
    pub replay: JobId,
}

/// A job that goes to another queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocation {
    /// The job as it is now.
    pub id: JobId,
    /// The new one: derived from `id` and whoever moves it, with the target's home, so that a repeated call makes one.
    pub new_id: JobId,
    /// Where to.
    pub queue: Name,
}

impl Relocation {
    /// The id of the job by which `operation` goes on with `id` in the queue of `home`.
    #[must_use]
    pub fn id_of(id: JobId, operation: JobId, home: crate::Home) -> JobId {
        let seed = [id.as_bytes().as_slice(), b"/move/", operation.as_bytes().as_slice()].concat();
        JobId::derived(id.time(), home, &seed)
    }
}

/// A dead job from elsewhere.
#[derive(Debug, Clone)]
pub struct Letter {
    /// What it asked for. It never waits and has no parent.
    pub job: NewJob,
    /// What its attempts came to.
    pub counters: Counters,
    /// Why it died.
    pub reason: Reason,
    /// What happened to it there, oldest first; bounded as the history of any job. The last error names its group.
    pub history: Vec<Event>,
    /// Start of its last attempt.
    pub started_at: Option<Millis>,
    /// When it died there.
    pub ended_at: Millis,
}

/// Letters by the hour in which they died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hour {
    /// The hour's begin, Unix time.
    pub at: Millis,
    /// So many died in it; none is taken off when a letter goes.
    pub count: u64,
}

/// Hours that a group remembers.
pub const GROUP_HOURS: usize = 48;
