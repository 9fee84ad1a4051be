//! Schedules as people change and see them, and the way of one from queue to queue: frozen where it was, landed where it goes, the
//! directory switched, the frozen one dropped. Each step may be repeated by anybody who sees it half done, and at no time two of it fire.

use super::{
    RedisBroker, Result,
    directory::{Called, Lives},
    keys,
    queues::Queue,
    scheduled::{self, Stored},
    script::Script,
    value,
};
use crate::{
    BrokerError, DueSchedules, Schedule, ScheduleChange, ScheduleFilter, SchedulePage, ScheduleState, Scope, TICKS_KEPT, TickRecord,
};
use longshore_base::{Code, Millis, Name};
use redis::{Cmd, Value};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Times that a change is begun anew because another one came between.
const TRIES: usize = 20;
/// Entries of the directory read at once, and schedules asked of a queue at once.
const STEP: usize = 100;
/// Schedules that one look answers at most.
const DUE_MAX: usize = 1000;

/// What a change comes to in a queue's slot.
enum Came {
    Is(Box<Stored>),
    Missing,
    Other(u64),
    /// It is on its way to another queue.
    Frozen,
    /// It has come from another queue, and may still stand there.
    Unlanded,
    /// The name was claimed anew since.
    Stale,
}

impl RedisBroker {
    pub(super) async fn change_schedule(
        &self,
        tenant: &Name,
        name: &Name,
        change: &ScheduleChange,
        expected: Option<u64>,
    ) -> Result<ScheduleState> {
        let called = Called::new(tenant, name);
        if expected.is_some() {
            // A change that will be refused writes nothing on its way.
            let revision = self.found(&called).await?.map_or(0, |(_, stored)| stored.state.revision);
            if revision == 0 && !matches!(change, ScheduleChange::Put { .. }) {
                return Err(missing(&called));
            }
            expect(&called, revision, expected)?;
        }
        for _ in 0..TRIES {
            let done = match change {
                ScheduleChange::Put { schedule, .. } => self.put(&called, schedule, change, expected).await?,
                _ => self.steer(&called, change, expected).await?,
            };
            if let Some(state) = done {
                return Ok(state);
            }
        }
        Err(BrokerError::Moving)
    }

    /// Makes or replaces it. None: something came between; begin anew.
    async fn put(
        &self,
        called: &Called,
        schedule: &Schedule,
        change: &ScheduleChange,
        expected: Option<u64>,
    ) -> Result<Option<ScheduleState>> {
        let target = self.queue(&schedule.queue).await?;
        let lives = self.claim(called, &target.name).await?;
        if lives.queue != target.name {
            return self.move_out(called, &lives, change, expected).await;
        }
        let mut command = self.change(&target, called, "put", expected);
        add(&mut command, lives.claim, change)?;
        let ScheduleChange::Put { incarnation, .. } = change else { return Err(value::strange("schedule")) };
        command.arg(&incarnation.0.to_be_bytes());
        let came = self.came(&target, &command).await?;
        self.settled(called, &target, came, expected).await
    }

    /// Freezes it where it is and carries it over.
    async fn move_out(
        &self,
        called: &Called,
        lives: &Lives,
        change: &ScheduleChange,
        expected: Option<u64>,
    ) -> Result<Option<ScheduleState>> {
        let ScheduleChange::Put { schedule, .. } = change else { return Err(value::strange("schedule")) };
        let old = self.queue(&lives.queue).await?;
        let mut command = self.change(&old, called, "freeze", expected);
        add(&mut command, lives.claim, change)?;
        command.arg(schedule.queue.as_str());
        match self.came(&old, &command).await? {
            Came::Is(frozen) => Ok(self.carry_over(called, &old, &frozen).await?.map(|landed| landed.state)),
            Came::Missing => {
                // Nothing is there, and nobody can put it there any more by this claim or an older one.
                self.switch(called, lives, &schedule.queue).await?;
                Ok(None)
            }
            other => self.settled(called, &old, other, expected).await,
        }
    }

