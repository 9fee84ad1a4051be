//! Lives and their timelines, as tables.

use super::timeline;
use longshore_base::{Millis, Name};
use longshore_queue::{Counters, ErrorInfo, Event, EventKind, Home, Job, JobId, Policy, Priority, Reason, State, json};

const T0: Millis = 1_700_000_000_000;

fn job(state: State) -> Job {
    Job {
        id: JobId::derived(T0, Home(1), b"a job"),
        queue: Name::literal("q"),
        kind: Name::literal("demo.echo"),
        kind_version: 1,
        tenant: Name::literal("default"),
        client: None,
        cost: 1,
        resources: Vec::new(),
        lane_key: String::new(),
        priority: Priority::default(),
        state,
        args: json(&serde_json::json!({})),
        policy: Policy::default(),
        counters: Counters::default(),
        created_at: T0,
        due_at: None,
        run_at: None,
        started_at: None,
        ended_at: None,
        expires_at: None,
        revision: 1,
        unique: None,
        tags: Vec::new(),
        parent: None,
        replay_of: None,
        moved_from: None,
        trace: None,
        moved_to: None,
        tick: None,
        replays: Vec::new(),
        replayed: false,
        output: None,
        reason: None,
        history: Vec::new(),
        progress: None,
        cancel_requested: false,
        worker: None,
    }
}

/// `run` was started at `from` by `w` and ended at `to`; times in milliseconds after the enqueue.
fn ran(run: u32, from: Millis, to: Millis, what: EventKind) -> Event {
    Event { at: T0 + to, what, run, worker: Some(format!("w{run}")), started_at: Some(T0 + from), error: None, before: None }
}

fn failed(run: u32, from: Millis, to: Millis, what: EventKind, code: &str) -> Event {
    let error = ErrorInfo { code: code.to_owned(), message: "no".to_owned(), fingerprint: "f".to_owned() };
    Event { error: Some(error), ..ran(run, from, to, what) }
}

/// Something that happened outside an attempt.
fn told(at: Millis, what: EventKind) -> Event {
    Event { at: T0 + at, what, run: 0, worker: None, started_at: None, error: None, before: None }
}

fn ended(job: Job, at: Millis, reason: Option<Reason>) -> Job {
    Job { ended_at: Some(T0 + at), reason, ..job }
}

/// The timeline as one line: `ms state(reason)#attempt@worker`.
#[track_caller]
fn check(job: &Job, expected: &str) {
    let steps = timeline(job);
    let lines: Vec<_> = steps
        .iter()
        .map(|step| {
            let mut line = format!("{} {}", step.at.0 - T0, step.state);
            if let Some(reason) = &step.reason {
                line += &format!("({reason})");
            }
            if let Some(attempt) = step.attempt {
                line += &format!("#{attempt}");
            }
            if let Some(worker) = &step.worker {
                line += &format!("@{worker}");
            }
            if let Some(before) = &step.before {
                line += &format!(" before: {before}");
            }
            if let Some(id) = step.job {
                line += &format!(" -> {}", id.home().0);
            }
            line
        })
        .collect();
    assert_eq!(lines.join(", "), expected);
    assert_eq!(steps.last().map(|step| step.state), Some(job.state), "the last step is where the job stands");
    assert!(steps.windows(2).all(|pair| pair[0].at.0 <= pair[1].at.0), "time goes forward");
}

#[test]
fn before_the_first_attempt() {
    check(&job(State::Ready), "0 ready");
    check(&Job { run_at: Some(T0 + 50), due_at: Some(T0 + 50), ..job(State::Scheduled) }, "0 scheduled");
    check(&Job { run_at: Some(T0 + 50), ..job(State::Ready) }, "0 scheduled, 50 ready");
    check(&Job { run_at: Some(T0 - 50), ..job(State::Ready) }, "0 ready");
    check(&job(State::Waiting), "0 waiting");
    let running = Job { started_at: Some(T0 + 3), worker: Some("w1".into()), ..job(State::Running) };
    let running = Job { counters: Counters { runs: 1, ..Counters::default() }, ..running };
    check(&running, "0 ready, 3 running#1@w1");
}

