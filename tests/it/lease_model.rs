//! The lease protocol, walked exhaustively: three workers, two jobs, a network that loses, delays and repeats. What the brokers' scripts
//! do is small enough to be written here as one function; every order of events up to the bounds is tried, and broken variants of the
//! same function show that the properties can fail.

use longshore_queue::State;
use stateright::{Checker, HasDiscoveries, Model, Property};
use std::collections::BTreeSet;

const JOBS: usize = 2;
const WORKERS: usize = 3;
const CRASHES_MAX: u8 = 2;
/// Leases in all; a fourth makes five times the states and shows no other order of events.
const LEASES_MAX: u8 = 3;

/// The protocol, whole or with one rule broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rules {
    Whole,
    /// An ack is taken for whatever lease is current.
    NoFence,
    /// A settled token is not remembered: its repeat is taken once more.
    ForgetsSettled,
    /// The reaper leaves the token in place.
    ReapKeepsToken,
    /// A new lease repeats the last token.
    TokenStands,
    /// The Wait ack does not look into the mailbox.
    WaitIsBlind,
    /// The reaper forgets to put the job anywhere.
    ReapDrops,
    /// Cancel takes a running job at once.
    CancelSeizes,
    /// A signal wakes whoever it meets, ended jobs too.
    SignalRevives,
}

struct Protocol {
    rules: Rules,
    /// Leases in all; the bound of the walk.
    tokens_max: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum End {
    Complete,
    Retry,
    Wait,
    Release,
}

/// A write under a token, on its way. Nothing takes it off the way: it may come again at any time, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Write {
    job: usize,
    token: u8,
    end: End,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Job {
    state: State,
    token: Option<u8>,
    /// The last settled token, with the state it led to; no state: it was lost.
    past: Option<(u8, Option<State>)>,
    crashes: u8,
    cancel: bool,
    signal: bool,
    /// Where a broker would find it: its lane, the running index, the due index, the waits. None: nowhere.
    indexed: Option<State>,
    /// For the properties: completions that were accepted, and leases in the order of their grant.
    completions: u8,
    granted: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Now {
    jobs: Vec<Job>,
    /// What each worker believes to hold.
    held: Vec<BTreeSet<(usize, u8)>>,
    sent: BTreeSet<Write>,
    last_token: u8,
    cancels: u8,
    /// For the properties: what went wrong on the last step.
    wrong: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// `heard`: the reply reached the worker.
    Lease {
        worker: usize,
        job: usize,
        heard: bool,
    },
    Send {
        worker: usize,
        write: Write,
    },
    Arrive(Write),
    /// The lease is over and somebody reaps.
    Reap(usize),
    Promote(usize),
    Cancel(usize),
    Signal(usize),
}

impl Job {
    fn goes(&mut self, state: State) {
        self.state = state;
        self.indexed = Some(state);
    }

    fn settles(&mut self, state: State) {
        self.past = self.token.take().map(|token| (token, Some(state)));
        self.cancel = false;
        self.goes(state);
    }
}

impl Protocol {
    fn arrive(&self, job: &mut Job, write: Write) {
        let current = job.token == Some(write.token) || (self.rules == Rules::NoFence && job.token.is_some());
        if !current {
            let repeated = job.past == Some((write.token, Some(State::Completed)));
            if self.rules == Rules::ForgetsSettled && repeated && write.end == End::Complete {
                job.completions += 1;
            }
            return;
        }
        match write.end {
            End::Complete => {
                job.completions += 1;
                job.settles(State::Completed);
            }
            _ if job.cancel => job.settles(State::Cancelled),
            End::Retry => job.settles(State::Retrying),
            End::Wait if job.signal && self.rules != Rules::WaitIsBlind => job.settles(State::Ready),
            End::Wait => job.settles(State::Waiting),
            End::Release => job.settles(State::Ready),
        }
    }

    fn reap(&self, job: &mut Job) {
        job.crashes += 1;
        let kept = job.token;
        job.past = job.token.take().map(|token| (token, None));
        let next = if job.cancel {
            State::Cancelled
        } else if job.crashes >= CRASHES_MAX {
            State::Dead
        } else {
            State::Retrying
        };
        job.cancel = false;
        job.goes(next);
        match self.rules {
            Rules::ReapKeepsToken => job.token = kept,
            Rules::ReapDrops => job.indexed = None,
            _ => {}
        }
    }

    fn apply(&self, now: &mut Now, step: Step) {
        match step {
            Step::Lease { worker, job, heard } => {
                now.last_token += u8::from(self.rules != Rules::TokenStands || now.last_token == 0);
                let token = now.last_token;
                now.jobs[job].token = Some(token);
                now.jobs[job].granted.push(token);
                now.jobs[job].goes(State::Running);
                if heard {
                    now.held[worker].insert((job, token));
                }
            }
            Step::Send { worker, write } => {
                // The worker of the first job may change its mind once, as long as it does not know what became of its first word.
                let second = now.sent.iter().any(|sent| (sent.job, sent.token) == (write.job, write.token));
                if write.job == 1 || second {
                    now.held[worker].clear();
                }
                now.sent.insert(write);
            }
            Step::Arrive(write) => self.arrive(&mut now.jobs[write.job], write),
            Step::Reap(job) => self.reap(&mut now.jobs[job]),
            Step::Promote(job) => now.jobs[job].goes(State::Ready),
            Step::Cancel(job) => {
                now.cancels += 1;
                let job = &mut now.jobs[job];
                match job.state {
                    State::Running if self.rules != Rules::CancelSeizes => job.cancel = true,
                    _ => job.settles(State::Cancelled),
                }
            }
            Step::Signal(job) => {
                let job = &mut now.jobs[job];
                job.signal = true;
                if job.state == State::Waiting || (self.rules == Rules::SignalRevives && job.state.is_ended()) {
                    job.goes(State::Ready);
                }
            }
        }
    }
}

const MOVE: &str = "states only move along the table";
const TOKEN: &str = "every exit from Running clears the token";
const LATE: &str = "a late write changes nothing";
const SEIZED: &str = "a cancel request leaves the attempt its job";

/// What a step must not do, whichever it is.
fn judge(before: &Now, after: &Now, step: Step) -> Option<&'static str> {
    for (was, is) in before.jobs.iter().zip(&after.jobs) {
        if was.state != is.state && !was.state.may_become(is.state) {
            return Some(MOVE);
        }
        if was.state == State::Running && is.state != State::Running && is.token.is_some() {
            return Some(TOKEN);
        }
    }
    if let Step::Arrive(write) = step {
        let (was, is) = (&before.jobs[write.job], &after.jobs[write.job]);
        if was.token != Some(write.token) && was != is {
            return Some(LATE);
        }
    }
    if let Step::Cancel(job) = step
        && before.jobs[job].state == State::Running
        && after.jobs[job].state != State::Running
    {
        return Some(SEIZED);
    }
    None
}

impl Model for Protocol {
    type State = Now;
    type Action = Step;

