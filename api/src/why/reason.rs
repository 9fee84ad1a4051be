//! An obstacle as a code for programs and a sentence for people.

use super::{Facts, Reason, change, named};
use crate::{rules::level, time::Time};
use longshore_base::{Millis, Name, rfc3339};
use longshore_queue::{Gate, GateCause, Job, JobId, Obstacle, RuleScope, State};

impl Reason {
    pub(super) fn new(job: &Job, obstacle: &Obstacle, facts: &Facts) -> Self {
        let (code, detail) = told(job, obstacle);
        let ids = named(obstacle);
        let seen = |id: &JobId| facts.visible.as_ref().is_none_or(|visible| visible.contains(id));
        let jobs: Vec<_> = ids.iter().filter(|id| seen(id)).map(ToString::to_string).collect();
        let hidden = if jobs.len() < ids.len() { "; some of the jobs behind it are not yours to see" } else { "" };
        let people = gate(obstacle).and_then(|gate| gate.pause.by.clone());
        Self {
            code,
            detail: format!("{detail}{hidden}"),
            by: jobs.into_iter().chain(people).collect(),
            until: until(obstacle).map(Time),
            change: change::of(job, obstacle, facts),
        }
    }
}

fn told(job: &Job, obstacle: &Obstacle) -> (String, String) {
    let queue = &job.queue;
    let plain = |code: &str, detail: String| (code.to_owned(), detail);
    match obstacle {
        Obstacle::NotDue { until } if job.state == State::Retrying => {
            plain("not_due", format!("its last attempt failed, and the next one is due at {}", rfc3339(*until)))
        }
        Obstacle::NotDue { until } => plain("not_due", format!("it is due at {}", rfc3339(*until))),
        Obstacle::Waiting { what, until, .. } => {
            let waits = || format!("it waits for {what}{}", ending(", at most until ", *until));
            plain("waiting", held(job, obstacle).unwrap_or_else(waits))
        }
        Obstacle::Gated { scope, gate } => (format!("gated.{}", level(scope)), closed(&place(queue, scope), gate)),
        Obstacle::Limit { scope, max, rule, .. } => (format!("limit.{}", level(scope)), full(queue, scope, *max, rule)),
        Obstacle::Rate { scope, until } => (
            format!("rate.{}", level(scope)),
            format!("{} has started all that its rate allows until {}", place(queue, scope), rfc3339(*until)),
        ),
        Obstacle::Budget { tenant, used, units, until } => {
            let detail = format!("the tenant `{tenant}` has used {used} of {units} units; a new period begins at {}", rfc3339(*until));
            plain("budget", detail)
        }
        Obstacle::Resource { name, gate: Some(gate), .. } => plain("gated.resource", closed(&format!("the resource `{name}`"), gate)),
        Obstacle::Resource { name, gate: None, until } => {
            plain("resource", format!("the resource `{name}` has nothing left to lend{}", ending("; more comes at ", *until)))
        }
        Obstacle::NoWorker => {
            plain("no_worker", format!("no live worker serves the queue `{queue}`; start one, or resume one that is quiet"))
        }
        Obstacle::UnknownKind { kind } => {
            plain("unknown_kind", format!("no live worker of the queue `{queue}` carries the kind `{kind}`; start one that does"))
        }
        Obstacle::Suspect { .. } => {
            plain("suspect", "after one more crash it would be dead; each worker runs one such job at most, and all run one".into())
        }
        Obstacle::Probe { by } => {
            let trying = if by.is_some() { "one job tries, and it is another one" } else { "one job may try, and it is another one" };
            plain("gated.key", format!("too many failures in a row closed {}; {trying}", own_key(job)))
        }
        Obstacle::Behind { ahead, .. } => plain("behind", format!("{ahead} {} before it in its lane", stand(*ahead))),
        Obstacle::Turn { behind_ms } => {
            let owed = if *behind_ms >= 1.0 { format!("; others get {behind_ms:.0} ms of slot-time first") } else { String::new() };
            plain("turn", format!("nothing but others' turns: every slot is taken, or another tenant is next{owed}"))
        }
        Obstacle::Ended { state, reason } => {
            let word = reason.map_or(state.as_str(), longshore_queue::Reason::as_str);
            (format!("ended.{word}"), end(job, *state, word))
        }
    }
}

