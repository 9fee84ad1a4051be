//! Letters and moves on a walk: repeated, taken back, brought from elsewhere, moved to a queue beside; their groups, and what the feed tells.

use super::compare::shown;
use super::ops::Plan;
use super::walker::{Stop, Walker, pick, same};
use longshore_base::Millis;
use longshore_queue::{
    Change, Counters, Event, EventKind, JobId, Letter, NewJob, Reason, Relocation, Scope, State, Undo,
    conformance::{Case, error, only},
};
use proptest::sample::Index;
use std::collections::BTreeMap;

/// How often the feed is looked at for what must come.
const LOOKS: u32 = 50;

/// What a walk remembers of its letters.
#[derive(Debug, Default)]
pub(super) struct Post {
    /// The queue that jobs move to.
    pub(super) beside: Option<Case>,
    /// Jobs that went there.
    away: Vec<JobId>,
    last_move: Option<Relocation>,
    last_letter: Option<Letter>,
    /// How far the feed was read, and where each job stands by it.
    place: String,
    told: BTreeMap<JobId, State>,
}

impl Post {
    /// Listens from now on.
    pub(super) async fn open(case: &Case) -> Self {
        let feed = case.broker.feed(&case.queue, None, 1).await.expect("a feed");
        Self { place: feed.next, ..Self::default() }
    }
}

impl Walker {
    /// A replay is taken back: the last, the first, or one that never was.
    pub(super) async fn undo(&mut self, index: &Index, which: u8, now: Millis) -> Result<(), Stop> {
        let replays = |id: &JobId| self.world.record(*id).map(|record| record.job.replays.clone()).unwrap_or_default();
        let letters: Vec<_> = self.ids.iter().map(|id| (*id, replays(id))).filter(|(_, replays)| !replays.is_empty()).collect();
        let Some((id, replays)) = pick(index, &letters) else { return Ok(()) };
        let replay = match which {
            0 => replays[0],
            1 => self.case.id(),
            _ => replays[replays.len() - 1],
        };
        let undo = Undo { id, replay };
        let told = only(self.case.broker.undo(&Scope::All, vec![undo]).await.map_err(|error| error.to_string())?);
        same(told, self.world.undo(now, &Scope::All, undo))
    }

    /// A letter comes from elsewhere; or the last one once more.
    pub(super) async fn bury(&mut self, plan: &Plan, group: u8, again: bool, now: Millis) -> Result<(), Stop> {
        let known = self.post.last_letter.clone().filter(|_| again);
        let letter = known.unwrap_or_else(|| from_elsewhere(NewJob { wait: None, ..self.job(plan, now) }, group, now));
        self.post.last_letter = Some(letter.clone());
        let told = only(self.case.broker.bury(vec![letter.clone()]).await.map_err(|error| error.to_string())?);
        let ours = self.world.bury(now, letter);
        if let Ok(buried) = &ours
            && !self.ids.contains(&buried.id)
        {
            self.ids.push(buried.id);
        }
        same(told, ours)
    }

    /// A job goes to the queue beside; or the last move once more.
    pub(super) async fn relocate(&mut self, id: JobId, again: bool, now: Millis) -> Result<(), Stop> {
        if self.post.beside.is_none() {
            let beside = self.case.beside().await;
            self.world.register(&beside.queue, beside.home);
            self.post.beside = Some(beside);
        }
        let Some(beside) = &self.post.beside else { return Ok(()) };
        let known = self.post.last_move.clone().filter(|_| again);
        let way = known.unwrap_or_else(|| {
            let new_id = Relocation::id_of(id, self.case.id(), beside.home);
            Relocation { id, new_id, queue: beside.queue.clone() }
        });
        self.post.last_move = Some(way.clone());
        let told = only(self.case.broker.relocate(&Scope::All, vec![way.clone()]).await.map_err(|error| error.to_string())?);
        let ours = self.world.relocate(now, &Scope::All, way.clone());
        if ours.is_ok() && !self.post.away.contains(&way.new_id) {
            self.post.away.push(way.new_id);
        }
        same(told, ours)
    }

