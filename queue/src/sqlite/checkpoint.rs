//! Folding the write-ahead log into the file, off the commit path: a thread of its own does it passively; only when the log has
//! grown too long for that, the writer folds the rest between two groups.

use super::{open, order::Order, syncer::Progress};
use rusqlite::Connection;
use std::{sync::mpsc::Receiver, time::Duration};
use tokio::sync::mpsc::WeakSender;

/// Folded at least this often while anything was written.
const EVERY: Duration = Duration::from_secs(5);
/// A log of more pages (4 KiB each) is folded by the writer, so that it starts again from its beginning.
const PAGES_MAX: i64 = 16_384;
/// The writer folds the rest when a pass finds no more than this, or after so many passes.
const PAGES_FEW: i64 = 256;
const PASSES_MAX: usize = 5;
/// How long the writer waits for readers of old pages; the log grows on if that was too short.
const FOLD_WAIT: Duration = Duration::from_millis(10);

/// Until the writer, who holds the other end of `pokes`, is gone.
pub(super) fn run(connection: &Connection, pokes: &Receiver<()>, orders: &WeakSender<Order>, syncs: &Progress) {
    loop {
        let ended = pokes.recv_timeout(EVERY) == Err(std::sync::mpsc::RecvTimeoutError::Disconnected);
        let broken = syncs.broken().is_some();
        // What the disk may not have does not go into the file, here or when it is closed: the next start takes what it finds whole.
        if broken && let Err(fault) = open::leave_log(connection) {
            tracing::warn!(%fault, "the log of the queue file may be folded when it is closed");
        }
        if ended {
            return;
        }
        if broken {
            continue;
        }
        match passes(connection) {
            Ok(pages) if pages > PAGES_MAX => {
                if let Some(orders) = orders.upgrade() {
                    // A full channel means that the writer is busy; the next round asks again.
                    drop(orders.try_send(Order::Fold));
                }
            }
            Ok(_) => {}
            Err(fault) => tracing::warn!(%fault, "the log of the queue file could not be folded; it grows until it can"),
        }
    }
}

/// Folds what is there. A log that has grown too long is gone over again while that brings something: what came in meanwhile is all that is
/// left to the writer then, whose callers wait. Answers how many pages the log has.
fn passes(connection: &Connection) -> rusqlite::Result<i64> {
    let (mut pages, mut folded) = pass(connection, "PRAGMA wal_checkpoint(PASSIVE)")?;
    for _ in 1..PASSES_MAX {
        let before = folded;
        if pages <= PAGES_MAX {
            break;
        }
        (pages, folded) = pass(connection, "PRAGMA wal_checkpoint(PASSIVE)")?;
        if folded - before < PAGES_FEW {
            break;
        }
    }
    Ok(pages)
}

/// Everything, now, so that the next commit begins a new log. Readers that still look at old pages are waited for, but not for long:
/// the writer has callers.
pub(super) fn fold(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(FOLD_WAIT)?;
    let folded = pass(connection, "PRAGMA wal_checkpoint(RESTART)").map(drop);
    connection.busy_timeout(open::BUSY)?;
    folded
}

/// Answers how many pages the log had, and how many of them are in the file.
fn pass(connection: &Connection, pragma: &str) -> rusqlite::Result<(i64, i64)> {
    connection.prepare_cached(pragma)?.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))
}
