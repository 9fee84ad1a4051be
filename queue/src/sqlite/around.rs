//! Queues, kind records, requests under an Idempotency-Key.

use super::{db::Db, tx::Tx};
use crate::{Begun, BrokerError, KindRecord};
use longshore_base::Millis;
use rusqlite::params;

type Result<T> = std::result::Result<T, BrokerError>;

/// How long a request is remembered.
const REMEMBERED_MS: Millis = 24 * 3_600_000;

/// The queue's number, given at its first mention.
pub(super) fn home(tx: &Tx<'_>, queue: &str) -> Result<u16> {
    if let Some(home) = tx.db.one("read.queue", [queue], |row| row.get(0))? {
        return Ok(home);
    }
    let home: i64 = tx.db.must("read.new_queue", [queue], |row| row.get(0))?;
    u16::try_from(home).map_err(|_| BrokerError::Refused("every queue number up to 65535 is taken".to_owned()))
}

/// Takes records over unless a newer one is there.
pub(super) fn put_kinds(tx: &Tx<'_>, records: &[KindRecord]) -> Result<()> {
    for record in records {
        let bytes = serde_json::to_vec(record).map_err(|fault| BrokerError::Refused(fault.to_string()))?;
        tx.db.exec("around.put_kind", params![record.name.as_str(), record.version, bytes])?;
    }
    Ok(())
}

/// Every record.
pub(super) fn kinds(db: Db<'_>) -> Result<Vec<KindRecord>> {
    let records: Vec<Vec<u8>> = db.all("read.kinds", [], |row| row.get(0))?;
    let read = |bytes: &Vec<u8>| serde_json::from_slice(bytes).map_err(|fault| BrokerError::Corrupt(fault.to_string()));
    records.iter().map(read).collect()
}

/// Begins a request, or tells what became of it.
pub(super) fn begin(tx: &Tx<'_>, tenant: &str, key: &str, body: &[u8; 32], seed: &[u8; 16], at: Millis) -> Result<Begun> {
    type Line = ([u8; 32], [u8; 16], Millis, Option<String>);
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let there: Option<Line> = tx.db.one("around.begun", params![tenant, key, tx.now], read)?;
    match there {
        Some((hash, ..)) if hash != *body => Ok(Begun::Conflict),
        Some((_, _, _, Some(answer))) => Ok(Begun::Answered(answer)),
        Some((_, seed, at, None)) => Ok(Begun::Run { seed, at }),
        None => {
            tx.db.exec("around.begin", params![tenant, key, body, seed, at, tx.now + REMEMBERED_MS])?;
            Ok(Begun::Run { seed: *seed, at })
        }
    }
}

/// Ends a request with its answer; the first answer stays.
pub(super) fn finish(tx: &Tx<'_>, tenant: &str, key: &str, answer: &str) -> Result<Result<()>> {
    let known = tx.db.exec("around.finish", params![tenant, key, answer])?;
    Ok(if known == 1 { Ok(()) } else { Err(BrokerError::NotFound) })
}