    /// The history's last line after an edit: by whom, and what was there before.
    pub(super) async fn compare_edit(&self, id: JobId) -> Result<(), Stop> {
        let theirs = only(self.case.broker.get(&Scope::All, &[id]).await.map_err(|error| error.to_string())?);
        let ours = self.world.record(id).map(|record| record.job.clone());
        let line = |job: Option<longshore_queue::Job>| job.and_then(|job| job.history.last().map(edited));
        let (theirs, ours) = (line(theirs), line(ours));
        if theirs == ours { Ok(()) } else { Err(format!("the edit of {id} differs:\n  broker {theirs:?}\n  model  {ours:?}")) }
    }

    /// What has moved, the groups, and the feed.
    pub(super) async fn compare_post(&mut self) -> Result<(), Stop> {
        if !self.post.away.is_empty() {
            let jobs = self.case.broker.get(&Scope::All, &self.post.away).await.map_err(|error| error.to_string())?;
            for (id, theirs) in self.post.away.iter().zip(jobs) {
                let (theirs, ours) = (theirs.map(|job| shown(&job)), self.world.record(*id).map(|record| shown(&record.job)));
                if theirs != ours {
                    return Err(format!("{id}, which has moved, differs:\n  broker {theirs:?}\n  model  {ours:?}"));
                }
            }
        }
        // Hours differ between the two clocks, and how many died in all of them does not.
        let groups = |groups: Vec<longshore_queue::Group>| {
            let died = |g: &longshore_queue::Group| g.hours.iter().map(|hour| hour.count).sum::<u64>();
            let mut groups: Vec<_> = groups.into_iter().map(|g| (died(&g), g.fingerprint, g.tenant, g.kind, g.count)).collect();
            groups.sort();
            groups
        };
        let told = groups(self.case.broker.groups(&Scope::All, Some(&self.case.queue)).await.map_err(|error| error.to_string())?);
        let ours = groups(self.world.groups(&Scope::All, Some(&self.case.queue)));
        if told != ours {
            return Err(format!("groups differ:\n  broker {told:?}\n  model  {ours:?}"));
        }
        self.compare_feed().await
    }

    /// By the feed every job stands where it stands.
    async fn compare_feed(&mut self) -> Result<(), Stop> {
        let mut wrong = None;
        for _ in 0..LOOKS {
            self.listen().await?;
            let there = self.seen.iter().filter(|(id, _)| id.home() == self.case.home && self.world.record(**id).is_some());
            wrong = there.map(|(id, state)| (*id, *state)).find(|(id, state)| self.post.told.get(id) != Some(state));
            if wrong.is_none() {
                return Ok(());
            }
            self.case.pass(std::time::Duration::from_millis(1)).await;
        }
        let told = wrong.and_then(|(id, _)| self.post.told.get(&id));
        Err(format!("(job, state) {wrong:?}, and the feed has told {told:?}"))
    }

    async fn listen(&mut self) -> Result<(), Stop> {
        loop {
            let feed = self.case.broker.feed(&self.case.queue, Some(&self.post.place), 100).await.map_err(|error| error.to_string())?;
            if feed.missed {
                return Err(format!("the feed has lost what came after {}", self.post.place));
            }
            if feed.entries.is_empty() {
                return Ok(());
            }
            for entry in feed.entries {
                if entry.place <= self.post.place {
                    return Err(format!("the place {} after {}", entry.place, self.post.place));
                }
                if let (Some(id), Change::State { state, .. }) = (entry.id, entry.what) {
                    self.post.told.insert(id, state);
                }
                self.post.place = entry.place;
            }
        }
    }
}

fn from_elsewhere(job: NewJob, group: u8, now: Millis) -> Letter {
    let died = Event {
        at: now - 1_000,
        what: EventKind::Died,
        run: 4,
        worker: Some("there".into()),
        started_at: Some(now - 2_000),
        error: Some(error(&format!("g{group}"))),
        before: None,
    };
    Letter {
        job,
        counters: Counters { attempts: 2, crashes: 1, crashes_in_row: 1, interruptions: 1, runs: 4 },
        reason: Reason::Exhausted,
        history: vec![died],
        started_at: Some(now - 2_000),
        ended_at: now - 1_000,
    }
}

/// What was edited by whom; of a due time only that there was one.
fn edited(event: &Event) -> (EventKind, Option<String>, Vec<String>) {
    let line = |line: &str| if line.starts_with("due 2") { "due".to_owned() } else { line.to_owned() };
    let mut lines: Vec<_> = event.before.as_deref().unwrap_or_default().lines().map(line).collect();
    lines.sort();
    (event.what, event.worker.clone(), lines)
}
