//! The record of a job as stored: one immutable blob of our own making. Scripts read its head, so `include/record.lua` and
//! this file change together.
//!
//! `sequence 7 · revision 3` (written by the script) `· version 1 · flags 1 · priority 1 · crashes_max 1 · lengths of tenant 1,
//! kind 1, key 2 · attempts_max 2 · tenant · kind · key`; a cost that is not 1 stands before the tenant (4), resources, joined by commas and
//! ended by `/`, before the key, and two bits of the priority's byte say so. Then what the flags say (due time, expiry, limits, keep, unique, parent, wait), then the length 2
//! of a list of `tag 1 · length 1 · value` that holds whatever is not the default, then the args.

use super::bytes::{Reader, Writer};
use crate::{
    Backoff, BrokerError, JobId, Json, Keep, NewJob, Parent, Policy, Priority, Tick, Unique, UniqueMode, Wait, WaitOn, WaitPolicy,
};
use longshore_base::{Millis, Name, Trace};
use std::time::Duration;

const VERSION: u8 = 1;
/// The part that the script writes.
pub(super) const PREFIX: usize = 10;
const NOREPEAT: u8 = 1;
const UNIQUE: u8 = 2;
const PARENT: u8 = 4;
const EXPIRES: u8 = 8;
const WAIT: u8 = 16;
const KEEP: u8 = 32;
const LIMITS: u8 = 64;
/// Of the list of what is not the default.
const TRACE: u8 = 11;
/// In the priority's byte.
const COST: u8 = 16;
const USES: u8 = 32;
/// Set by the script, which knows the time.
const RUN_AT: u8 = 128;
/// Records outlive any legal repeat of their enqueue.
const KEEP_LEAST_MS: u64 = 600_000;
const DAY_MS: u64 = 86_400_000;
/// As in `include/record.lua`.
const EPOCH: Millis = 1_577_836_800_000;
const STEP: u64 = 256;

/// A record, read.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) created_at: Millis,
    pub(super) revision: u32,
    pub(super) tenant: Name,
    pub(super) kind: Name,
    pub(super) kind_version: u32,
    pub(super) client: Option<Name>,
    pub(super) lane_key: String,
    pub(super) cost: u32,
    pub(super) resources: Vec<Name>,
    pub(super) priority: Priority,
    pub(super) policy: Policy,
    pub(super) run_at: Option<Millis>,
    pub(super) expires_at: Option<Millis>,
    pub(super) unique: Option<Unique>,
    pub(super) tags: Vec<Name>,
    pub(super) parent: Option<Parent>,
    pub(super) wait: Option<Wait>,
    pub(super) replay_of: Option<JobId>,
    pub(super) moved_from: Option<JobId>,
    pub(super) tick: Option<Tick>,
    pub(super) trace: Option<Trace>,
    pub(super) args: Json,
}

/// `job` without the part that the script writes.
///
/// # Errors
/// When a list does not fit its length field.
pub(super) fn encode(job: &NewJob) -> Result<Vec<u8>, BrokerError> {
    let policy = &job.policy;
    let standard = Policy::default();
    let limits = policy.runs_max != standard.runs_max || policy.age_max_ms.is_some();
    let flag = |on: bool, bit: u8| if on { bit } else { 0 };
    let flags = flag(!policy.repeatable, NOREPEAT)
        | flag(job.unique.is_some(), UNIQUE)
        | flag(job.parent.is_some(), PARENT)
        | flag(job.expires_at.is_some(), EXPIRES)
        | flag(job.wait.is_some(), WAIT)
        | flag(policy.keep.is_some(), KEEP)
        | flag(limits, LIMITS);
    let args = job.args.get().as_bytes();
    let mut out = Writer::with_capacity(64 + job.tenant.as_str().len() + job.kind.as_str().len() + job.lane_key.len() + args.len());
    let key = place(job);
    let elsewhere = flag(job.cost != 1, COST) | flag(!job.resources.is_empty(), USES);
    out.u8(VERSION).u8(flags).u8(job.priority.get() | elsewhere).u8(policy.crashes_max);
    out.u8(len(job.tenant.as_str().len())?).u8(len(job.kind.as_str().len())?).u16(len(key.len())?).u16(policy.attempts_max);
    if job.cost != 1 {
        out.u32(job.cost);
    }
    out.raw(job.tenant.as_str()).raw(job.kind.as_str()).raw(&key);
    if let Some(at) = job.expires_at {
        out.u64(at.max(0).unsigned_abs());
    }
    if limits {
        out.u32(policy.runs_max).u64(policy.age_max_ms.map_or(0, |ms| ms.max(1)));
    }
    if let Some(keep) = policy.keep {
        out.u64(match keep {
            Keep::None => KEEP_LEAST_MS,
            Keep::Ms(ms) => ms,
        });
    }
    if let Some(unique) = &job.unique {
        let (mode, ms) = match unique.mode {
            UniqueMode::Keep => (1, 0),
            UniqueMode::KeepUntilStarted => (2, 0),
            UniqueMode::Replace { wait_max } => (3, wait_max.map_or(DAY_MS, millis)),
            UniqueMode::Throttle { window } => (4, millis(window).max(1)),
        };
        out.u8(mode).u64(ms).u16(len(unique.key.len())?).raw(&unique.key);
    }
    if let Some(parent) = &job.parent {
        out.raw(parent.id.as_bytes()).u16(len(parent.key.len())?).raw(&parent.key);
    }
    if let Some(wait) = &job.wait {
        let wait = encode_wait(wait);
        out.u16(len(wait.len())?).raw(&wait);
    }
    let rest = encode_rest(job, &standard)?;
    out.u16(len(rest.len())?).raw(&rest).raw(args);
    Ok(out.done())
}

