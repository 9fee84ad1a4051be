//! What happened to a job, line by line. The middle of a long history goes first, but for the error that a letter died of: it names its group.

use super::{codec, db::Db, row::Row};
use crate::{BrokerError, ErrorInfo, Event, EventKind};
use longshore_base::Millis;
use rusqlite::params;

type Result<T> = std::result::Result<T, BrokerError>;

/// History lines that are kept; the first [`HEAD`] and the newest stay.
const MOST: u32 = 100;
const HEAD: u32 = 20;

/// A line on its way into the file.
#[derive(Debug, Clone, Copy)]
struct Line<'l> {
    at: Millis,
    what: EventKind,
    run: u32,
    worker: Option<&'l str>,
    started_at: Option<Millis>,
    error: Option<&'l ErrorInfo>,
    before: Option<&'l str>,
}

impl Row {
    /// Adds a line to the history.
    pub(super) fn note(&mut self, db: Db<'_>, at: Millis, what: EventKind, worker: Option<&str>, error: Option<&ErrorInfo>) -> Result<()> {
        let started_at = worker.and(self.started_at);
        self.add(db, Line { at, what, run: self.counters.runs, worker, started_at, error, before: None })
    }

    /// Adds the line of an edit: by whom, and what was there before.
    pub(super) fn edited(&mut self, db: Db<'_>, at: Millis, by: Option<&str>, before: &str) -> Result<()> {
        let run = self.counters.runs;
        self.add(db, Line { at, what: EventKind::Edited, run, worker: by, started_at: None, error: None, before: Some(before) })
    }

    /// Adds a line that was written elsewhere.
    pub(super) fn copy(&mut self, db: Db<'_>, event: &Event) -> Result<()> {
        let error = event.error.clone().map(codec::cut);
        let (worker, before) = (event.worker.as_deref(), event.before.as_deref());
        let Event { at, what, run, started_at, .. } = *event;
        self.add(db, Line { at, what, run, worker, started_at, error: error.as_ref(), before })
    }

    fn add(&mut self, db: Db<'_>, line: Line<'_>) -> Result<()> {
        let Line { at, what, run, worker, started_at, error, before } = line;
        let error = error.map(codec::pack).transpose()?;
        db.exec("job.add_event", params![self.seq, self.events, at, code(what), run, worker, started_at, error, before])?;
        if self.events >= MOST {
            let trim = if self.is_live() { "job.trim_event" } else { "job.trim_quiet" };
            db.exec(trim, params![self.seq, self.events - MOST + HEAD])?;
        }
        self.events += 1;
        Ok(())
    }
}

/// Every line that is kept, oldest first.
pub(super) fn history(db: Db<'_>, seq: i64) -> Result<Vec<Event>> {
    type Text = (Millis, u8, u32, Option<String>, Option<Millis>, Option<Vec<u8>>, Option<String>);
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?));
    let lines: Vec<Text> = db.all("job.events", [seq], read)?;
    let event = |(at, what, run, worker, started_at, error, before): Text| {
        let what = EVENTS.get(usize::from(what)).copied().ok_or_else(|| BrokerError::Corrupt(format!("event {what}")))?;
        Ok(Event { at, what, run, worker, started_at, error: error.as_deref().map(codec::unpack).transpose()?, before })
    };
    lines.into_iter().map(event).collect()
}

/// The newest error that the history tells.
pub(super) fn last_error(db: Db<'_>, seq: i64) -> Result<Option<ErrorInfo>> {
    let bytes = db.one("job.last_error", [seq], |row| row.get::<_, Vec<u8>>(0))?;
    bytes.as_deref().map(codec::unpack).transpose()
}

/// In the order of their numbers in the column; a new one comes last.
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

fn code(what: EventKind) -> u8 {
    EVENTS.iter().position(|kind| *kind == what).and_then(|at| u8::try_from(at).ok()).unwrap_or_default()
}
