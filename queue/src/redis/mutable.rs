//! What has become of a job, as the scripts store it (`include/mutable.lua`), and the whole job put together from its parts.

use super::{
    bytes::{self, Reader, Writer},
    keys,
    record::{self, Record},
};
use crate::{BrokerError, Counters, Event, EventKind, Home, Job, JobId, Letter, Reason, State, Token, Woken};
use longshore_base::{Millis, Name};

const REASONS: [Reason; 14] = [
    Reason::Cancelled,
    Reason::Expired,
    Reason::Exhausted,
    Reason::Fatal,
    Reason::Crashed,
    Reason::OutcomeUnknown,
    Reason::GivenUp,
    Reason::RunsExhausted,
    Reason::AgeExhausted,
    Reason::ChildFailed,
    Reason::WaitTimedOut,
    Reason::OutputTooLarge,
    Reason::Moved,
    Reason::Undone,
];
const EVENTS: [EventKind; 17] = [
    EventKind::Completed,
    EventKind::Retried,
    EventKind::Died,
    EventKind::Snoozed,
    EventKind::Gated,
    EventKind::Released,
    EventKind::Crashed,
    EventKind::Waited,
    EventKind::Woken,
    EventKind::Cancelled,
    EventKind::Expired,
    EventKind::RetriedNow,
    EventKind::Replayed,
    EventKind::Undone,
    EventKind::Edited,
    EventKind::Moved,
    EventKind::Imported,
];
/// Among the flags: the letter was repeated.
const REPEATED: u8 = 1;
/// What an edit keeps of what was there before is cut to this many bytes.
const BEFORE_MAX: usize = 4096;
/// Names of workers and of who edits, in an event, in bytes.
const BY_MAX: usize = 255;

/// The number of a reason in the scripts.
pub(super) fn reason_number(reason: Reason) -> usize {
    REASONS.iter().position(|r| *r == reason).map_or(0, |at| at + 1)
}

/// The state of a number that a script answered.
pub(super) fn state(number: i64) -> Result<State, BrokerError> {
    let at = usize::try_from(number - 1).ok();
    at.and_then(|at| State::ALL.get(at).copied()).ok_or_else(|| BrokerError::Corrupt(format!("state {number}")))
}

/// The number of a state in the scripts.
pub(super) fn state_number(state: State) -> usize {
    State::ALL.iter().position(|s| *s == state).map_or(0, |at| at + 1)
}

/// Head and events.
#[derive(Debug, Default)]
pub(super) struct Mutable {
    state: u8,
    pub(super) woken: Option<Woken>,
    reason: Option<Reason>,
    replayed: bool,
    counters: Counters,
    ended_at: Option<Millis>,
    started_at: Option<Millis>,
    history: Vec<Event>,
}

fn set(at: Millis) -> Option<Millis> {
    (at > 0).then_some(at)
}

impl Mutable {
    pub(super) fn read(stored: &[u8]) -> Result<Self, BrokerError> {
        Self::parse(stored).ok_or_else(|| BrokerError::Corrupt("the changing part of a job".to_owned()))
    }

    fn parse(stored: &[u8]) -> Option<Self> {
        let mut r = Reader::new(stored);
        let (state, woken, reason, crashes_in_row) = (r.u8()?, r.u8()?, r.u8()?, r.u8()?);
        let counters = Counters { attempts: r.u16()?, crashes: r.u16()?, interruptions: r.u16()?, runs: r.u32()?, crashes_in_row };
        let replayed = r.u8()? & REPEATED != 0;
        let ended_at = set(r.millis()?);
        r.take(1 + 8)?;
        let started_at = set(r.millis()?);
        let woken = match woken {
            1 => Some(Woken::Met),
            2 => Some(Woken::TimedOut),
            3 => Some(Woken::ChildFailed),
            _ => None,
        };
        let reason = usize::from(reason).checked_sub(1).and_then(|at| REASONS.get(at).copied());
        let mut history = Vec::new();
        while let Some(n) = r.u16() {
            if n == 0 {
                // The head tells the only event: a first attempt that ended well, by the worker whose name follows.
                let (at, worker) = (ended_at?, Some(r.rest_text()?));
                history.push(Event { at, what: EventKind::Completed, run: counters.runs, worker, started_at, error: None, before: None });
                break;
            }
            history.push(Self::event(Reader::new(r.take(n.into())?))?);
        }
        Some(Self { state, woken, reason, replayed, counters, ended_at, started_at, history })
    }

    fn event(mut r: Reader<'_>) -> Option<Event> {
        let what = *EVENTS.get(usize::from(r.u8()?).checked_sub(1)?)?;
        let (at, run, started) = (r.millis()?, r.u32()?, r.millis()?);
        let n = r.u8()?;
        let worker = Some(r.text(n.into())?).filter(|w| !w.is_empty());
        let started_at = set(started).filter(|_| worker.is_some());
        let (error, before) = match what {
            _ if r.rest().is_empty() => (None, None),
            EventKind::Edited => (None, Some(r.rest_text()?)),
            _ => (Some(bytes::decode_error(r.rest())?), None),
        };
        Some(Event { at, what, run, worker, started_at, error, before })
    }
}

/// Who edits, and what was there before, as an event keeps them.
pub(super) fn edited<'a>(by: Option<&'a str>, before: &'a str) -> (&'a str, &'a str) {
    (bytes::cut(by.unwrap_or_default(), BY_MAX), bytes::cut(before, BEFORE_MAX))
}

