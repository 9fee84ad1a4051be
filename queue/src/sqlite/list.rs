//! What people look at: jobs by id, pages of jobs. Readers only.

use super::{
    codec,
    db::Db,
    row::{self, NEVER, REPLAYED, Row},
    sieve::Sieve,
    tx::{CANCELLED, COMPLETED, DEAD},
};
use crate::{BrokerError, Filter, Home, Job, JobId, Page, Scope, State};
use longshore_base::Name;
use rusqlite::params;
use std::collections::HashMap;

type Result<T> = std::result::Result<T, BrokerError>;

/// Rows that one call looks at.
const SCAN_MAX: usize = 10_000;
/// Rows fetched at a time.
const CHUNK: usize = 256;
/// Items of a page at most.
const PAGE_MAX: usize = 1_000;

/// Every queue and its number.
pub(super) fn homes(db: Db<'_>) -> Result<HashMap<Name, Home>> {
    let rows: Vec<(u16, String)> = db.all("read.queues", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.into_iter().map(|(queue, name)| Ok((codec::name(&name)?, Home(queue)))).collect()
}

/// Jobs by id; None for what is not there or not visible.
pub(super) fn get(db: Db<'_>, scope: &Scope, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
    let one = |id: &JobId| seen(db, scope, *id)?.map(|job| job.load(db)).transpose();
    ids.iter().map(one).collect()
}

/// The job, for whoever may see it.
pub(super) fn seen(db: Db<'_>, scope: &Scope, id: JobId) -> Result<Option<Row>> {
    let Some(job) = row::find(db, id)? else { return Ok(None) };
    if let Scope::Tenant(own) = scope {
        let tenant: String = db.must("job.tenant", [job.turn], |row| row.get(0))?;
        if tenant != own.as_str() {
            return Ok(None);
        }
    }
    Ok(Some(job))
}

/// Where a page starts: a queue, and a place in the index that is walked there.
#[derive(Debug, Clone, Copy)]
struct Place {
    queue: u16,
    at: [i64; 4],
}

impl Place {
    fn parse(text: &str) -> Result<Self> {
        let bad = || BrokerError::Cursor(text.to_owned());
        let numbers: Vec<i64> = text.split('.').map(|n| n.parse().map_err(|_| bad())).collect::<Result<_>>()?;
        match numbers[..] {
            [queue, a, b, c, d] => Ok(Self { queue: queue.try_into().map_err(|_| bad())?, at: [a, b, c, d] }),
            _ => Err(bad()),
        }
    }
    fn text(self) -> String {
        let [a, b, c, d] = self.at;
        format!("{}.{a}.{b}.{c}.{d}", self.queue)
    }
}

/// Which index answers a filter.
#[derive(Debug, Clone, Copy)]
enum Walk {
    All,
    Ready,
    Running,
    Sleeping,
    Ended(u8),
}

impl Walk {
    /// None: nothing can match.
    const fn of(filter: &Filter) -> Option<Self> {
        Some(match filter.state {
            None | Some(State::Dead) if filter.replayed => Self::Ended(REPLAYED),
            Some(_) if filter.replayed => return None,
            None => Self::All,
            Some(State::Ready) => Self::Ready,
            Some(State::Running) => Self::Running,
            Some(State::Scheduled | State::Retrying | State::Waiting) => Self::Sleeping,
            Some(State::Completed) => Self::Ended(COMPLETED),
            Some(State::Cancelled) => Self::Ended(CANCELLED),
            Some(State::Dead) => Self::Ended(DEAD),
        })
    }
    /// Ended jobs are walked from the filter's end on.
    const fn start(self, filter: &Filter) -> [i64; 4] {
        match self {
            Self::All => [i64::MAX, 0, 0, 0],
            Self::Ready => [0, -1, -1, -1],
            Self::Running => [-1, 0, 0, 0],
            Self::Sleeping => [i64::MIN, -1, 0, 0],
            Self::Ended(_) => match filter.to {
                Some(to) => [to, i64::MIN, 0, 0],
                None => [i64::MAX, i64::MAX, 0, 0],
            },
        }
    }
    /// Behind `job` nothing of this queue matches.
    fn is_through(self, filter: &Filter, job: &Row) -> bool {
        matches!(self, Self::Ended(_)) && filter.from.is_some_and(|from| job.ended_at.is_some_and(|at| at < from))
    }
}

/// A page of what the filter matches: ended jobs newest first, ready ones lane by lane, sleeping ones by due time, a list of every
/// state newest enqueue first.
pub(super) fn list(db: Db<'_>, scope: &Scope, filter: &Filter, limit: usize, cursor: Option<&str>) -> Result<Page> {
    let limit = limit.clamp(1, PAGE_MAX);
    let mut page = Page::default();
    let mut place = cursor.map(Place::parse).transpose()?;
    let named = filter.queue.as_ref().map(|name| db.all("read.queue", [name.as_str()], |row| row.get::<_, u16>(0))).transpose()?;
    let Some(walk) = Walk::of(filter).filter(|_| named.as_ref().is_none_or(|queues| !queues.is_empty())) else { return Ok(page) };
    let mut sieve = Sieve::new(db, scope, filter, named.as_ref().and_then(|queues| queues.first().copied()));
    let queues = match (walk, named) {
        (Walk::All, _) => vec![0],
        (_, Some(queues)) => queues,
        (_, None) => db.all("read.queues", [], |row| row.get::<_, u16>(0))?,
    };
    'queues: for queue in queues {
        if place.is_some_and(|place| queue < place.queue) {
            continue;
        }
        let mut at = place.take().filter(|place| place.queue == queue).map_or_else(|| walk.start(filter), |place| place.at);
        loop {
            let (rows, end) = step(db, walk, queue, scope, filter, at)?;
            for (job, next) in rows {
                if walk.is_through(filter, &job) {
                    continue 'queues;
                }
                if page.items.len() == limit || page.scanned >= SCAN_MAX as u64 {
                    page.cursor = Some(Place { queue, at }.text());
                    return Ok(page);
                }
                at = next;
                page.scanned += 1;
                if sieve.passes(&job)? {
                    let job = job.load(db)?;
                    if filter.matches(&job) {
                        page.items.push(job);
                    }
                }
            }
            match end {
                Some(next) => at = next,
                None => break,
            }
        }
    }
    Ok(page)
}