    fn init_states(&self) -> Vec<Now> {
        let ready = State::Ready;
        let job = Job {
            state: ready,
            token: None,
            past: None,
            crashes: 0,
            cancel: false,
            signal: false,
            indexed: Some(ready),
            completions: 0,
            granted: vec![],
        };
        let held = vec![BTreeSet::new(); WORKERS];
        vec![Now { jobs: vec![job; JOBS], held, sent: BTreeSet::new(), last_token: 0, cancels: 0, wrong: None }]
    }

    fn actions(&self, now: &Now, steps: &mut Vec<Step>) {
        let leases: usize = now.jobs.iter().map(|job| job.granted.len()).sum();
        for (job, record) in now.jobs.iter().enumerate() {
            match record.state {
                State::Ready if leases < usize::from(self.tokens_max) => {
                    for worker in (0..WORKERS).filter(|worker| now.held[*worker].is_empty()) {
                        steps.push(Step::Lease { worker, job, heard: true });
                    }
                    // Which worker did not hear makes no difference.
                    steps.push(Step::Lease { worker: 0, job, heard: false });
                }
                State::Running => steps.push(Step::Reap(job)),
                State::Retrying => steps.push(Step::Promote(job)),
                _ => {}
            }
            if !record.state.is_ended() && !record.cancel && now.cancels == 0 {
                steps.push(Step::Cancel(job));
            }
            // Only one of the jobs ever waits for something; the other keeps the walk small.
            if job == 0 && !record.signal {
                steps.push(Step::Signal(job));
            }
        }
        for (worker, held) in now.held.iter().enumerate() {
            for (job, token) in held {
                let ends: &[End] = if *job == 0 { &[End::Complete, End::Wait] } else { &[End::Complete, End::Retry, End::Release] };
                let send = |end| Step::Send { worker, write: Write { job: *job, token: *token, end } };
                steps.extend(ends.iter().map(|end| send(*end)));
            }
        }
        steps.extend(now.sent.iter().map(|write| Step::Arrive(*write)));
    }

