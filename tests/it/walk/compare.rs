//! After every step: whatever can be seen of the broker is what the model says.

use super::ops::reachable;
use super::walker::{Stop, Walker};
use longshore_queue::{Job, JobId, Saves, Scope};
use std::fmt::Debug;

impl Walker {
    pub(super) async fn compare(&mut self) -> Result<(), Stop> {
        let jobs = self.case.broker.get(&Scope::All, &self.ids).await.map_err(|error| error.to_string())?;
        for (id, theirs) in self.ids.iter().zip(jobs) {
            let ours = self.world.record(*id).map(|record| shown(&record.job));
            if let Some(job) = &theirs {
                let before = self.seen.insert(*id, job.state);
                if before.is_some_and(|before| !reachable(before, job.state)) {
                    return Err(format!("{id} went from {before:?} to {}", job.state));
                }
            }
            let theirs = theirs.map(|job| shown(&job));
            if theirs != ours {
                return Err(format!("{id} differs:\n  broker {theirs:?}\n  model  {ours:?}"));
            }
            if ours.is_some() {
                self.compare_inbox(*id).await?;
            }
        }
        let mut told = self.case.broker.stats(&Scope::All, &self.case.queue).await.map_err(|error| error.to_string())?;
        let mut ours = self.world.stats(self.case.now().await, &Scope::All, &self.case.queue);
        for stats in [&mut told, &mut ours] {
            (stats.oldest_ready_ms, stats.lease_lost) = (None, 0);
            // Clocks differ, and what they are a measure of.
            (stats.rate_per_s, stats.mean_ms, stats.scaled_at) = (0.0, None, stats.scaled_at.map(|_| 0));
        }
        if told != ours {
            return Err(format!("counts differ:\n  broker {told:?}\n  model  {ours:?}"));
        }
        self.compare_schedules().await?;
        self.compare_post().await?;
        self.compare_rules().await
    }

    async fn compare_inbox(&self, id: JobId) -> Result<(), Stop> {
        let told = self.case.broker.inbox(id).await.map_err(|error| format!("inbox of {id}: {error}"))?;
        let ours = self.world.inbox(id).map_err(|error| error.to_string())?;
        let inbox = |inbox: longshore_queue::Inbox| {
            let children: Vec<_> = inbox.children.into_iter().map(|c| (c.key, c.id, c.outcome.map(|o| o.state))).collect();
            let signals: Vec<_> = inbox.signals.into_iter().map(|s| (s.once, s.name)).collect();
            (children, signals)
        };
        let saves = |saves: Saves| {
            let mut steps: Vec<_> = saves.steps.into_iter().map(|(key, value)| (key, value.get().to_owned())).collect();
            steps.sort();
            (saves.cursor.map(|cursor| cursor.get().to_owned()), steps)
        };
        // What an ended job was told or had kept is of no use to anybody; a broker may let go of it.
        if self.world.record(id).is_some_and(|record| record.job.state.is_ended()) {
            return Ok(());
        }
        let (told, ours) = (inbox(told), inbox(ours));
        if told != ours {
            return Err(format!("the inbox of {id} differs:\n  broker {told:?}\n  model  {ours:?}"));
        }
        let told = saves(self.case.broker.saved(id).await.map_err(|error| error.to_string())?);
        let ours = saves(self.world.saved(id).map_err(|error| error.to_string())?);
        if told == ours { Ok(()) } else { Err(format!("what {id} has kept differs:\n  broker {told:?}\n  model  {ours:?}")) }
    }
}

/// What can be seen of a job and does not depend on the two clocks.
pub(super) fn shown(job: &Job) -> impl PartialEq + Debug + use<> {
    let counters = (job.counters.attempts, job.counters.crashes, job.counters.crashes_in_row, job.counters.interruptions);
    let ends = (job.reason, job.ended_at.is_some(), job.output.as_ref().map(|o| o.get().to_owned()));
    let links = (job.parent.clone(), job.replay_of, job.replays.clone(), job.replayed, job.moved_from, job.moved_to);
    (
        job.state,
        counters,
        ends,
        links,
        job.priority,
        job.args.get().to_owned(),
        job.due_at.is_some(),
        job.cancel_requested,
        job.worker.clone(),
        job.tick.clone(),
        job.trace.clone(),
        job.tags.clone(),
    )
}