/// The end of the lane's name: its key, after the resources if there are any.
fn place(job: &NewJob) -> String {
    if job.resources.is_empty() { job.lane_key.clone() } else { format!("{}/{}", uses(&job.resources), job.lane_key) }
}

fn uses(resources: &[Name]) -> String {
    resources.iter().map(Name::as_str).collect::<Vec<_>>().join(",")
}

/// The name of a job's lane: `tenant/kind/resources/key`.
pub(super) fn lane(job: &NewJob) -> String {
    format!("{}/{}/{}/{}", job.tenant, job.kind, uses(&job.resources), job.lane_key)
}

fn encode_rest(job: &NewJob, standard: &Policy) -> Result<Vec<u8>, BrokerError> {
    let mut out = Writer::with_capacity(0);
    let policy = &job.policy;
    if job.kind_version != 1 {
        out.u8(1).u8(4).u32(job.kind_version);
    }
    if let Some(client) = &job.client {
        out.u8(2).u8(len(client.as_str().len())?).raw(client.as_str());
    }
    if policy.timeout_ms != standard.timeout_ms {
        out.u8(4).u8(8).u64(policy.timeout_ms);
    }
    if policy.backoff != standard.backoff {
        out.u8(5).u8(16).u64(policy.backoff.base_ms).u64(policy.backoff.max_ms);
    }
    for tag in &job.tags {
        out.u8(6).u8(len(tag.as_str().len())?).raw(tag.as_str());
    }
    if let Some(id) = job.replay_of {
        out.u8(7).u8(16).raw(id.as_bytes());
    }
    if policy.keep == Some(Keep::None) {
        out.u8(8).u8(0);
    }
    if let Some(tick) = &job.tick {
        out.u8(9).u8(len(8 + tick.schedule.as_str().len())?).u64(tick.at.max(0).unsigned_abs()).raw(tick.schedule.as_str());
    }
    if let Some(id) = job.moved_from {
        out.u8(10).u8(16).raw(id.as_bytes());
    }
    if let Some(trace) = &job.trace {
        // With a long state it does not fit one entry; the parts follow each other.
        for part in trace.to_bytes().chunks(usize::from(u8::MAX)) {
            out.u8(TRACE).u8(len(part.len())?).raw(part);
        }
    }
    Ok(out.done())
}

/// A stored record, whole.
///
/// # Errors
/// [`BrokerError::Corrupt`] when it is none.
pub(super) fn decode(stored: &[u8]) -> Result<Record, BrokerError> {
    read(stored).ok_or_else(|| BrokerError::Corrupt("a job record".to_owned()))
}

fn read(stored: &[u8]) -> Option<Record> {
    let mut r = Reader::new(stored);
    let sequence = r.uint(7)?;
    let revision = u32::try_from(r.uint(3)?).ok()?;
    if r.u8()? != VERSION {
        return None;
    }
    let (flags, priority, crashes_max) = (r.u8()?, r.u8()?, r.u8()?);
    let (tenant, kind, key, attempts_max) = (r.u8()?, r.u8()?, r.u16()?, r.u16()?);
    let has = |bit: u8| flags & bit != 0;
    let cost = if priority & COST == 0 { 1 } else { r.u32()? };
    let mut policy = Policy { attempts_max, crashes_max, repeatable: !has(NOREPEAT), ..Policy::default() };
    let mut record = Record {
        created_at: Millis::try_from(sequence / STEP).ok()? + EPOCH,
        revision,
        tenant: r.name(tenant.into())?,
        kind: r.name(kind.into())?,
        kind_version: 1,
        client: None,
        lane_key: r.text(key.into())?,
        cost,
        resources: Vec::new(),
        priority: Priority::new(priority & 15)?,
        policy: Policy::default(),
        run_at: None,
        expires_at: None,
        unique: None,
        tags: Vec::new(),
        parent: None,
        wait: None,
        replay_of: None,
        moved_from: None,
        tick: None,
        trace: None,
        args: Json::default(),
    };
    if priority & USES != 0 {
        read_uses(&mut record)?;
    }
    if has(RUN_AT) {
        record.run_at = Some(r.millis()?);
    }
    if has(EXPIRES) {
        record.expires_at = Some(r.millis()?);
    }
    if has(LIMITS) {
        policy.runs_max = r.u32()?;
        policy.age_max_ms = Some(r.u64()?).filter(|ms| *ms > 0);
    }
    if has(KEEP) {
        policy.keep = Some(Keep::Ms(r.u64()?));
    }
    if has(UNIQUE) {
        let (mode, ms, n) = (r.u8()?, r.u64()?, r.u16()?);
        record.unique = Some(Unique { mode: unique_mode(mode, ms)?, key: r.text(n.into())? });
    }
    if has(PARENT) {
        let (id, n) = (r.id()?, r.u16()?);
        record.parent = Some(Parent { id, key: r.text(n.into())? });
    }
    if has(WAIT) {
        let n = r.u16()?;
        record.wait = Some(decode_wait(r.take(n.into())?)?);
    }
    let n = r.u16()?;
    read_rest(&mut record, &mut policy, Reader::new(r.take(n.into())?))?;
    record.policy = policy;
    record.args = r.json()?;
    Some(record)
}