    fn next_state(&self, before: &Now, step: Step) -> Option<Now> {
        let mut after = before.clone();
        self.apply(&mut after, step);
        after.wrong = judge(before, &after, step);
        // Workers are alike: their order says nothing.
        after.held.sort();
        (after != *before).then_some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("at most one accepted completion", |_, now: &Now| now.jobs.iter().all(|job| job.completions <= 1)),
            Property::always("tokens strictly grow", |_, now: &Now| {
                let mut all: Vec<_> = now.jobs.iter().flat_map(|job| job.granted.iter().copied()).collect();
                let each = now.jobs.iter().all(|job| job.granted.windows(2).all(|pair| pair[0] < pair[1]));
                all.sort_unstable();
                each && all.windows(2).all(|pair| pair[0] < pair[1])
            }),
            Property::always("no lost job", |_, now: &Now| {
                now.jobs.iter().all(|job| job.indexed == Some(job.state) && (job.state == State::Running) == job.token.is_some())
            }),
            Property::always(MOVE, |_, now: &Now| now.wrong != Some(MOVE)),
            Property::always(TOKEN, |_, now: &Now| now.wrong != Some(TOKEN)),
            Property::always(LATE, |_, now: &Now| now.wrong != Some(LATE)),
            Property::always(SEIZED, |_, now: &Now| now.wrong != Some(SEIZED)),
            Property::always("a wait never loses its wake-up", |_, now: &Now| {
                now.jobs.iter().all(|job| job.state != State::Waiting || !job.signal)
            }),
            Property::sometimes("both complete", |_, now: &Now| now.jobs.iter().all(|job| job.state == State::Completed)),
            Property::sometimes("a crash is survived", |_, now: &Now| {
                now.jobs.iter().any(|job| job.crashes == 1 && job.state == State::Completed)
            }),
            Property::sometimes("a waiting job wakes and completes", |_, now: &Now| {
                now.jobs[0].state == State::Completed && now.jobs[0].granted.len() == 2 && now.jobs[0].crashes == 0
            }),
            Property::sometimes("a cancel request ends a running attempt", |_, now: &Now| {
                now.jobs.iter().any(|job| job.state == State::Cancelled && !job.granted.is_empty())
            }),
        ]
    }
}

fn walk(rules: Rules, tokens_max: u8) -> impl Checker<Protocol> {
    let checker = Protocol { rules, tokens_max }.checker().threads(2);
    let checker = if rules == Rules::Whole { checker } else { checker.finish_when(HasDiscoveries::AnyFailures) };
    checker.spawn_bfs().join()
}

#[test]
fn lease_protocol_keeps_its_promises() {
    let checker = walk(Rules::Whole, LEASES_MAX);
    assert!(checker.unique_state_count() > 100_000, "only {} states", checker.unique_state_count());
    checker.assert_properties();
    println!("{} states, all of them walked", checker.unique_state_count());
}

#[test]
fn lease_protocol_broken_on_purpose_is_caught() {
    for (rules, property) in [
        (Rules::NoFence, LATE),
        (Rules::ForgetsSettled, "at most one accepted completion"),
        (Rules::ReapKeepsToken, TOKEN),
        (Rules::TokenStands, "tokens strictly grow"),
        (Rules::WaitIsBlind, "a wait never loses its wake-up"),
        (Rules::ReapDrops, "no lost job"),
        (Rules::CancelSeizes, SEIZED),
        (Rules::SignalRevives, MOVE),
    ] {
        let checker = walk(rules, LEASES_MAX);
        let failed: Vec<_> =
            checker.discoveries().into_keys().filter(|name| !name.starts_with("a crash") && !name.starts_with("both")).collect();
        assert!(checker.discovery(property).is_some(), "{rules:?} was not caught by `{property}`; discovered: {failed:?}");
    }
}
