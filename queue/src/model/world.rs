//! What the model remembers, and the few steps that several moves share.

use crate::{
    Auto, BrokerError, Child, ChildOutcome, Delivery, ErrorInfo, Event, EventKind, Home, Job, JobId, KindRecord, LeaseReply, LogLine,
    NewJob, Reason, RuleScope, Saves, Scope, Signal, State, Token, UniqueMode, Wait, Woken,
};
use longshore_base::{Millis, Name};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

pub(super) type Result<T> = std::result::Result<T, BrokerError>;

/// `duration` in whole milliseconds, as times are kept.
pub(super) fn ms(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

/// Everything that a broker remembers.
#[derive(Debug, Default)]
pub struct World {
    /// Queue names by their numbers.
    pub(super) homes: BTreeMap<Home, Name>,
    pub(super) queues: BTreeMap<Name, Queue>,
    pub(super) kinds: BTreeMap<Name, KindRecord>,
    pub(super) workers: BTreeMap<String, super::rest::Worker>,
    pub(super) requests: BTreeMap<(Name, String), super::rest::Request>,
    pub(super) resources: BTreeMap<Name, super::resources::Resource>,
    /// By tenant and name.
    pub(super) schedules: BTreeMap<(Name, Name), super::schedules::Entry>,
    /// Steps that a feed keeps; None: [`crate::FEED_MAX`].
    pub(super) feed_steps: Option<usize>,
}

/// One queue.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) name: Name,
    pub(super) jobs: BTreeMap<JobId, Record>,
    /// The last number given in the order of enqueue.
    pub(super) seq: u64,
    /// The last token granted.
    pub(super) token: u64,
    pub(super) running: BTreeSet<JobId>,
    pub(super) scopes: BTreeMap<RuleScope, super::rules::Rules>,
    /// What each tenant has had of the slots' time, and where the queue stands: the virtual time of the tenant that started last.
    pub(super) shares: BTreeMap<Name, super::lanes::Share>,
    pub(super) turn: f64,
    /// The lanes that could run when somebody last looked.
    pub(super) open: BTreeSet<super::lanes::Lane>,
    /// Mean durations in milliseconds: by kind, and over all.
    pub(super) means: BTreeMap<Name, f64>,
    pub(super) mean_ms: Option<f64>,
    /// When the latest attempts ended.
    pub(super) ends: VecDeque<Millis>,
    /// Who holds a unique key: (tenant, kind, key) to the job and the end of a throttle's window.
    pub(super) uniques: BTreeMap<(Name, Name, String), (JobId, Option<Millis>)>,
    /// Ids that were merged into another job, newest last.
    pub(super) merged: VecDeque<(JobId, JobId)>,
    /// The last reply of each worker, by its call number.
    pub(super) replies: BTreeMap<String, (u64, LeaseReply)>,
    pub(super) outbox: VecDeque<Parcel>,
    /// Letters that came to each group, by the hour.
    pub(super) hours: BTreeMap<super::letters::GroupKey, BTreeMap<Millis, u64>>,
    pub(super) feed: super::feed::Tape,
    pub(super) slots: Option<u32>,
    pub(super) scaled_at: Option<Millis>,
    pub(super) auto: Option<Auto>,
    pub(super) lease_lost: u64,
    pub(super) last_seen: Option<Millis>,
    pub(super) held_until: Millis,
}

/// Something to be carried to another job.
#[derive(Debug, Clone)]
pub(super) enum Parcel {
    Tell(Delivery),
    Cancel(JobId),
    /// A job that goes on here.
    Move(Box<NewJob>),
}

