//! The narrow half of a job, as its columns say, and the [`Job`] that is made of both halves.

use super::{
    codec::{self, Body},
    db::Db,
    history,
};
use crate::{BrokerError, Counters, Job, JobId, Parent, Priority, Reason, State, Woken};
use longshore_base::{Millis, Name};
use rusqlite::params;

type Result<T> = std::result::Result<T, BrokerError>;

/// A dead job that was replayed: Dead, but out of the dead index, the counts and the groups.
pub(super) const REPLAYED: u8 = 8;
/// The due time of a wait without a timeout: after everything else.
pub(super) const NEVER: Millis = Millis::MAX;

/// How many columns `job.columns` has.
pub(super) const COLUMNS: usize = 47;

/// One row of `jobs`, in the order of `job.columns`.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) seq: i64,
    pub(super) id: JobId,
    pub(super) queue: u16,
    pub(super) turn: i64,
    pub(super) lane: i64,
    pub(super) state: u8,
    pub(super) rank: u8,
    pub(super) suspect: bool,
    pub(super) due_at: Option<Millis>,
    pub(super) ready_at: Option<Millis>,
    pub(super) expires_at: Option<Millis>,
    pub(super) created_at: Millis,
    pub(super) started_at: Option<Millis>,
    pub(super) ended_at: Option<Millis>,
    pub(super) counters: Counters,
    pub(super) attempts_max: u16,
    pub(super) crashes_max: u8,
    pub(super) repeatable: bool,
    pub(super) prune_after: Option<i64>,
    pub(super) prune_at: Option<Millis>,
    pub(super) token: Option<i64>,
    pub(super) worker: Option<i64>,
    pub(super) call: Option<i64>,
    pub(super) lease_until: Option<Millis>,
    pub(super) cancel: bool,
    pub(super) prev_token: Option<i64>,
    pub(super) prev_state: Option<u8>,
    pub(super) revision: u32,
    pub(super) unique_key: Option<String>,
    pub(super) unique_mode: Option<u8>,
    pub(super) parent: Option<JobId>,
    pub(super) woken: Option<u8>,
    pub(super) events: u32,
    pub(super) fingerprint: Option<String>,
    pub(super) reason: Option<u8>,
    pub(super) wait: Option<Vec<u8>>,
    pub(super) output: Option<String>,
    pub(super) cost: u32,
    pub(super) charged: Option<f64>,
    pub(super) weight: Option<f64>,
    pub(super) period: Option<Millis>,
    pub(super) noted: Option<u64>,
    /// Somebody has waited for its end.
    pub(super) followed: bool,
    /// This call accepted an ack of the job: where it goes is remembered under its token. Not stored.
    pub(super) settled: bool,
}

/// What the numbers of a row stand for.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) queue: Name,
    pub(super) tenant: Name,
    pub(super) kind: Name,
    pub(super) key: String,
    pub(super) resources: Vec<Name>,
}