    /// Pauses, resumes or removes it.
    async fn steer(&self, called: &Called, change: &ScheduleChange, expected: Option<u64>) -> Result<Option<ScheduleState>> {
        let Some(lives) = self.lives(called).await? else { return Err(missing(called)) };
        let queue = self.queue(&lives.queue).await?;
        let command = match change {
            ScheduleChange::Pause(pause) => self.change(&queue, called, "pause", expected).arg(json(pause)?).to_owned(),
            ScheduleChange::Resume => self.change(&queue, called, "resume", expected),
            _ => self.change(&queue, called, "remove", expected).arg(lives.claim).to_owned(),
        };
        match self.came(&queue, &command).await? {
            Came::Missing if self.lives(called).await?.as_ref() == Some(&lives) => Err(missing(called)),
            Came::Missing => Ok(None),
            Came::Is(stored) => {
                if matches!(change, ScheduleChange::Remove) {
                    let gone = Lives { claim: lives.claim.max(stored.claim()), ..lives };
                    // An entry that stays counts as none.
                    let _ = self.forget_name(called, &gone).await;
                }
                Ok(Some(stored.state))
            }
            other => self.settled(called, &queue, other, expected).await,
        }
    }

    /// Ends what another change left half done; None: begin anew.
    async fn settled(&self, called: &Called, queue: &Arc<Queue>, came: Came, expected: Option<u64>) -> Result<Option<ScheduleState>> {
        match came {
            Came::Is(stored) => return Ok(Some(stored.state)),
            Came::Other(revision) => {
                let expected = expected.or(Some(0));
                expect(called, revision, expected)?;
            }
            Came::Frozen => {
                if let Some(frozen) = self.at(queue, called).await? {
                    self.carry_over(called, queue, &frozen).await?;
                }
            }
            Came::Unlanded => {
                if let Some(from) = self.at(queue, called).await?.and_then(|stored| stored.from()) {
                    let old = self.queue(&from).await?;
                    match self.at(&old, called).await? {
                        Some(frozen) if frozen.goes_to().as_ref() == Some(&queue.name) => {
                            self.carry_over(called, &old, &frozen).await?;
                        }
                        _ => self.landed(called, queue, &old).await?,
                    }
                }
            }
            Came::Missing | Came::Stale => {}
        }
        Ok(None)
    }

    /// The frozen schedule lands in the queue that it goes to. Answers how it stands there; None: others have done all this, and more.
    async fn carry_over(&self, called: &Called, old: &Arc<Queue>, seen: &Stored) -> Result<Option<Stored>> {
        let Some(to) = seen.goes_to() else { return Ok(None) };
        let target = self.queue(&to).await?;
        // First where it lives, then whether it is still frozen: so a switch by this claim is the one of this very move.
        let lives = self.lives(called).await?;
        let Some(frozen) = self.at(old, called).await?.filter(|now| now.goes_to().as_ref() == Some(&to)) else { return Ok(None) };
        let history = self.history(old, called, TICKS_KEPT).await?;
        let state = &frozen.state;
        let mut command = self.change(&target, called, "land", None);
        command.arg(old.name.as_str()).arg(frozen.incarnation()).arg(state.revision).arg(state.created_at).arg(state.cursor);
        command.arg(frozen.goes_as()).arg(&history);
        let landed = self.came(&target, &command).await?;
        let claim = match lives {
            Some(lives) if lives.queue == old.name => {
                self.switch(called, &lives, &to).await?.map_or(lives.claim, |now| now.claim.max(lives.claim))
            }
            Some(lives) => lives.claim,
            None => 0,
        };
        let mut command = self.change(old, called, "drop", None);
        command.arg(claim).arg(frozen.incarnation()).arg(state.revision);
        self.call(old, Script::Schedule, &command).await?;
        self.landed(called, &target, old).await?;
        Ok(match landed {
            Came::Is(stored) => Some(*stored),
            _ => None,
        })
    }

    async fn landed(&self, called: &Called, target: &Queue, old: &Queue) -> Result<()> {
        let mut command = self.change(target, called, "landed", None);
        command.arg(old.name.as_str());
        self.call(target, Script::Schedule, &command).await.map(drop)
    }

    pub(super) async fn schedule_of(&self, scope: &Scope, tenant: &Name, name: &Name) -> Result<Option<ScheduleState>> {
        if !scope.sees(tenant) {
            return Ok(None);
        }
        Ok(self.found(&Called::new(tenant, name)).await?.map(|(_, stored)| stored.state))
    }

