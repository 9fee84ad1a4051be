//! What a running attempt keeps under its token: cursor and steps, progress and log lines.

use super::{db::Db, row, tx::Tx};
use crate::{BrokerError, Change, JobId, LOGS_MAX, LogLine, Logs, Note, PAYLOAD_MAX, Saves, Scope, Token};
use longshore_base::Code;
use rusqlite::params;

type Result<T> = std::result::Result<T, BrokerError>;

/// Keeps a cursor and steps for the next run.
pub(super) fn save(tx: &mut Tx<'_>, id: JobId, token: Token, saves: &Saves) -> Result<Result<()>> {
    let job = match tx.fenced(id, token)? {
        Ok(job) => job,
        Err(lost) => return Ok(Err(lost)),
    };
    let largest = saves.cursor.iter().chain(saves.steps.iter().map(|(_, value)| value)).map(|value| value.get().len()).max();
    if let Some(size) = largest.filter(|size| *size > PAYLOAD_MAX) {
        let detail = format!("{size} bytes are more than the {PAYLOAD_MAX} that a cursor or a step may have");
        return Ok(Err(BrokerError::Conflict { code: Code::OutputTooLarge, detail }));
    }
    if let Some(cursor) = &saves.cursor {
        tx.db.exec("note.cursor", params![job.seq, cursor.get()])?;
    }
    for (key, value) in &saves.steps {
        tx.db.exec("note.step", params![job.seq, key, value.get()])?;
    }
    Ok(Ok(()))
}

/// What earlier runs kept.
pub(super) fn saved(db: Db<'_>, id: JobId) -> Result<Saves> {
    let job = row::find(db, id)?.ok_or(BrokerError::NotFound)?;
    let cursor = db.one("note.saved", [job.seq], |row| row.get(0))?.map(super::codec::json).transpose()?;
    let steps: Vec<(String, String)> = db.all("note.steps", [job.seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let steps = steps.into_iter().map(|(key, value)| Ok((key, super::codec::json(value)?)));
    Ok(Saves { cursor, steps: steps.collect::<Result<_>>()? })
}

/// Keeps progress and log lines; the oldest lines go when there are too many bytes of them.
pub(super) fn note(tx: &mut Tx<'_>, id: JobId, token: Token, note: Note) -> Result<Result<()>> {
    let job = match tx.fenced(id, token)? {
        Ok(job) => job,
        Err(lost) => return Ok(Err(lost)),
    };
    if let Some(progress) = &note.progress {
        if progress.get().len() > PAYLOAD_MAX {
            let detail = format!("a progress of {} bytes; at most {PAYLOAD_MAX} are kept", progress.get().len());
            return Ok(Err(BrokerError::Conflict { code: Code::OutputTooLarge, detail }));
        }
        tx.db.exec("note.progress", params![job.seq, progress.get()])?;
    }
    if let Some(used) = note.used {
        tx.db.exec("note.used", params![job.seq, super::scope::number(used)])?;
    }
    if !note.logs.is_empty() {
        log(tx, job.seq, &note.logs)?;
    }
    tx.touched.job(id);
    if let Some(told) = Change::told(note) {
        tx.tell(&job, told);
    }
    Ok(Ok(()))
}

fn log(tx: &Tx<'_>, seq: i64, lines: &[LogLine]) -> Result<()> {
    let cut = |line: &LogLine| line.message.floor_char_boundary(LOGS_MAX);
    let added: usize = lines.iter().map(cut).sum();
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, usize>(0)?, row.get::<_, usize>(1)?));
    let (mut bytes, next) = tx.db.must("note.room", params![seq, added, lines.len()], read)?;
    for (n, line) in (next - lines.len()..).zip(lines) {
        tx.db.exec("note.add_log", params![seq, n, line.at, line.level, line.message.get(..cut(line))])?;
    }
    if bytes <= LOGS_MAX {
        return Ok(());
    }
    while bytes > LOGS_MAX {
        let oldest: Vec<(i64, usize)> = tx.db.all("note.oldest_logs", [seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if oldest.is_empty() {
            break;
        }
        for (n, size) in oldest {
            if bytes > LOGS_MAX {
                tx.db.exec("note.drop_log", params![seq, n])?;
                bytes = bytes.saturating_sub(size);
            }
        }
    }
    tx.db.exec("note.set_bytes", params![seq, bytes])?;
    Ok(())
}

/// The kept lines, oldest first; they are numbered from 0, so the first one tells how many went.
pub(super) fn logs(db: Db<'_>, scope: &Scope, id: JobId) -> Result<Logs> {
    let job = super::list::seen(db, scope, id)?.ok_or(BrokerError::NotFound)?;
    let line = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, LogLine { at: row.get(1)?, level: row.get(2)?, message: row.get(3)? }));
    let lines: Vec<(u64, LogLine)> = db.all("note.logs", [job.seq], line)?;
    let dropped = lines.first().map_or(0, |(first, _)| *first);
    Ok(Logs { lines: lines.into_iter().map(|(_, line)| line).collect(), dropped })
}