/// What holds a tick's job that has never run: the run before.
fn held(job: &Job, obstacle: &Obstacle) -> Option<String> {
    let before = run_before(job, obstacle)?;
    let tick = job.tick.as_ref()?;
    let (schedule, at) = (&tick.schedule, rfc3339(tick.at));
    Some(format!("its schedule `{schedule}` holds the tick of {at} until the run before it, job {before}, has ended"))
}

/// The job that a held tick waits for.
pub(super) fn run_before(job: &Job, obstacle: &Obstacle) -> Option<JobId> {
    match obstacle {
        Obstacle::Waiting { by, .. } if job.tick.is_some() && job.counters.runs == 0 => by.first().copied(),
        _ => None,
    }
}

const fn stand(n: u64) -> &'static str {
    if n == 1 { "job stands" } else { "jobs stand" }
}

fn ending(before: &str, until: Option<Millis>) -> String {
    until.map(|until| format!("{before}{}", rfc3339(until))).unwrap_or_default()
}

/// A scope in words.
fn place(queue: &Name, scope: &RuleScope) -> String {
    match scope {
        RuleScope::Queue => format!("the queue `{queue}`"),
        RuleScope::Tenant(tenant) => format!("the tenant `{tenant}` in the queue `{queue}`"),
        RuleScope::Kind(kind) => format!("the kind `{kind}` in the queue `{queue}`"),
        RuleScope::Key { tenant, key } => format!("the key `{key}` of the tenant `{tenant}` in the queue `{queue}`"),
    }
}

/// The (tenant, key) of a job in words.
fn own_key(job: &Job) -> String {
    place(&job.queue, &RuleScope::Key { tenant: job.tenant.clone(), key: job.lane_key.clone() })
}

fn closed(place: &str, Gate { pause, cause }: &Gate) -> String {
    let by = pause.by.as_ref().map(|by| format!(" by `{by}`")).unwrap_or_default();
    let why = pause.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match cause {
        GateCause::Person => format!(
            "{place} is paused{by}{}{why}",
            pause.until.map_or_else(|| " until somebody resumes it".into(), |t| ending(" until ", Some(t)))
        ),
        GateCause::Handler => format!("a job's code closed {place}{}{why}", ending(" until ", pause.until)),
        GateCause::Failures => format!("failures in a row closed {place}{}; then one job tries{why}", ending(" until ", pause.until)),
    }
}

fn full(queue: &Name, scope: &RuleScope, max: u64, rule: &str) -> String {
    let place = place(queue, scope);
    match rule {
        "scale" => format!("{place} is scaled to {max} at once, and as many run"),
        "max_share" => format!("{place} has {max} slots, which is its largest share"),
        _ => format!("{place} runs at most {max} at once, and as many run"),
    }
}

fn end(job: &Job, state: State, word: &str) -> String {
    let at = job.ended_at.map(|at| format!(" at {}", rfc3339(at))).unwrap_or_default();
    let error = job.history.iter().rev().find_map(|event| event.error.as_ref()).filter(|_| state == State::Dead);
    let error = error
        .map(|error| format!("; its last error is {}: {}", error.code, error.message.lines().next().unwrap_or_default()))
        .unwrap_or_default();
    match state {
        State::Completed => format!("it completed{at}"),
        _ => format!("it ended as {state}{at}, because: {}{error}", word.replace('_', " ")),
    }
}

const fn gate(obstacle: &Obstacle) -> Option<&Gate> {
    match obstacle {
        Obstacle::Gated { gate, .. } | Obstacle::Resource { gate: Some(gate), .. } => Some(gate),
        _ => None,
    }
}

fn until(obstacle: &Obstacle) -> Option<Millis> {
    match obstacle {
        Obstacle::NotDue { until } | Obstacle::Rate { until, .. } | Obstacle::Budget { until, .. } => Some(*until),
        Obstacle::Waiting { until, .. } | Obstacle::Resource { gate: None, until, .. } => *until,
        Obstacle::Gated { gate, .. } | Obstacle::Resource { gate: Some(gate), .. } => gate.pause.until,
        _ => None,
    }
}