type Rows = Vec<(Row, [i64; 4])>;

/// The rows after `at`, and where to go on; None: the queue is through.
fn step(db: Db<'_>, walk: Walk, queue: u16, scope: &Scope, filter: &Filter, at: [i64; 4]) -> Result<(Rows, Option<[i64; 4]>)> {
    let rows = match walk {
        Walk::All => db.all("read.all", params![at[0], CHUNK], Row::read)?.into_iter().map(|job| (job.seq, job)).collect::<Vec<_>>(),
        Walk::Running => db.all("read.running", params![queue, at[0], CHUNK], Row::read)?.into_iter().map(|job| (job.seq, job)).collect(),
        Walk::Sleeping => {
            let rows = db.all("read.sleeping", params![queue, at[0], at[1], CHUNK], Row::read)?;
            rows.into_iter().map(|job| (job.due_at.unwrap_or(NEVER), job)).collect()
        }
        Walk::Ended(state) => {
            let turn = own_turn(db, queue, scope, filter)?;
            let rows = match turn {
                Some(turn) => db.all("read.ended_by_tenant", params![turn, state, at[0], at[1], CHUNK], Row::read)?,
                None => db.all("read.ended", params![queue, state, at[0], at[1], CHUNK], Row::read)?,
            };
            rows.into_iter().map(|job| (job.ended_at.unwrap_or_default(), job)).collect()
        }
        Walk::Ready => return ready(db, queue, scope, filter, at),
    };
    let full = rows.len() == CHUNK;
    let rows: Rows = rows
        .into_iter()
        .map(|(first, job)| {
            let seq = job.seq;
            (job, [first, seq, 0, 0])
        })
        .collect();
    let end = rows.last().filter(|_| full).map(|(_, at)| *at);
    Ok((rows, end))
}

/// Ready jobs through their lanes: `at` is lane, suspect, rank, seq.
fn ready(db: Db<'_>, queue: u16, scope: &Scope, filter: &Filter, at: [i64; 4]) -> Result<(Rows, Option<[i64; 4]>)> {
    let turn = own_turn(db, queue, scope, filter)?;
    let kind = filter.kind.as_ref().map(Name::as_str);
    let lanes: Vec<i64> = db.all("read.lanes", params![queue, at[0], turn, kind], |row| row.get(0))?;
    for lane in lanes {
        let from = if lane == at[0] { at } else { [lane, -1, -1, -1] };
        let rows = db.all("read.ready", params![lane, from[1], from[2], from[3], CHUNK], Row::read)?;
        let rows: Rows = rows
            .into_iter()
            .map(|job| {
                let place = [lane, i64::from(job.suspect), i64::from(job.rank), job.seq];
                (job, place)
            })
            .collect();
        if let Some((_, last)) = rows.last() {
            let next = if rows.len() == CHUNK { *last } else { [lane + 1, -1, -1, -1] };
            return Ok((rows, Some(next)));
        }
    }
    Ok((Vec::new(), None))
}

fn own_turn(db: Db<'_>, queue: u16, scope: &Scope, filter: &Filter) -> Result<Option<i64>> {
    let tenant = match scope {
        Scope::Tenant(own) => Some(own),
        Scope::All => filter.tenant.as_ref(),
    };
    // -1: a tenant that has nothing here.
    let turn = |tenant: &Name| db.one("read.turns", params![queue, tenant.as_str()], |row| row.get(0)).map(|turn| turn.unwrap_or(-1));
    tenant.map(turn).transpose()
}