/// A job with what only the broker needs to know about it.
#[derive(Debug)]
pub struct Record {
    /// As it is shown.
    pub job: Job,
    /// The order of enqueue, kept over retries.
    pub seq: u64,
    /// The current lease.
    pub token: Option<Token>,
    /// When that lease ends.
    pub lease_ends: Millis,
    /// The worker's call that granted it.
    pub call: u64,
    /// The last settled token, with the state that its ack led to; `None` when the lease was lost.
    pub past: Option<(Token, Option<State>)>,
    /// It was leased at least once and not given back unstarted.
    pub started: bool,
    /// Slot-time in milliseconds that the current lease was charged with so far, and over which weight.
    pub(super) charged: f64,
    pub(super) weight: f64,
    /// The budget's period in which its cost is reserved.
    pub(super) reserved: Option<super::rules::Span>,
    /// Units that the attempt said it has used.
    pub(super) noted: Option<u64>,
    pub(super) wait: Option<Wait>,
    pub(super) woken: Option<Woken>,
    pub(super) children: BTreeMap<String, Child>,
    pub(super) mailbox: Vec<Signal>,
    pub(super) saves: Saves,
    pub(super) logs: VecDeque<LogLine>,
    /// Lines that were too many.
    pub(super) dropped: u64,
}

impl World {
    /// A queue's number, given at its first mention.
    pub fn home(&mut self, queue: &Name) -> Home {
        let known = self.homes.iter().find(|(_, name)| *name == queue).map(|(home, _)| *home);
        known.unwrap_or_else(|| {
            let home = Home(self.homes.last_key_value().map_or(0, |(home, _)| home.0) + 1);
            self.register(queue, home);
            home
        })
    }

    /// Gives a new queue the number that it has elsewhere, so that the same jobs can be enqueued here and there.
    pub fn register(&mut self, queue: &Name, home: Home) {
        self.homes.insert(home, queue.clone());
        self.queues.insert(queue.clone(), Queue::new(queue.clone()));
    }

    pub(super) fn queue(&mut self, queue: &Name) -> &mut Queue {
        self.home(queue);
        self.queues.get_mut(queue).expect("registered above")
    }

    /// The queue that `id` names, if there is one.
    pub(super) fn queue_of(&mut self, id: JobId) -> Option<&mut Queue> {
        let name = self.homes.get(&id.home())?;
        self.queues.get_mut(name)
    }

    /// A job's record.
    #[must_use]
    pub fn record(&self, id: JobId) -> Option<&Record> {
        let name = self.homes.get(&id.home())?;
        self.queues.get(name)?.jobs.get(&id)
    }

    /// Every record of a queue.
    pub fn records(&self, queue: &Name) -> impl Iterator<Item = &Record> {
        self.queues.get(queue).into_iter().flat_map(|q| q.jobs.values())
    }

    /// Everything that is kept for a queue, as text; without the count of late writes and the time it was last seen.
    #[must_use]
    pub fn dump(&self, queue: &Name) -> String {
        self.queues.get(queue).map_or_else(String::new, |q| {
            let rest = (q.seq, q.token, &q.uniques, &q.merged, &q.replies, &q.outbox, q.slots, &q.auto);
            let fair = (&q.running, &q.scopes, &q.shares, q.turn, &q.open, &q.means, q.mean_ms, &q.ends);
            let hours = &q.hours;
            let schedules: Vec<_> = self.schedules.values().filter(|entry| entry.state.schedule.queue == *queue).collect();
            format!("{:#?}\n{rest:#?}\n{fair:#?}\n{hours:#?}\n{schedules:#?}", q.jobs)
        })
    }

    /// The queue and the job, for whoever may see it.
    pub(super) fn seen(&mut self, scope: &Scope, id: JobId) -> Result<(&mut Queue, JobId)> {
        let queue = self.queue_of(id).ok_or(BrokerError::NotFound)?;
        let visible = queue.jobs.get(&id).is_some_and(|r| scope.sees(&r.job.tenant));
        if visible { Ok((queue, id)) } else { Err(BrokerError::NotFound) }
    }