/// A letter from elsewhere, as the scripts keep what has become of a job.
pub(super) fn letter(letter: &Letter) -> Vec<u8> {
    let counters = &letter.counters;
    let number = |at: usize| u8::try_from(at).unwrap_or_default();
    let mut out = Writer::with_capacity(40 + 128 * letter.history.len());
    out.u8(number(state_number(State::Dead))).u8(0).u8(number(reason_number(letter.reason))).u8(counters.crashes_in_row);
    out.u16(counters.attempts).u16(counters.crashes).u16(counters.interruptions).u32(counters.runs);
    // No flags; nobody may claim a token.
    out.u8(0).u64(stamp(Some(letter.ended_at)).max(1)).u8(0).u64(0).u64(stamp(letter.started_at));
    for event in &letter.history {
        let body = event_bytes(event);
        out.u16(u16::try_from(body.len()).unwrap_or(u16::MAX)).raw(&body);
    }
    out.done()
}

/// Within what a script's numbers tell exactly.
fn stamp(at: Option<Millis>) -> u64 {
    at.map_or(0, |at| at.max(0).unsigned_abs().min(1 << 52))
}

fn event_bytes(event: &Event) -> Vec<u8> {
    let what = EVENTS.iter().position(|what| *what == event.what).map_or(0, |at| at + 1);
    let (by, before) = edited(event.worker.as_deref(), event.before.as_deref().unwrap_or_default());
    let mut out = Writer::with_capacity(64 + before.len());
    out.u8(u8::try_from(what).unwrap_or_default()).u64(stamp(Some(event.at))).u32(event.run).u64(stamp(event.started_at));
    out.u8(u8::try_from(by.len()).unwrap_or_default()).raw(by);
    match &event.error {
        _ if event.what == EventKind::Edited => _ = out.raw(before),
        Some(error) => _ = out.raw(bytes::encode_error(error)),
        None => {}
    }
    out.done()
}

/// A lease as stored: whose it is, since when.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) token: Token,
    pub(super) started_at: Millis,
    pub(super) cancel: bool,
    pub(super) worker: Option<String>,
}

impl Held {
    pub(super) fn read(stored: &[u8]) -> Option<Self> {
        let mut r = Reader::new(stored);
        let (token, started_at) = (Token(r.u64()?), r.millis()?);
        r.u8()?;
        let flags = r.u8()?;
        let cancel = flags & 1 == 1;
        // Its call and what it was charged with; then what was reserved of a budget.
        r.take(8 + 8 + if flags & 8 == 0 { 0 } else { 25 })?;
        let n = r.u8()?;
        Some(Self { token, started_at, cancel, worker: Some(r.text(n.into())?) })
    }

    /// From a lease's reply: token and start alone.
    pub(super) fn granted(stored: &[u8], worker: &str) -> Option<Self> {
        let mut r = Reader::new(stored);
        Some(Self { token: Token(r.u64()?), started_at: r.millis()?, cancel: false, worker: Some(worker.to_owned()) })
    }
}

/// The stored parts of one job.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    pub(super) record: &'a [u8],
    pub(super) mutable: Option<&'a [u8]>,
    pub(super) held: Option<Held>,
    pub(super) due_at: Option<Millis>,
    pub(super) output: Option<&'a [u8]>,
    pub(super) progress: Option<&'a [u8]>,
    pub(super) replays: Option<&'a [u8]>,
    pub(super) moved_to: Option<&'a [u8]>,
}

/// The job, and why it was woken if it was.
pub(super) fn job(short: &[u8], home: Home, queue: &Name, parts: Parts<'_>) -> Result<(Job, Option<Woken>), BrokerError> {
    let record: Record = record::decode(parts.record)?;
    let id = keys::long(short, home).ok_or_else(|| BrokerError::Corrupt("a job id".to_owned()))?;
    let known = parts.mutable.is_some();
    let m = parts.mutable.map_or_else(|| Ok(Mutable::default()), Mutable::read)?;
    let state = match (&parts.held, m.state, parts.due_at) {
        (Some(_), ..) => State::Running,
        (None, number, _) if known && number >= 5 => state(number.into())?,
        (None, 4, Some(_)) => State::Retrying,
        (None, _, Some(_)) => State::Scheduled,
        (None, _, None) => State::Ready,
    };
    let mut counters = m.counters;
    counters.runs += u32::from(parts.held.is_some());
    let replays = parts.replays.unwrap_or_default().chunks_exact(16).filter_map(|c| c.try_into().ok()).map(JobId::from_bytes).collect();
    let job = Job {
        id,
        queue: queue.clone(),
        kind: record.kind,
        kind_version: record.kind_version,
        tenant: record.tenant,
        client: record.client,
        cost: record.cost,
        resources: record.resources,
        lane_key: record.lane_key,
        priority: record.priority,
        state,
        args: record.args,
        policy: record.policy,
        counters,
        created_at: record.created_at,
        due_at: parts.due_at.filter(|_| matches!(state, State::Scheduled | State::Retrying | State::Waiting)),
        run_at: record.run_at,
        started_at: parts.held.as_ref().map_or(m.started_at, |h| Some(h.started_at)),
        ended_at: m.ended_at.filter(|_| state.is_ended()),
        expires_at: record.expires_at,
        revision: record.revision,
        unique: record.unique,
        tags: record.tags,
        parent: record.parent,
        replay_of: record.replay_of,
        moved_from: record.moved_from,
        moved_to: parts.moved_to.and_then(|id| id.try_into().ok()).map(JobId::from_bytes),
        replayed: m.replayed,
        tick: record.tick,
        trace: record.trace,
        replays,
        output: parts.output.and_then(bytes::json),
        reason: m.reason.filter(|_| state.is_ended()),
        history: m.history,
        progress: parts.progress.and_then(bytes::json),
        cancel_requested: parts.held.as_ref().is_some_and(|h| h.cancel),
        worker: parts.held.and_then(|h| h.worker),
    };
    Ok((job, m.woken))
}
