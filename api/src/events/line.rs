//! An entry of a feed as readers get it: one event of a `text/event-stream` (WHATWG HTML, Server-sent events).

use super::{labels::Label, position::Position};
use bytes::Bytes;
use longshore_base::{Name, rfc3339};
use longshore_queue::{Change, FeedEntry, JobId, LogLine};
use serde_json::{Map, Value, json};
use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// One event, for whoever may see it.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) home: u16,
    pub(super) place: String,
    pub(super) id: Option<JobId>,
    /// None: the job is not there any more, and nobody knew it; only operators get the event.
    pub(super) label: Option<Label>,
    /// Whose it is, for what is about no job.
    pub(super) tenant: Option<Name>,
    /// The job has ended by it.
    pub(super) last: bool,
    kind: &'static str,
    data: String,
}

impl Event {
    pub(super) fn new(queue: &Name, home: u16, entry: FeedEntry, label: Option<Label>) -> Self {
        let (mut data, mut tenant, mut last) = (Map::new(), None, false);
        let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
        put("at", rfc3339(entry.at).into());
        put("queue", queue.as_str().into());
        if let Some(id) = entry.id {
            put("job", id.to_string().into());
        }
        if let Some(label) = &label {
            put("tenant", label.tenant.as_str().into());
            put("kind", label.kind.as_str().into());
        }
        let kind = match entry.what {
            Change::State { state, run } => {
                put("state", state.as_str().into());
                if run > 0 {
                    put("attempt", run.into());
                }
                last = state.is_ended();
                "state"
            }
            Change::Edited => "edited",
            Change::CancelRequested => "cancel_requested",
            Change::Told { progress, logs, output } => {
                if let Some(progress) = progress {
                    put("progress", serde_json::from_str(progress.get()).unwrap_or_default());
                }
                if !logs.is_empty() {
                    let line = |line: LogLine| json!({"at": rfc3339(line.at), "level": line.level, "message": line.message});
                    put("logs", logs.into_iter().map(line).collect());
                }
                if let Some(output) = output {
                    put("output", output.into());
                }
                "told"
            }
            Change::Alert(alert) => {
                put("code", alert.code.into());
                put("detail", alert.detail.into());
                if let Some(of) = &alert.tenant {
                    put("tenant", of.as_str().into());
                }
                tenant = alert.tenant;
                "alert"
            }
        };
        Self { home, place: entry.place, id: entry.id, label, tenant, last, kind, data: Value::Object(data).to_string() }
    }

    /// As it goes out, to a reader that is at `position` with it. Answers where the part behind the id begins.
    pub(super) fn write(&self, position: &Position, out: &mut String) -> usize {
        out.push_str("id: ");
        out.push_str(&position.to_string());
        out.push('\n');
        let body = out.len();
        for part in ["event: ", self.kind, "\ndata: ", &self.data, "\n\n"] {
            out.push_str(part);
        }
        body
    }
}

/// Events of one moment for all readers with the same filter.
#[derive(Debug)]
pub(super) struct Chunk {
    bytes: Bytes,
    lines: Vec<Line>,
    /// The place after it.
    pub(super) position: Position,
    /// An event of it ends the job that was asked for.
    pub(super) last: bool,
    /// Bytes of all chunks of this process.
    held: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Line {
    home: u16,
    place: String,
    /// Behind its id.
    body: Range<usize>,
}

/// A chunk that has grown so far is closed; one event may be larger.
const CHUNK_BYTES: usize = 64 * 1024;

impl Chunk {
    /// The events in chunks, each event with the position that it leads to.
    pub(super) fn pack<'e>(
        events: impl Iterator<Item = &'e Event>,
        position: &mut Position,
        one_job: bool,
        held: &Arc<AtomicUsize>,
    ) -> Vec<Arc<Self>> {
        let (mut chunks, mut text, mut lines, mut last) = (Vec::new(), String::new(), Vec::new(), false);
        let mut events = events.peekable();
        while let Some(event) = events.next() {
            position.reach(event.home, &event.place);
            let from = event.write(position, &mut text);
            lines.push(Line { home: event.home, place: event.place.clone(), body: from..text.len() });
            last |= one_job && event.last;
            if text.len() >= CHUNK_BYTES || events.peek().is_none() {
                let (bytes, lines, held) = (Bytes::from(std::mem::take(&mut text)), std::mem::take(&mut lines), Arc::clone(held));
                let chunk = Self { bytes, lines, position: position.clone(), last: std::mem::take(&mut last), held };
                chunk.held.fetch_add(chunk.size(), Ordering::Relaxed);
                chunks.push(Arc::new(chunk));
            }
        }
        chunks
    }

    /// How many events.
    pub(super) fn len(&self) -> u64 {
        self.lines.len() as u64
    }

    /// Its bytes, about.
    pub(super) fn size(&self) -> usize {
        self.bytes.len() + self.lines.len() * 100
    }

    /// Everything.
    pub(super) fn all(&self) -> Bytes {
        self.bytes.clone()
    }

    /// What a reader at `own` has not had, which goes on with it. The ids are its own: it is ahead of its group in some queue.
    pub(super) fn after(&self, own: &mut Position) -> Bytes {
        let mut out = Vec::new();
        for line in self.lines.iter().filter(|line| !own.has(line.home, &line.place)).collect::<Vec<_>>() {
            own.reach(line.home, &line.place);
            out.extend_from_slice(format!("id: {own}\n").as_bytes());
            out.extend_from_slice(&self.bytes[line.body.clone()]);
        }
        out.into()
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.held.fetch_sub(self.size(), Ordering::Relaxed);
    }
}