    /// Carries everything that waits in an outbox to where it belongs.
    pub(super) fn drain(&mut self, now: Millis) -> u32 {
        let mut carried = 0;
        while let Some(parcel) = self.queues.values_mut().find_map(|q| q.outbox.pop_front()) {
            carried += 1;
            match parcel {
                Parcel::Tell(delivery) => {
                    // A parent that is gone, or a mailbox that is full, needs nothing more.
                    let _ = self.deliver(now, &delivery);
                }
                Parcel::Cancel(id) => {
                    let _ = self.cancel(now, &Scope::All, id);
                }
                Parcel::Move(job) => {
                    // What could be refused was looked at before it was sent.
                    let _ = self.enqueue(now, *job);
                }
            }
        }
        carried
    }
}

impl Queue {
    fn new(name: Name) -> Self {
        Self {
            name,
            jobs: BTreeMap::new(),
            seq: 0,
            token: 0,
            running: BTreeSet::new(),
            scopes: BTreeMap::new(),
            shares: BTreeMap::new(),
            turn: 0.0,
            open: BTreeSet::new(),
            means: BTreeMap::new(),
            mean_ms: None,
            ends: VecDeque::new(),
            uniques: BTreeMap::new(),
            merged: VecDeque::new(),
            replies: BTreeMap::new(),
            outbox: VecDeque::new(),
            hours: BTreeMap::new(),
            feed: super::feed::Tape::default(),
            slots: None,
            scaled_at: None,
            auto: None,
            lease_lost: 0,
            last_seen: None,
            held_until: Millis::MIN,
        }
    }

    pub(super) fn get(&mut self, id: JobId) -> &mut Record {
        self.jobs.get_mut(&id).expect("the caller has looked")
    }

    /// Every exit from Running: the token is cleared and remembered with its outcome, the counts are freed.
    pub(super) fn leave_running(&mut self, id: JobId, outcome: Option<State>) {
        self.running.remove(&id);
        self.leave_try(id);
        let record = self.get(id);
        let token = record.token.take().expect("a running job has a token");
        record.past = Some((token, outcome));
        record.job.worker = None;
        record.job.cancel_requested = false;
        record.woken = None;
    }

    /// Ends a job that is not Running any more.
    pub(super) fn end(&mut self, id: JobId, now: Millis, state: State, reason: Option<Reason>, error: Option<ErrorInfo>) {
        self.free_unique(id, false);
        let record = self.get(id);
        record.job.state = state;
        record.job.reason = reason;
        record.job.ended_at = Some(now);
        record.job.due_at = None;
        record.wait = None;
        let mut parcels = Vec::new();
        if state == State::Cancelled {
            parcels.extend(record.children.values().filter(|c| c.outcome.is_none()).map(|c| Parcel::Cancel(c.id)));
        }
        if let Some(parent) = &record.job.parent {
            let outcome = ChildOutcome { state, output: record.job.output.clone(), error };
            parcels.push(Parcel::Tell(parent.ended(id, outcome)));
        }
        self.outbox.extend(parcels);
        if state == State::Dead {
            self.count_hour(id);
        }
        self.stands(id, now);
        self.wake_followers(id, now);
    }

    /// Frees the job's unique key if it holds it: at its end, or at its start for *keep until started*. A throttle's window stays.
    pub(super) fn free_unique(&mut self, id: JobId, starts: bool) {
        let job = &self.jobs[&id].job;
        let Some(unique) = &job.unique else { return };
        let keeps = match unique.mode {
            UniqueMode::Throttle { .. } => true,
            UniqueMode::KeepUntilStarted => false,
            UniqueMode::Keep | UniqueMode::Replace { .. } => starts,
        };
        let key = (job.tenant.clone(), job.kind.clone(), unique.key.clone());
        if !keeps && self.uniques.get(&key).is_some_and(|(holder, _)| *holder == id) {
            self.uniques.remove(&key);
        }
    }

    /// Writes a history line.
    pub(super) fn tell(&mut self, id: JobId, now: Millis, what: EventKind, worker: Option<&str>, error: Option<ErrorInfo>) {
        let job = &mut self.get(id).job;
        let started_at = worker.and(job.started_at);
        job.history.push(Event {
            at: now,
            what,
            run: job.counters.runs,
            worker: worker.map(str::to_owned),
            started_at,
            error,
            before: None,
        });
    }
}
