//! A line's two halves: what the kind's record here has to check, as in an enqueue, and what has become of the job there.

use crate::letters::line::{EventLine, LetterLine, TickLine, UniqueLine};
use longshore_base::{Millis, Name, rfc3339};
use longshore_jobs::{FieldFault, JobRequest};
use longshore_queue::{Counters, Event, JobId, Letter, NewJob, Priority, Reason};

/// Clocks may differ by this much; what is later has not happened.
const AHEAD_MAX: Millis = 60_000;

/// What has become of the job.
#[derive(Debug)]
pub(super) struct Rest {
    replay_of: Option<JobId>,
    counters: Counters,
    reason: Reason,
    history: Vec<Event>,
    started_at: Option<Millis>,
    ended_at: Millis,
}

impl Rest {
    /// The letter, with the job as it was checked.
    pub(super) fn letter(self, job: NewJob) -> Letter {
        Letter {
            job: NewJob { replay_of: self.replay_of, ..job },
            counters: self.counters,
            reason: self.reason,
            history: self.history,
            started_at: self.started_at,
            ended_at: self.ended_at,
        }
    }
}

/// The halves of a letter of `tenant`, or what a schema cannot see.
pub(super) fn parts(line: LetterLine, tenant: Name, now: Millis) -> Result<(JobRequest, Rest), Vec<FieldFault>> {
    let mut faults = times(&line, now);
    if !kills(line.reason) {
        faults.push(FieldFault::new(
            "/reason",
            format!("`{}` is no reason to be dead", line.reason.as_str()),
            "fatal, exhausted, crashed, …",
        ));
    }
    let unique = line.unique.map(UniqueLine::read);
    if matches!(unique, Some(None)) {
        faults.push(FieldFault::new("/unique/window_ms", "the field is missing", "with mode throttle: at least 1"));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let history = line.history.into_iter().map(|event| event.read(&line.kind)).collect();
    let request = JobRequest {
        queue: Some(line.queue),
        tenant: Some(tenant),
        client: line.client,
        priority: Priority::new(line.priority),
        unique: unique.flatten(),
        attempts_max: line.attempts_max,
        timeout_ms: line.timeout_ms,
        tags: line.tags,
        tick: line.tick.map(TickLine::read),
        ..JobRequest::new(line.kind, serde_json::from_str(line.args.get()).unwrap_or_default())
    };
    let (attempts, crashes, interruptions, runs) = (line.attempts, line.crashes, line.interruptions, line.runs);
    let rest = Rest {
        replay_of: line.replay_of,
        counters: Counters { attempts, crashes, crashes_in_row: 0, interruptions, runs },
        reason: line.reason,
        history,
        started_at: line.started_at.map(|time| time.0),
        ended_at: line.ended_at.0,
    };
    Ok((request, rest))
}

fn times(line: &LetterLine, now: Millis) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    let mut check = |pointer: String, at: Millis, latest: Millis| {
        if !(0..=latest).contains(&at) {
            let allowed = format!("1970-01-01T00:00:00.000Z to {}", rfc3339(latest));
            faults.push(FieldFault::new(pointer, format!("{} is no time at which that happened", rfc3339(at)), allowed));
        }
    };
    let latest = now.saturating_add(AHEAD_MAX);
    check("/ended_at".to_owned(), line.ended_at.0, latest);
    if let Some(started) = &line.started_at {
        check("/started_at".to_owned(), started.0, line.ended_at.0.clamp(0, latest));
    }
    for (n, EventLine { at, .. }) in line.history.iter().enumerate() {
        check(format!("/history/{n}/at"), at.0, latest);
    }
    faults
}

/// Whether a job that ended for this reason is dead.
const fn kills(reason: Reason) -> bool {
    !matches!(reason, Reason::Cancelled | Reason::Expired | Reason::Moved | Reason::Undone)
}