#[test]
fn one_good_attempt() {
    let done = Job { history: vec![ran(1, 3, 9, EventKind::Completed)], started_at: Some(T0 + 3), ..job(State::Completed) };
    check(&ended(done.clone(), 9, None), "0 ready, 3 running#1@w1, 9 completed#1@w1");
    let later = Job { run_at: Some(T0 + 2), ..done };
    check(&ended(later, 9, None), "0 scheduled, 2 ready, 3 running#1@w1, 9 completed#1@w1");
}

#[test]
fn failures_crashes_and_releases() {
    let history = vec![
        failed(1, 1, 2, EventKind::Retried, "http.status"),
        failed(2, 5, 9, EventKind::Crashed, "attempt.crashed"),
        ran(3, 12, 13, EventKind::Released),
        ran(4, 14, 15, EventKind::Completed),
    ];
    check(
        &ended(Job { history, started_at: Some(T0 + 14), ..job(State::Completed) }, 15, None),
        "0 ready, 1 running#1@w1, 2 retrying(http.status)#1@w1, 5 running#2@w2, 9 retrying(crashed)#2@w2, \
         12 running#3@w3, 13 ready(released)#3@w3, 14 running#4@w4, 15 completed#4@w4",
    );
    let waits = Job { history: vec![failed(1, 1, 2, EventKind::Retried, "handler.failed")], ..job(State::Retrying) };
    check(&waits, "0 ready, 1 running#1@w1, 2 retrying(handler.failed)#1@w1");
    let due = Job { state: State::Ready, ..waits };
    check(&due, "0 ready, 1 running#1@w1, 2 retrying(handler.failed)#1@w1, 2 ready");
}

#[test]
fn bad_ends() {
    let died = Job { history: vec![failed(1, 1, 2, EventKind::Died, "http.status")], ..job(State::Dead) };
    check(&ended(died.clone(), 2, Some(Reason::Fatal)), "0 ready, 1 running#1@w1, 2 dead(fatal)#1@w1");
    let mut replayed = ended(died, 2, Some(Reason::Fatal));
    replayed.history.push(told(7, EventKind::Replayed));
    check(&replayed, "0 ready, 1 running#1@w1, 2 dead(fatal)#1@w1, 7 dead(replayed)");
    let crashed =
        Job { history: vec![failed(1, 1, 2, EventKind::Crashed, "attempt.crashed"), told(7, EventKind::Replayed)], ..job(State::Dead) };
    check(&ended(crashed, 2, Some(Reason::Crashed)), "0 ready, 1 running#1@w1, 2 dead(crashed)#1@w1, 7 dead(replayed)");
    let crashed = Job { history: vec![failed(1, 1, 2, EventKind::Crashed, "attempt.crashed")], ..job(State::Dead) };
    check(&ended(crashed, 2, Some(Reason::Crashed)), "0 ready, 1 running#1@w1, 2 dead(crashed)#1@w1");
    let both = vec![failed(1, 1, 2, EventKind::Crashed, "attempt.crashed"), ran(1, 1, 2, EventKind::Died)];
    let both = Job { history: both, ..job(State::Dead) };
    check(&ended(both, 2, Some(Reason::Crashed)), "0 ready, 1 running#1@w1, 2 retrying(crashed)#1@w1, 2 dead(crashed)#1@w1");
}

#[test]
fn ends_without_an_attempt() {
    let cancelled = Job { history: vec![told(4, EventKind::Cancelled)], ..job(State::Cancelled) };
    check(&ended(cancelled.clone(), 4, Some(Reason::Cancelled)), "0 ready, 4 cancelled(cancelled)");
    let early = Job { run_at: Some(T0 + 90), ..cancelled };
    check(&ended(early, 4, Some(Reason::Cancelled)), "0 scheduled, 4 cancelled(cancelled)");
    let expired = Job { history: vec![told(4, EventKind::Expired)], ..job(State::Cancelled) };
    check(&ended(expired, 4, Some(Reason::Expired)), "0 ready, 4 cancelled(expired)");
}

#[test]
fn waits_and_snoozes() {
    let history = vec![ran(1, 1, 2, EventKind::Waited), told(6, EventKind::Woken), ran(2, 7, 8, EventKind::Completed)];
    check(
        &ended(Job { history, ..job(State::Completed) }, 8, None),
        "0 ready, 1 running#1@w1, 2 waiting#1@w1, 6 ready(woken), 7 running#2@w2, 8 completed#2@w2",
    );
    let snoozed = Job { history: vec![ran(1, 1, 2, EventKind::Snoozed)], due_at: Some(T0 + 60), ..job(State::Scheduled) };
    check(&snoozed, "0 ready, 1 running#1@w1, 2 scheduled(snoozed)#1@w1");
    let held = Job { history: vec![told(5, EventKind::Woken)], ..job(State::Ready) };
    check(&held, "0 waiting, 5 ready(woken)");
}