/// The resources stand before the lane's key.
fn read_uses(record: &mut Record) -> Option<()> {
    let (uses, key) = record.lane_key.split_once('/')?;
    record.resources = uses.split(',').map(|name| Name::new(name).ok()).collect::<Option<_>>()?;
    record.lane_key = key.to_owned();
    Some(())
}

fn unique_mode(number: u8, ms: u64) -> Option<UniqueMode> {
    match number {
        1 => Some(UniqueMode::Keep),
        2 => Some(UniqueMode::KeepUntilStarted),
        3 => Some(UniqueMode::Replace { wait_max: Some(Duration::from_millis(ms)) }),
        4 => Some(UniqueMode::Throttle { window: Duration::from_millis(ms) }),
        _ => None,
    }
}

fn read_rest(record: &mut Record, policy: &mut Policy, mut r: Reader<'_>) -> Option<()> {
    let mut trace = Vec::new();
    while let Some(tag) = r.u8() {
        let n = usize::from(r.u8()?);
        let mut value = Reader::new(r.take(n)?);
        match tag {
            1 => record.kind_version = value.u32()?,
            2 => record.client = Some(value.name(n)?),
            4 => policy.timeout_ms = value.u64()?,
            5 => policy.backoff = Backoff { base_ms: value.u64()?, max_ms: value.u64()? },
            6 => record.tags.push(value.name(n)?),
            7 => record.replay_of = Some(value.id()?),
            10 => record.moved_from = Some(value.id()?),
            9 => record.tick = Some(Tick { at: value.millis()?, schedule: Name::new(value.rest_text()?).ok()? }),
            8 => policy.keep = Some(Keep::None),
            TRACE => trace.extend_from_slice(value.rest()),
            // A newer version may know more; what it added is not ours to judge.
            _ => {}
        }
    }
    record.trace = Trace::from_bytes(&trace);
    Some(())
}

/// As `include/wait.lua` reads it.
pub(super) fn encode_wait(wait: &Wait) -> Vec<u8> {
    let policy = |p: WaitPolicy| match p {
        WaitPolicy::Wake => 1,
        WaitPolicy::Die => 2,
        WaitPolicy::Ignore => 3,
    };
    let (on, name): (u8, &[u8]) = match &wait.on {
        WaitOn::AllChildren => (1, b""),
        WaitOn::AnyChild => (2, b""),
        WaitOn::Signal(name) => (3, name.as_bytes()),
        WaitOn::Job(id) => (4, id.as_bytes()),
    };
    let mut out = Writer::with_capacity(11 + name.len());
    out.u8(on).u64(wait.timeout.map_or(0, |t| millis(t).max(1)));
    out.u8(policy(wait.on_timeout)).u8(policy(wait.on_child_failed)).raw(name);
    out.done()
}

/// Back from [`encode_wait`].
pub(super) fn decode_wait(stored: &[u8]) -> Option<Wait> {
    let mut r = Reader::new(stored);
    let policy = |p: u8| match p {
        1 => Some(WaitPolicy::Wake),
        2 => Some(WaitPolicy::Die),
        3 => Some(WaitPolicy::Ignore),
        _ => None,
    };
    let (on, timeout) = (r.u8()?, r.u64()?);
    let (on_timeout, on_child_failed) = (policy(r.u8()?)?, policy(r.u8()?)?);
    let on = match on {
        1 => WaitOn::AllChildren,
        2 => WaitOn::AnyChild,
        3 => WaitOn::Signal(r.rest_text()?),
        4 => WaitOn::Job(JobId::from_bytes(r.rest().try_into().ok()?)),
        _ => return None,
    };
    let timeout = (timeout > 0).then(|| Duration::from_millis(timeout));
    Some(Wait { on, timeout, on_timeout, on_child_failed })
}

/// Whole milliseconds, at most some 285 million years, so that a script's numbers stay exact.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(1 << 52)
}

fn len<T: TryFrom<usize>>(n: usize) -> Result<T, BrokerError> {
    T::try_from(n).map_err(|_| BrokerError::Refused(format!("a field of {n} bytes is too long to be stored")))
}
