//! Progress, log lines, streamed output and units used: buffered, and written in batches, so that a talkative handler does not cost a call
//! per line.

use super::{Context, Inner};
use crate::{Failure, decide::cut, secrets::cover_json};
use longshore_queue::{BrokerError, ERROR_MAX, Json, LOGS_MAX, LogLine, Note};
use serde::Serialize;
use serde_json::value::to_raw_value;
use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long a line waits for others at most.
const LINGER: Duration = Duration::from_millis(250);
/// So many lines, or half of [`LOGS_MAX`], are written at once.
const LINES_MAX: usize = 100;
/// Bytes of output in one write, with room for what says that some are left out.
const OUTPUT_MAX: usize = LOGS_MAX - 64;

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the usual five")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What is not written yet.
#[derive(Debug, Default)]
pub(super) struct Notes {
    buffer: Mutex<Buffer>,
    /// Held during a write, so that lines arrive in their order.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Buffer {
    progress: Option<Json>,
    logs: VecDeque<LogLine>,
    bytes: usize,
    /// Lines that were too many at once.
    lines_lost: u64,
    output: String,
    /// Bytes of output, likewise.
    output_lost: usize,
    /// Units of the tenant's budget, in all; None: the handler has said nothing.
    used: Option<u64>,
    /// `used` is not written yet.
    used_grew: bool,
    /// A write is on its way and will take what is here.
    due: bool,
    /// The same, and it does not wait for more.
    hurried: bool,
    /// The attempt has ended; a write now would come late.
    closed: bool,
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    fn push(&mut self, line: LogLine) {
        self.bytes += line.message.len();
        self.logs.push_back(line);
        while self.bytes > LOGS_MAX
            && let Some(oldest) = self.logs.pop_front()
        {
            self.bytes -= oldest.message.len();
            self.lines_lost += 1;
        }
    }
    fn give_out(&mut self, text: &str) {
        self.output.push_str(text);
        if let Some(over) = self.output.len().checked_sub(OUTPUT_MAX) {
            let over = self.output.ceil_char_boundary(over);
            self.output.drain(..over);
            self.output_lost += over;
        }
    }
    /// Whether it should be written at once.
    fn is_much(&self) -> bool {
        self.logs.len() >= LINES_MAX || self.bytes >= LOGS_MAX / 2 || self.output.len() >= OUTPUT_MAX / 2
    }
    /// Anything that a listener gets.
    fn tells(&self) -> bool {
        self.progress.is_some() || !self.logs.is_empty() || !self.output.is_empty()
    }
    fn take(&mut self) -> Option<Note> {
        (self.due, self.hurried) = (false, false);
        let told = self.tells();
        let used = self.used.filter(|_| mem::take(&mut self.used_grew));
        if !told && used.is_none() {
            return None;
        }
        if let (lost @ 1.., Some(at)) = (mem::take(&mut self.lines_lost), self.logs.front().map(|line| line.at)) {
            let message = format!("{lost} lines are left out: there were too many at once");
            self.logs.push_front(LogLine { at, level: Level::Warn.as_str().to_owned(), message });
        }
        let mut output = mem::take(&mut self.output);
        if let lost @ 1.. = mem::take(&mut self.output_lost) {
            output.insert_str(0, &format!("[{lost} bytes are left out]\n"));
        }
        let output = Some(output).filter(|output| !output.is_empty());
        self.bytes = 0;
        Some(Note { progress: self.progress.take(), logs: mem::take(&mut self.logs).into(), used, output })
    }
    /// What could not be written waits for the next write, in front of what came since.
    fn put_back(&mut self, note: Note) {
        self.progress = self.progress.take().or(note.progress);
        self.used_grew |= note.used.is_some();
        let newer = mem::take(&mut self.logs);
        self.bytes = 0;
        for line in note.logs.into_iter().chain(newer) {
            self.push(line);
        }
        let newer = mem::take(&mut self.output);
        self.give_out(&note.output.unwrap_or_default());
        self.give_out(&newer);
    }
}

