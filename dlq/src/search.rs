//! Which jobs a call or an operation is about, found oldest first, whatever order the broker lists them in.

use crate::Wanted;
use longshore_base::{Millis, Scope};
use longshore_queue::{Broker, BrokerError, EventKind, Filter, Job, JobId, OPERATIONS, Replay, State};
use serde::{Deserialize, Serialize};
use std::{collections::HashSet, ops::ControlFlow};

/// Jobs asked for at a time.
const PAGE: usize = 500;

/// Which jobs. What is in the queue of the operations is left out unless it is named, by that queue or by ids: no filter means its own
/// operation.
#[derive(Debug, Clone)]
pub struct Search {
    filter: Filter,
    /// One list each, in the order in which a job usually goes through them, so that few are missed that move meanwhile.
    states: Vec<State>,
    mark: Mark,
    ids: Option<Vec<JobId>>,
}

/// What a job must have besides.
#[derive(Debug, Clone)]
enum Mark {
    Any,
    /// It is a letter whose last replay is this operation's.
    RepeatedBy(JobId),
    /// Its history has a change by this name.
    EditedBy(String),
}

/// One job of a search; they are ordered by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Found {
    /// When it ended; of a living job, when it was enqueued.
    pub at: Millis,
    /// Which.
    pub id: JobId,
}

/// How many jobs a search comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// So many, at most the bound.
    pub count: usize,
    /// There are more than that.
    pub more: bool,
}

impl Search {
    /// Dead letters that ended before `before` and were not repeated.
    #[must_use]
    pub fn letters(wanted: &Wanted, before: Millis) -> Self {
        Self::of(wanted, &[State::Dead], before)
    }

    /// Letters of [`Self::letters`] whose last replay was made by `operation`.
    #[must_use]
    pub fn repeated_by(operation: JobId, wanted: &Wanted, before: Millis) -> Self {
        let mut search = Self::of(wanted, &[State::Dead], before);
        search.filter.replayed = true;
        Self { mark: Mark::RepeatedBy(operation), ..search }
    }

    /// Living jobs in one of `states` that were enqueued before `before`.
    #[must_use]
    pub fn living(wanted: &Wanted, states: &[State], before: Millis) -> Self {
        Self::of(wanted, states, before)
    }

    /// Jobs of [`Self::living`] whose history has a change by `who`; the state that was asked for then is not looked at, as a change may have
    /// moved them to another.
    #[must_use]
    pub fn edited_by(who: String, wanted: &Wanted, states: &[State], before: Millis) -> Self {
        let wanted = Wanted { state: None, ..wanted.clone() };
        Self { mark: Mark::EditedBy(who), ..Self::of(&wanted, states, before) }
    }

    fn of(wanted: &Wanted, states: &[State], before: Millis) -> Self {
        let mut filter = wanted.filter();
        filter.to = Some(filter.to.map_or(before, |to| to.min(before)));
        // Each list names its own.
        filter.state = None;
        let states = states.iter().copied().filter(|state| wanted.state.is_none_or(|asked| asked == *state)).collect();
        Self { filter, states, mark: Mark::Any, ids: None }
    }

    /// Those of `ids` only, whenever they ended.
    #[must_use]
    pub fn only(mut self, ids: Option<Vec<JobId>>) -> Self {
        if ids.is_some() {
            self.filter.to = None;
        }
        Self { ids, ..self }
    }

    /// The same with narrower bounds: at or after `from`, before `to`.
    #[must_use]
    pub fn between(&self, from: Millis, to: Millis) -> Self {
        let mut search = self.clone();
        search.filter.from = Some(search.filter.from.map_or(from, |own| own.max(from)));
        search.filter.to = Some(search.filter.to.map_or(to, |own| own.min(to)));
        search
    }

    /// Every job, oldest first. None: there are more than `most`.
    ///
    /// # Errors
    /// The broker's.
    pub async fn find(&self, broker: &dyn Broker, scope: &Scope, most: usize) -> Result<Option<Vec<Found>>, BrokerError> {
        let mut found = Vec::new();
        let mut keep = |job: &Job| found.push(Found { at: job.ended_at.unwrap_or(job.created_at), id: job.id });
        if self.walk(broker, scope, most, &mut keep).await?.is_break() {
            return Ok(None);
        }
        found.sort_unstable();
        Ok(Some(found))
    }

    /// How many there are, counted up to `most`.
    ///
    /// # Errors
    /// The broker's.
    pub async fn count(&self, broker: &dyn Broker, scope: &Scope, most: usize) -> Result<Count, BrokerError> {
        let mut count = 0;
        let more = self.walk(broker, scope, most, &mut |_| count += 1).await?.is_break();
        Ok(Count { count, more })
    }

    /// Hands over every job once, in no order. Break: there are more than `most`.
    pub(crate) async fn walk(
        &self,
        broker: &dyn Broker,
        scope: &Scope,
        most: usize,
        take: &mut (dyn FnMut(&Job) + Send),
    ) -> Result<ControlFlow<()>, BrokerError> {
        let mut seen = HashSet::new();
        let mut left = most;
        let mut show = |job: &Job| {
            if !self.marks(job) || !seen.insert(job.id) {
                return ControlFlow::Continue(());
            }
            if left == 0 {
                return ControlFlow::Break(());
            }
            left -= 1;
            take(job);
            ControlFlow::Continue(())
        };
        if let Some(ids) = &self.ids {
            for part in ids.chunks(PAGE) {
                for job in broker.get(scope, part).await?.iter().flatten() {
                    if self.filter.matches(job) && show(job).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            return Ok(ControlFlow::Continue(()));
        }
        for state in &self.states {
            let filter = Filter { state: Some(*state), ..self.filter.clone() };
            let mut cursor: Option<String> = None;
            loop {
                let page = broker.list(scope, &filter, PAGE, cursor.as_deref()).await?;
                for job in &page.items {
                    if show(job).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                cursor = page.cursor;
                if cursor.is_none() {
                    break;
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether `job`, which the filter matches, is one of them.
    fn marks(&self, job: &Job) -> bool {
        let named = self.ids.is_some() || self.filter.queue.is_some();
        let marked = match &self.mark {
            Mark::Any => job.state != State::Dead || !job.replayed,
            Mark::RepeatedBy(operation) => job.replayed && job.replays.last() == Some(&Replay::id_of(job.id, *operation)),
            Mark::EditedBy(who) => is_edited_by(job, who),
        };
        marked && self.states.contains(&job.state) && (named || job.queue.as_str() != OPERATIONS)
    }
}

fn is_edited_by(job: &Job, who: &str) -> bool {
    job.history.iter().any(|event| event.what == EventKind::Edited && event.worker.as_deref() == Some(who))
}

#[cfg(test)]
mod tests;