#[test]
fn brought_forward() {
    let history = vec![told(5, EventKind::RetriedNow), ran(1, 6, 7, EventKind::Completed)];
    let scheduled = Job { run_at: Some(T0 + 900), history, started_at: Some(T0 + 6), ..job(State::Completed) };
    check(&ended(scheduled, 7, None), "0 scheduled, 5 ready(retried_now), 6 running#1@w1, 7 completed#1@w1");
}

#[test]
fn a_history_whose_middle_is_gone_still_ends_where_the_job_stands() {
    let job = Job { history: Vec::new(), started_at: Some(T0 + 5), ..job(State::Dead) };
    check(&ended(job, 9, Some(Reason::Exhausted)), "0 ready, 9 dead(exhausted)");
}

/// A job of the queue with this number.
fn other(home: u16) -> JobId {
    JobId::derived(T0, Home(home), b"another")
}

fn edited(at: Millis, by: &str, before: &str) -> Event {
    Event { worker: Some(by.to_owned()), before: Some(before.to_owned()), ..told(at, EventKind::Edited) }
}

#[test]
fn edits_are_told_where_the_job_stood() {
    let waits = Job { history: vec![edited(3, "ops", "priority 5")], ..job(State::Ready) };
    check(&waits, "0 ready, 3 ready(edited)@ops before: priority 5");
    let history = vec![
        edited(3, "ops", "due none"),
        failed(1, 51, 52, EventKind::Retried, "http.status"),
        edited(60, "operation:7", "due 2026-11-22T10:00:00.000Z"),
        ran(2, 90, 91, EventKind::Completed),
    ];
    let done = Job { run_at: Some(T0 + 50), history, started_at: Some(T0 + 90), ..job(State::Completed) };
    check(
        &ended(done, 91, None),
        "0 scheduled, 3 scheduled(edited)@ops before: due none, 50 ready, 51 running#1@w1, 52 retrying(http.status)#1@w1, \
         60 retrying(edited)@operation:7 before: due 2026-11-22T10:00:00.000Z, 90 running#2@w2, 91 completed#2@w2",
    );
}

#[test]
fn letters_tell_their_repeats_and_where_they_came_from() {
    let died = failed(1, 1, 2, EventKind::Died, "http.status");
    let history = vec![
        died.clone(),
        edited(5, "ops", "args 12 bytes"),
        told(7, EventKind::Replayed),
        told(8, EventKind::Undone),
        told(9, EventKind::Replayed),
    ];
    // The history of the first replay of three is gone.
    let replays = vec![other(3), other(4), other(5)];
    let letter = Job { history, replays, replayed: true, ..job(State::Dead) };
    check(
        &ended(letter, 2, Some(Reason::Fatal)),
        "0 ready, 1 running#1@w1, 2 dead(fatal)#1@w1, 5 dead(edited)@ops before: args 12 bytes, 7 dead(replayed) -> 4, 8 dead(undone), \
         9 dead(replayed) -> 5",
    );
    let taken_back = Job { history: vec![told(4, EventKind::Cancelled)], ..job(State::Cancelled) };
    check(&ended(taken_back, 4, Some(Reason::Undone)), "0 ready, 4 cancelled(undone)");
    let elsewhere = Event { at: T0 - 10, started_at: Some(T0 - 20), ..died };
    let imported = Job { history: vec![elsewhere, told(0, EventKind::Imported)], ..job(State::Dead) };
    check(&ended(imported, -10, Some(Reason::Exhausted)), "-20 running#1@w1, -10 dead(exhausted)#1@w1, 0 dead(imported)");
}

#[test]
fn a_moved_job_names_the_one_that_goes_on() {
    let moved = Job { history: vec![told(4, EventKind::Moved)], moved_to: Some(other(2)), ..job(State::Cancelled) };
    check(&ended(moved, 4, Some(Reason::Moved)), "0 ready, 4 cancelled(moved) -> 2");
}