impl Row {
    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let id = |bytes: [u8; 16]| JobId::from_bytes(bytes);
        Ok(Self {
            seq: row.get(0)?,
            id: id(row.get(1)?),
            queue: row.get(2)?,
            turn: row.get(3)?,
            lane: row.get(4)?,
            state: row.get(5)?,
            rank: row.get(6)?,
            suspect: row.get(7)?,
            due_at: row.get(8)?,
            ready_at: row.get(9)?,
            expires_at: row.get(10)?,
            created_at: row.get(11)?,
            started_at: row.get(12)?,
            ended_at: row.get(13)?,
            counters: Counters {
                attempts: row.get(14)?,
                crashes: row.get(15)?,
                crashes_in_row: row.get(16)?,
                interruptions: row.get(17)?,
                runs: row.get(18)?,
            },
            attempts_max: row.get(19)?,
            crashes_max: row.get(20)?,
            repeatable: row.get(21)?,
            prune_after: row.get(22)?,
            prune_at: row.get(23)?,
            token: row.get(24)?,
            worker: row.get(25)?,
            call: row.get(26)?,
            lease_until: row.get(27)?,
            cancel: row.get(28)?,
            prev_token: row.get(29)?,
            prev_state: row.get(30)?,
            revision: row.get(31)?,
            unique_key: row.get(32)?,
            unique_mode: row.get(33)?,
            parent: row.get::<_, Option<[u8; 16]>>(34)?.map(id),
            woken: row.get(35)?,
            events: row.get(36)?,
            fingerprint: row.get(37)?,
            reason: row.get(38)?,
            wait: row.get(39)?,
            output: row.get(40)?,
            cost: row.get(41)?,
            charged: row.get(42)?,
            weight: row.get(43)?,
            period: row.get(44)?,
            noted: row.get(45)?,
            followed: row.get(46)?,
            settled: false,
        })
    }

    /// Writes everything that may change.
    pub(super) fn put(&self, db: Db<'_>) -> Result<()> {
        let c = &self.counters;
        db.exec(
            "job.put",
            params![
                self.seq,
                self.state,
                self.rank,
                self.suspect,
                self.due_at,
                self.ready_at,
                self.expires_at,
                self.started_at,
                self.ended_at,
                c.attempts,
                c.crashes,
                c.crashes_in_row,
                c.interruptions,
                c.runs,
                self.prune_at,
                self.token,
                self.worker,
                self.call,
                self.lease_until,
                self.cancel,
                self.prev_token,
                self.prev_state,
                self.revision,
                self.woken,
                self.events,
                self.fingerprint,
                self.reason,
                self.wait,
                self.output,
                self.cost,
                self.charged,
                self.weight,
                self.period,
                self.noted.map(super::scope::number),
            ],
        )?;
        Ok(())
    }

    /// Where it stands, in the contract's words.
    pub(super) fn state(&self) -> State {
        state(self.state)
    }

    /// Not ended.
    pub(super) const fn is_live(&self) -> bool {
        self.state < 5
    }

    /// The whole job. `body` is its other half.
    pub(super) fn job(self, db: Db<'_>, names: &Names, body: Body, args: String) -> Result<Job> {
        let history = if self.events == 0 { Vec::new() } else { history::history(db, self.seq)? };
        let progress =
            if self.counters.runs == 0 { None } else { db.one("job.progress", [self.seq], |row| row.get::<_, Option<String>>(0))? };
        let worker = self.worker.map(|worker| db.one("job.worker", [worker], |row| row.get(0))).transpose()?.flatten();
        let policy = body.policy(self.attempts_max, self.crashes_max, self.repeatable);
        let unique = self.unique_key.clone().zip(self.unique_mode).map(|(key, mode)| body.unique(key, mode));
        Ok(Job {
            id: self.id,
            queue: names.queue.clone(),
            kind: names.kind.clone(),
            kind_version: body.kind_version,
            tenant: names.tenant.clone(),
            client: body.client,
            cost: self.cost,
            resources: names.resources.clone(),
            lane_key: names.key.clone(),
            priority: Priority::new(9_u8.saturating_sub(self.rank)).unwrap_or_default(),
            state: self.state(),
            args: codec::json(args)?,
            policy,
            counters: self.counters,
            created_at: self.created_at,
            due_at: self.due_at.filter(|due| *due != NEVER),
            run_at: body.run_at,
            started_at: self.started_at,
            ended_at: self.ended_at,
            expires_at: body.expires_at,
            revision: self.revision,
            unique,
            tags: body.tags,
            parent: self.parent.zip(body.parent_key).map(|(id, key)| Parent { id, key }),
            replay_of: body.replay_of.map(JobId::from_bytes),
            moved_from: body.moved_from.map(JobId::from_bytes),
            moved_to: body.moved_to.map(JobId::from_bytes),
            replayed: self.state == REPLAYED,
            tick: body.tick.map(|(schedule, at)| crate::Tick { schedule, at }),
            trace: body.trace,
            replays: body.replays.into_iter().map(JobId::from_bytes).collect(),
            output: self.output.map(codec::json).transpose()?,
            reason: self.reason.and_then(reason),
            history,
            progress: progress.flatten().map(codec::json).transpose()?,
            cancel_requested: self.cancel,
            worker,
        })
    }

    /// The whole job, with its names and its other half looked up.
    pub(super) fn load(self, db: Db<'_>) -> Result<Job> {
        let names = names(db, self.lane)?;
        let (body, args) = body(db, self.seq)?;
        self.job(db, &names, body, args)
    }
}

/// The row of `id`.
pub(super) fn find(db: Db<'_>, id: JobId) -> Result<Option<Row>> {
    db.one("job.by_id", [id.as_bytes()], Row::read)
}

/// The wide half and the args.
pub(super) fn body(db: Db<'_>, seq: i64) -> Result<(Body, String)> {
    let (body, args) = db.must("job.body", [seq], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?)))?;
    Ok((codec::unpack(&body)?, args))
}

/// What a lane's numbers stand for.
pub(super) fn names(db: Db<'_>, lane: i64) -> Result<Names> {
    type Text = (String, String, String, String, String);
    let text = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    let (queue, tenant, kind, key, used): Text = db.must("job.names", [lane], text)?;
    let (queue, tenant, kind) = (codec::name(&queue)?, codec::name(&tenant)?, codec::name(&kind)?);
    Ok(Names { queue, tenant, kind, key, resources: resources(&used)? })
}

/// Resources from their column.
pub(super) fn resources(text: &str) -> Result<Vec<Name>> {
    text.split(',').filter(|name| !name.is_empty()).map(codec::name).collect()
}

/// The state that a column's number stands for.
pub(super) fn state(code: u8) -> State {
    State::ALL.get(usize::from(code)).copied().unwrap_or(State::Dead)
}

/// The number of a state in its column.
pub(super) fn code(state: State) -> u8 {
    State::ALL.iter().position(|s| *s == state).and_then(|at| u8::try_from(at).ok()).unwrap_or_default()
}

/// In the order of their numbers in the column; a new one comes last.
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

/// The number of a reason in its column.
pub(super) fn reason_code(reason: Reason) -> u8 {
    REASONS.iter().position(|r| *r == reason).and_then(|at| u8::try_from(at).ok()).unwrap_or_default()
}

/// The reason that a column's number stands for.
pub(super) fn reason(code: u8) -> Option<Reason> {
    REASONS.get(usize::from(code)).copied()
}

/// Why a wait ended, from its column.
pub(super) const fn woken(code: u8) -> Woken {
    match code {
        0 => Woken::Met,
        1 => Woken::TimedOut,
        _ => Woken::ChildFailed,
    }
}

/// The number of it.
pub(super) const fn woken_code(woken: Woken) -> u8 {
    match woken {
        Woken::Met => 0,
        Woken::TimedOut => 1,
        Woken::ChildFailed => 2,
    }
}