impl Context {
    /// Tells how far the attempt is; the newest value is kept. Written within a quarter of a second.
    ///
    /// # Errors
    /// When the value is no JSON, or larger than [`ERROR_MAX`] bytes of it: a fault in the kind.
    pub fn progress(&self, value: impl Serialize) -> Result<(), Failure> {
        let value = to_raw_value(&value).map_err(|e| Failure::fatal(format!("the progress is no JSON: {e}")))?;
        let value = cover_json(&self.inner.veil, value);
        if value.get().len() > ERROR_MAX {
            return Err(Failure::fatal(format!("the progress has {} bytes; allowed are {ERROR_MAX}", value.get().len())));
        }
        self.note(|buffer| buffer.progress = Some(value));
        Ok(())
    }

    /// Adds a line to the job's log. Written within a quarter of a second; cut to [`ERROR_MAX`] bytes.
    pub fn log(&self, level: Level, message: impl AsRef<str>) {
        // Covered before it is cut: the beginning of a secret is a part of one.
        let message = cut(&self.inner.veil.cover(message.as_ref()), ERROR_MAX).to_owned();
        let line = LogLine { at: self.clock().now(), level: level.as_str().to_owned(), message };
        self.note(|buffer| buffer.push(line));
    }

    /// Gives out a piece of text while the attempt runs, for whoever listens to the job (`GET /v1/jobs/{id}/events`). It is kept nowhere, and is
    /// not the job's output. Pieces of a quarter of a second are told together; what is more than 64 KiB by then loses its beginning,
    /// which the text says.
    pub fn output(&self, text: impl AsRef<str>) {
        if !text.as_ref().is_empty() {
            let text = self.inner.veil.cover(text.as_ref());
            self.note(|buffer| buffer.give_out(&text));
        }
    }

    /// Adds to the units of the tenant's budget that this attempt used (tokens, cents, points). What it comes to takes the place of the
    /// job's estimate when the attempt ends; a crash is charged with the larger of the two. `used(0)` says that it used nothing so far.
    pub fn used(&self, units: u64) {
        self.note(|buffer| (buffer.used, buffer.used_grew) = (Some(buffer.used.unwrap_or(0).saturating_add(units)), true));
    }

    /// What [`Context::used`] has come to; None: nothing was said, and the estimate holds. The ack carries it.
    #[must_use]
    pub fn used_in_all(&self) -> Option<u64> {
        self.inner.notes.lock().used
    }

    fn note(&self, change: impl FnOnce(&mut Buffer)) {
        let mut buffer = self.inner.notes.lock();
        if buffer.closed {
            return;
        }
        change(&mut buffer);
        let hurry = buffer.is_much();
        if buffer.hurried || buffer.due && !hurry {
            return;
        }
        (buffer.due, buffer.hurried) = (true, hurry);
        drop(buffer);
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            if !hurry {
                inner.parts.tools.clock.sleep(LINGER).await;
            }
            inner.write().await;
        });
    }

    /// Writes what is buffered now.
    pub async fn flush(&self) {
        self.inner.write().await;
    }

    /// Writes what is buffered, and drops what comes later. The worker calls this before it acks, so that nothing
    /// of this attempt arrives under a token that is not current any more.
    pub async fn close(&self) {
        {
            // The ack that follows tells what was used; a write for that alone would be one too many.
            let mut buffer = self.inner.notes.lock();
            buffer.used_grew &= buffer.tells();
        }
        self.inner.write().await;
        self.inner.notes.lock().closed = true;
        // A write that began meanwhile ends before the ack.
        drop(self.inner.notes.writing.lock().await);
    }
}

impl Inner {
    async fn write(&self) {
        let _writing = self.notes.writing.lock().await;
        let note = {
            let mut buffer = self.notes.lock();
            if buffer.closed || self.lost.load(std::sync::atomic::Ordering::Acquire) {
                return;
            }
            buffer.take()
        };
        let Some(mut note) = note else { return };
        // Once more, because a secret may have come in pieces.
        note.output = note.output.map(|output| self.veil.cover(&output).into_owned());
        match self.parts.tools.broker.note(self.id(), self.parts.lease.token, note.clone()).await {
            Ok(()) => {}
            Err(BrokerError::LeaseLost) => self.lose(),
            Err(error) => {
                tracing::debug!(job.id = %self.id(), code = %error.code(), "progress and log lines wait: {error}");
                self.notes.lock().put_back(note);
            }
        }
    }
}
