//! Extend: what is held lasts longer; what the worker was granted and does not list never reached it, and goes back.

use super::{
    deliver, end,
    row::{self, Row},
    settle::{self, Ending},
    tx::{CANCELLED, READY, RUNNING, Tx},
};
use crate::{BrokerError, EventKind, ExtendReply, Held, Reason};
use longshore_base::Millis;
use rusqlite::params;
use std::collections::HashSet;

type Result<T> = std::result::Result<T, BrokerError>;

/// `until` is when the leases end now.
pub(super) fn extend(tx: &mut Tx<'_>, queue: u16, worker: &str, held: &[Held], settled: u64, until: Millis) -> Result<ExtendReply> {
    let mut reply = ExtendReply::default();
    for Held { id, token } in held {
        match row::find(tx.db, *id)? {
            Some(job) if job.state == RUNNING && job.token == i64::try_from(token.0).ok() => {
                let charged = settle::overrun(tx, &job);
                tx.db.exec("extend.lengthen", params![job.seq, until, charged])?;
                if job.cancel {
                    reply.cancel.push(*id);
                }
            }
            _ => reply.lost.push(*id),
        }
    }
    if let Some(leaser) = tx.db.one("extend.leaser", params![queue, worker], |row| row.get::<_, i64>(0))? {
        tx.db.exec("extend.seen", params![leaser, tx.now])?;
        let listed: HashSet<_> = held.iter().map(|held| held.id).collect();
        let settled = i64::try_from(settled).unwrap_or(i64::MAX);
        for mut job in tx.db.all("extend.granted", params![leaser, settled], Row::read)? {
            if !listed.contains(&job.id) {
                give_back(tx, &mut job, worker)?;
                deliver::drain(tx)?;
            }
        }
    }
    Ok(reply)
}

/// Without a count: its handler never started.
fn give_back(tx: &mut Tx<'_>, job: &mut Row, worker: &str) -> Result<()> {
    job.note(tx.db, tx.now, EventKind::Released, Some(worker), None)?;
    job.woken = None;
    settle::settle(tx, job, Ending::Unstarted)?;
    if job.cancel {
        return end::end(tx, job, CANCELLED, Some(Reason::Cancelled), None);
    }
    tx.shift(job, READY);
    job.put(tx.db)
}
