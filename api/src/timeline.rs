//! A job's timeline, derived from what the job itself remembers: when it came, when it was due, how each attempt ended, where it
//! stands. A pure function; nothing is stored for it. The moment at which a due job became ready is told as its due time.

use crate::time::Time;
use longshore_base::Millis;
use longshore_queue::{Event, EventKind, Job, JobId, Reason, State};
use serde::Serialize;
use utoipa::ToSchema;

/// One step: from `at` on the job was in `state`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Step {
    /// When.
    #[schema(schema_with = crate::view::time)]
    pub(crate) at: Time,
    /// Where it stood from then on.
    #[schema(schema_with = crate::view::state)]
    pub(crate) state: State,
    /// Why: the code of an error, or how the attempt ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The attempt's number, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attempt: Option<u32>,
    /// Who ran it; of `edited` who did it: the name of a key, or `operation:` and an operation's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) worker: Option<String>,
    /// The job that goes on with this one, where it was replayed or moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = crate::view::id, required = false)]
    pub(crate) job: Option<JobId>,
    /// Of `edited`: what was there before, a line for each thing that changed, such as `priority 5`; args by their size.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) before: Option<String>,
}

impl Step {
    fn new(at: Millis, state: State) -> Self {
        Self { at: Time(at), state, reason: None, attempt: None, worker: None, job: None, before: None }
    }
    fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }
    fn of(self, run: u32, worker: Option<&String>) -> Self {
        Self { attempt: (run > 0).then_some(run), worker: worker.cloned(), ..self }
    }
}

/// Every step of `job` that is known, oldest first. The last one is where it stands.
pub(crate) fn timeline(job: &Job) -> Vec<Step> {
    let mut steps = arrival(job);
    let mut told = 0;
    let mut replays = replays(job);
    // An edit moves nothing, and is told where the job stood then.
    for event in job.history.iter().filter(|event| event.what != EventKind::Edited) {
        if let Some(started) = event.started_at.filter(|_| event.run > told) {
            steps.push(Step::new(started, State::Running).of(event.run, event.worker.as_ref()));
            told = event.run;
        }
        let goes_on = match event.what {
            EventKind::Replayed => replays.next(),
            EventKind::Moved => job.moved_to,
            _ => None,
        };
        steps.push(Step { job: goes_on, ..outcome(job, event) });
    }
    steps.extend(now(job, steps.last()));
    tell_edits(job, &mut steps);
    steps
}

/// The jobs of the replays that the history still tells, oldest first.
fn replays(job: &Job) -> impl Iterator<Item = JobId> {
    let told = job.history.iter().filter(|event| event.what == EventKind::Replayed).count();
    job.replays.iter().skip(job.replays.len().saturating_sub(told)).copied()
}

fn tell_edits(job: &Job, steps: &mut Vec<Step>) {
    for event in job.history.iter().filter(|event| event.what == EventKind::Edited) {
        let at = steps.partition_point(|step| step.at.0 <= event.at);
        let state = at.checked_sub(1).map_or(job.state, |before| steps[before].state);
        let step = Step::new(event.at, state).because("edited").of(0, event.worker.as_ref());
        steps.insert(at, Step { before: event.before.clone(), ..step });
    }
}

/// From the enqueue to the first readiness.
fn arrival(job: &Job) -> Vec<Step> {
    if job.history.iter().any(|event| event.what == EventKind::Imported) {
        // It came as a letter, and what it went through elsewhere was before.
        return Vec::new();
    }
    let first = job.history.iter().find(|event| event.what != EventKind::Edited);
    let started = first.and_then(|event| event.started_at).or(job.started_at);
    if let Some(due) = job.run_at.filter(|due| *due > job.created_at) {
        let mut steps = vec![Step::new(job.created_at, State::Scheduled)];
        // A job that ended or was brought forward before it was due was never ready by its due time.
        let reached = job.state == State::Ready || started.is_some_and(|started| started >= due);
        let forward = first.is_some_and(|event| event.run == 0 && event.at <= due);
        if reached && !forward {
            steps.push(Step::new(due, State::Ready));
        }
        return steps;
    }
    let held = job.state == State::Waiting && started.is_none() || first.is_some_and(|e| e.what == EventKind::Woken && e.run == 0);
    let state = match job.state {
        _ if held => State::Waiting,
        State::Scheduled if first.is_none() => State::Scheduled,
        _ => State::Ready,
    };
    vec![Step::new(job.created_at, state)]
}

/// What an event led to.
fn outcome(job: &Job, event: &Event) -> Step {
    let error = || event.error.as_ref().map_or("failed", |error| error.code.as_str());
    let ended = |state| Step::new(event.at, state).because(job.reason.map_or("", Reason::as_str));
    let at = |state| Step::new(event.at, state);
    let last = job.history.iter().rev().find(|event| !is_of_a_letter(event.what)) == Some(event);
    let step = match event.what {
        EventKind::Completed => at(State::Completed),
        EventKind::Retried => at(State::Retrying).because(error()),
        EventKind::Died => ended(State::Dead),
        EventKind::Snoozed => at(State::Scheduled).because("snoozed"),
        EventKind::Gated => at(State::Scheduled).because("gated"),
        EventKind::Released => at(State::Ready).because("released"),
        // A crash that was one too many, or that met a cancel request, ends the job in the same step.
        EventKind::Crashed if last && job.state.is_ended() => ended(job.state),
        EventKind::Crashed => at(State::Retrying).because("crashed"),
        EventKind::Waited => at(State::Waiting),
        EventKind::Woken => at(State::Ready).because("woken"),
        EventKind::Cancelled => at(State::Cancelled).because(job.reason.unwrap_or(Reason::Cancelled).as_str()),
        EventKind::Expired => at(State::Cancelled).because(Reason::Expired.as_str()),
        EventKind::RetriedNow => at(State::Ready).because("retried_now"),
        EventKind::Replayed => at(State::Dead).because("replayed"),
        EventKind::Undone => at(State::Dead).because("undone"),
        EventKind::Edited => at(job.state),
        EventKind::Moved => at(State::Cancelled).because(Reason::Moved.as_str()),
        EventKind::Imported => at(State::Dead).because("imported"),
    };
    step.of(event.run, event.worker.as_ref())
}

/// What happens to a job that is dead, and leaves it so.
const fn is_of_a_letter(what: EventKind) -> bool {
    matches!(what, EventKind::Replayed | EventKind::Undone | EventKind::Edited | EventKind::Imported)
}

/// Where the job stands, unless the last step says so already.
fn now(job: &Job, last: Option<&Step>) -> Option<Step> {
    let (last_at, last_state) = last.map_or((job.created_at, None), |step| (step.at.0, Some(step.state)));
    let running = job.state == State::Running;
    if last_state == Some(job.state) && !running {
        return None;
    }
    let at = match job.state {
        State::Running => job.started_at.unwrap_or(last_at),
        State::Completed | State::Cancelled | State::Dead => job.ended_at.unwrap_or(last_at),
        State::Ready => job.due_at.map_or(last_at, |due| due.max(last_at)),
        State::Scheduled | State::Retrying | State::Waiting => last_at,
    };
    let step = Step::new(at, job.state);
    Some(match job.state {
        State::Running => step.of(job.counters.runs, job.worker.as_ref()),
        state if state.is_ended() => Step { reason: job.reason.map(|reason| reason.as_str().to_owned()), ..step },
        _ => step,
    })
}

#[cfg(test)]
mod tests;
