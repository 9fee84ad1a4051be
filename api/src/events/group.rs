//! Readers with the same filter. They share the text of their events; each has a row of its own.

use super::{
    line::{Chunk, Event},
    position::Position,
    row::Row,
    seats::Seat,
};
use longshore_base::{Name, Scope};
use longshore_queue::JobId;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Bytes of chunks that wait for readers of this process, all together.
const HELD_MAX: usize = 256 << 20;

/// What a reader wants to hear.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    /// None: an operator, who hears everything.
    pub(super) scope: Option<Name>,
    pub(super) queue: Option<Name>,
    pub(super) tenant: Option<Name>,
    pub(super) kind: Option<Name>,
    pub(super) job: Option<JobId>,
}

impl Wanted {
    pub(super) fn new(scope: &Scope) -> Self {
        let scope = match scope {
            Scope::All => None,
            Scope::Tenant(tenant) => Some(tenant.clone()),
        };
        Self { scope, queue: None, tenant: None, kind: None, job: None }
    }

    /// One job, which whoever asks may see.
    pub(super) fn job(queue: Name, id: JobId) -> Self {
        Self { scope: None, queue: Some(queue), tenant: None, kind: None, job: Some(id) }
    }

    /// Whether a reader with this wish gets the event.
    pub(super) fn wants(&self, event: &Event) -> bool {
        let tenant = event.label.as_ref().map(|label| &label.tenant).or(event.tenant.as_ref());
        let kind = event.label.as_ref().map(|label| &label.kind);
        self.scope.as_ref().is_none_or(|own| tenant == Some(own))
            && self.tenant.as_ref().is_none_or(|asked| tenant == Some(asked))
            && self.kind.as_ref().is_none_or(|asked| kind == Some(asked))
            && self.job.is_none_or(|asked| event.id == Some(asked))
    }

    /// Whether it listens to this queue.
    pub(super) fn hears(&self, queue: &Name) -> bool {
        self.queue.as_ref().is_none_or(|named| named == queue)
    }
}

/// How far a group is, for readers to whom nothing is told: events that they do not want pass too.
#[derive(Debug, Default)]
pub(super) struct Mark(Mutex<Position>);

impl Mark {
    pub(super) fn get(&self) -> Position {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    fn set(&self, position: &Position) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone_from(position);
    }
}

pub(super) struct Group {
    wanted: Wanted,
    pub(super) position: Position,
    pub(super) mark: Arc<Mark>,
    rows: Vec<Arc<Row>>,
    held: Arc<AtomicUsize>,
}

impl Group {
    pub(super) fn new(wanted: Wanted, position: Position, held: Arc<AtomicUsize>) -> Self {
        let mark = Arc::<Mark>::default();
        mark.set(&position);
        Self { wanted, position, mark, rows: Vec::new(), held }
    }

    pub(super) const fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    pub(super) fn enter(&mut self, seat: Seat) -> Arc<Row> {
        let row = Row::new(seat);
        self.rows.push(Arc::clone(&row));
        row
    }

    /// Events of a queue up to `next` go out. A reader that is behind is never waited for.
    pub(super) fn tell(&mut self, events: &[Event], home: u16, next: &str) {
        let wanted = &self.wanted;
        let own = events.iter().filter(|event| wanted.wants(event));
        for chunk in Chunk::pack(own, &mut self.position, wanted.job.is_some(), &self.held) {
            let full = self.held.load(Ordering::Relaxed) > HELD_MAX;
            self.rows.iter().for_each(|row| row.put(&chunk, full));
        }
        self.position.reach(home, next);
        // Behind the chunks: a reader that sees the mark and an empty row has had everything up to the mark.
        self.mark.set(&self.position);
    }

    /// Its readers, to be told that something waits.
    pub(super) fn rows(&self) -> &[Arc<Row>] {
        &self.rows
    }

    /// The hub itself could not keep up with a feed.
    pub(super) fn gap(&self) {
        self.rows.iter().for_each(|row| row.miss(None));
    }

    /// Lets those go that have gone or are stuck. False: nobody is left.
    pub(super) fn sweep(&mut self, now: Duration) -> bool {
        self.rows.retain(|row| row.is_alive(now));
        !self.rows.is_empty()
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        self.rows.iter().for_each(|row| row.close());
    }
}