    /// Where it lives and how it stands; a move that is half done is done first.
    async fn found(&self, called: &Called) -> Result<Option<(Arc<Queue>, Stored)>> {
        let mut before = None;
        for _ in 0..TRIES {
            let Some(lives) = self.lives(called).await? else { return Ok(None) };
            let queue = self.queue(&lives.queue).await?;
            match self.at(&queue, called).await? {
                Some(stored) if stored.goes_to().is_some() => _ = self.carry_over(called, &queue, &stored).await?,
                Some(stored) => return Ok(Some((queue, stored))),
                // The entry may have been read while it moved away.
                None if before.as_ref() == Some(&lives) => return Ok(None),
                None => before = Some(lives),
            }
        }
        Err(BrokerError::Moving)
    }

    pub(super) async fn page_of_schedules(
        &self,
        scope: &Scope,
        filter: &ScheduleFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<SchedulePage> {
        let mut page = SchedulePage::default();
        let tenant = match (scope, &filter.tenant) {
            (Scope::Tenant(own), Some(asked)) if own != asked => return Ok(page),
            (Scope::Tenant(own), _) => Some(own),
            (Scope::All, asked) => asked.as_ref(),
        };
        let mut after = cursor.map(read_cursor).transpose()?;
        let limit = limit.clamp(1, 1000);
        loop {
            let names = self.names(tenant, after.as_ref(), STEP).await?;
            let Some((last, _)) = names.last() else { return Ok(page) };
            after = Some(last.clone());
            for state in self.standing(names).await? {
                if !filter.matches(&state.schedule) {
                    continue;
                }
                if page.items.len() == limit {
                    page.cursor = page.items.last().map(|last| format!("{}/{}", last.schedule.tenant, last.schedule.name));
                    return Ok(page);
                }
                page.items.push(state);
            }
        }
    }

    /// Those of the named that are there, in their order.
    async fn standing(&self, names: Vec<(Called, Name)>) -> Result<Vec<ScheduleState>> {
        let mut by_queue: BTreeMap<&Name, Vec<usize>> = BTreeMap::new();
        for (at, (_, queue)) in names.iter().enumerate() {
            by_queue.entry(queue).or_default().push(at);
        }
        let mut found: Vec<Option<ScheduleState>> = names.iter().map(|_| None).collect();
        for (queue, places) in by_queue {
            let queue = self.queue(queue).await?;
            let mut command = self.command(Script::FindSchedule, &queue.meta);
            for at in &places {
                command.arg(names[*at].0.key());
            }
            let answers = value::list(self.call(&queue, Script::FindSchedule, &command).await?, "find_schedule")?;
            for (at, answer) in places.into_iter().zip(answers) {
                let stored = if let Value::Int(_) = answer { None } else { Some(Stored::read(&queue, answer)?) };
                found[at] = match stored {
                    Some(stored) if stored.goes_to().is_none() => Some(stored.state),
                    // On its way, or read while it went.
                    _ => self.found(&names[at].0).await?.map(|(_, stored)| stored.state),
                };
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    pub(super) async fn ticks_of(&self, scope: &Scope, tenant: &Name, name: &Name, limit: usize) -> Result<Vec<TickRecord>> {
        if !scope.sees(tenant) || limit == 0 {
            return Ok(Vec::new());
        }
        let called = Called::new(tenant, name);
        let Some((queue, _)) = self.found(&called).await? else { return Ok(Vec::new()) };
        let history = self.history(&queue, &called, limit).await?;
        history.iter().map(|entry| scheduled::tick(entry).ok_or_else(|| BrokerError::Corrupt("a tick".to_owned()))).collect()
    }

    /// Newest first, as stored.
    async fn history(&self, queue: &Queue, called: &Called, limit: usize) -> Result<Vec<Vec<u8>>> {
        let key = keys::sibling(&queue.meta, &format!("h:{}", called.key()));
        let command = redis::cmd("LRANGE").arg(key).arg(0).arg(limit.min(TICKS_KEPT) - 1).to_owned();
        let entries = value::list(self.router.call(queue.slot, &command, None).await?, "ticks")?;
        Ok(entries.iter().map(|entry| value::bytes(entry).unwrap_or_default().to_vec()).collect())
    }

    pub(super) async fn due_now(&self, name: &Name, limit: usize) -> Result<DueSchedules> {
        let Some(queue) = self.existing(name).await? else {
            return Ok(DueSchedules { now: self.options.clock.now(), ..DueSchedules::default() });
        };
        let mut command = self.command(Script::DueSchedules, &queue.meta);
        command.arg(limit.clamp(1, DUE_MAX));
        let answer = value::list(self.call(&queue, Script::DueSchedules, &command).await?, "due_schedules")?;
        let number = |at: usize| answer.get(at).map_or_else(|| Err(value::strange("due_schedules")), |v| value::int(v, "due_schedules"));
        let (now, next): (Millis, Millis) = (number(0)?, number(1)?);
        let next_in = (next >= 0).then(|| Duration::from_millis(u64::try_from(next - now).unwrap_or(0)));
        let mut due = DueSchedules { now, due: Vec::new(), next_in };
        for one in answer.into_iter().skip(2) {
            let stored = Stored::read(&queue, one)?;
            if stored.goes_to().is_none() {
                due.due.push(stored.state);
                continue;
            }
            let called = Called::new(&stored.state.schedule.tenant, &stored.state.schedule.name);
            if let Err(error) = self.carry_over(&called, &queue, &stored).await {
                tracing::warn!(queue = %queue.name, schedule = %called.key(), %error, "a schedule is still on its way to another queue");
            }
        }
        Ok(due)
    }

    async fn at(&self, queue: &Queue, called: &Called) -> Result<Option<Stored>> {
        let mut command = self.command(Script::FindSchedule, &queue.meta);
        command.arg(called.key());
        let answers = value::list(self.call(queue, Script::FindSchedule, &command).await?, "find_schedule")?;
        match answers.into_iter().next() {
            Some(Value::Int(_)) => Ok(None),
            Some(answer) => Stored::read(queue, answer).map(Some),
            None => Err(value::strange("find_schedule")),
        }
    }

    fn change(&self, queue: &Queue, called: &Called, what: &str, expected: Option<u64>) -> Cmd {
        let mut command = self.command(Script::Schedule, &queue.meta);
        command.arg(called.key()).arg(what).arg(expected.map(|n| n.to_string()).unwrap_or_default());
        command
    }

    async fn came(&self, queue: &Queue, command: &Cmd) -> Result<Came> {
        let answer = self.call(queue, Script::Schedule, command).await?;
        let Some(word) = value::text(&answer) else { return Ok(Came::Is(Box::new(Stored::read(queue, answer)?))) };
        Ok(match word.split_once(' ').unwrap_or((word, "")) {
            ("none", _) => Came::Missing,
            ("frozen", _) => Came::Frozen,
            ("unlanded", _) => Came::Unlanded,
            ("stale", _) => Came::Stale,
            ("other", revision) => Came::Other(revision.parse().map_err(|_| value::strange("schedule"))?),
            _ => return Err(value::strange("schedule")),
        })
    }
}

/// Claim, spec, timing, overlap rule and pause of a Put.
fn add(command: &mut Cmd, claim: u64, change: &ScheduleChange) -> Result<()> {
    let ScheduleChange::Put { schedule, paused, .. } = change else { return Err(value::strange("schedule")) };
    let paused = paused.as_ref().map(json).transpose()?.unwrap_or_default();
    command.arg(claim).arg(json(schedule)?).arg(json(&schedule.timing)?).arg(scheduled::overlap(schedule.overlap)).arg(paused);
    Ok(())
}

fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| BrokerError::Refused(error.to_string()))
}

fn missing(called: &Called) -> BrokerError {
    let detail = format!("{} has no schedule `{}`", called.tenant, called.name);
    BrokerError::Conflict { code: Code::ScheduleNotFound, detail }
}

fn expect(called: &Called, revision: u64, expected: Option<u64>) -> Result<()> {
    match expected.filter(|expected| *expected != revision) {
        None => Ok(()),
        Some(expected) => {
            let detail = format!("the schedule `{}` is at revision {revision}, not {expected}", called.name);
            Err(BrokerError::Conflict { code: Code::ScheduleMismatch, detail })
        }
    }
}

fn read_cursor(text: &str) -> Result<Called> {
    let read = || {
        let (tenant, name) = text.split_once('/')?;
        Some(Called { tenant: Name::new(tenant).ok()?, name: Name::new(name).ok()? })
    };
    read().ok_or_else(|| BrokerError::Cursor(text.to_owned()))
}
