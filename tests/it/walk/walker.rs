//! One walk: the broker and the model side by side.

use super::ops::{End, FAR, NEAR, Op, Plan, When};
use longshore_base::{Millis, Name};
use longshore_queue::{
    Ack, BrokerError, Delivery, Due, Edit, Held, JobId, Lease, LeaseRequest, NewJob, Parent, Policy, Priority, Replay, RuleChange,
    RuleScope, Saves, Scope, ServedQueue, State, Token, Unique, WorkerReport, WorkerState,
    conformance::{Case, args, only},
    model::World,
};
use proptest::sample::Index;
use std::{collections::BTreeMap, fmt::Debug, time::Duration};

/// Why the walk ends here.
pub(super) type Stop = String;

/// How often what is lent is asked for again.
const ASKS: u32 = 200;
const TICK_LEASE: Duration = Duration::from_secs(100_000);
pub(super) const KINDS: [&str; 2] = ["walk.a", "walk.b"];

/// A lease as the broker and as the model granted it.
#[derive(Debug, Clone)]
pub(super) struct Granted {
    pub(super) id: JobId,
    worker: String,
    pub(super) broker: Token,
    pub(super) model: Token,
}

pub(super) struct Walker {
    pub(super) case: Case,
    pub(super) world: World,
    /// Every job that was ever asked for, in that order.
    plans: Vec<NewJob>,
    pub(super) ids: Vec<JobId>,
    held: Vec<Granted>,
    late: Vec<Granted>,
    pub(super) calls: u64,
    last_token: u64,
    pub(super) seen: BTreeMap<JobId, State>,
    /// The scope that was compared last.
    pub(super) looks: u8,
    pub(super) purged: bool,
    pub(super) post: super::letters::Post,
    pub(super) timed: super::schedules::Timed,
}

impl Walker {
    pub(super) async fn new(case: Case) -> Self {
        let mut world = World::default();
        world.register(&case.queue, case.home);
        let report = announced(&case);
        case.broker.beat(report.clone(), FAR).await.expect("a reply");
        world.beat(case.now().await, report, FAR);
        let post = super::letters::Post::open(&case).await;
        Self {
            case,
            world,
            plans: vec![],
            ids: vec![],
            held: vec![],
            late: vec![],
            calls: 0,
            last_token: 0,
            seen: BTreeMap::new(),
            looks: 0,
            purged: false,
            post,
            timed: super::schedules::Timed::default(),
        }
    }

    /// The walk is over; its worker leaves.
    pub(super) async fn close(self) {
        self.case.broker.leave(&announced(&self.case).id).await.expect("good-bye");
    }

    /// Does it here and there, and compares.
    pub(super) async fn step(&mut self, op: &Op) -> Result<(), Stop> {
        let now = self.case.now().await;
        self.act(op, now).await.map_err(|stop| format!("{op:?}: {stop}"))?;
        // What is near is over now, and outboxes are empty.
        if op.is_near() {
            self.case.pass(NEAR * 2).await;
        }
        let ends = matches!(op, Op::Ack(..) | Op::Cancel(_) | Op::Crash(_) | Op::GiveUp(_) | Op::Undo { .. } | Op::Move { .. });
        if ends || matches!(op, Op::Tick | Op::Lease { .. }) {
            self.tick().await;
        }
        self.compare().await.map_err(|stop| format!("after {op:?}: {stop}"))
    }

    async fn act(&mut self, op: &Op, now: Millis) -> Result<(), Stop> {
        if matches!(op, Op::Edit { .. } | Op::Move { .. }) {
            // These may promote what is due, or leave it to the next lease.
            self.tick().await;
        }
        match op {
            Op::Enqueue(plan) => {
                let job = self.job(plan, now);
                self.plans.push(job.clone());
                self.enqueue(job, now).await
            }
            Op::EnqueueAgain(index) => match pick(index, &self.plans) {
                // How long the id of a job that was purged is remembered is a matter of each broker's own.
                Some(job) if !self.purged || self.world.record(job.id).is_some() => self.enqueue(job, now).await,
                _ => Ok(()),
            },
            Op::Follow(index, plan) => match pick(index, &self.ids) {
                Some(id) => self.follow(id, plan).await,
                None => Ok(()),
            },
            Op::Schedule { schedule, to, expected } => self.reschedule(*schedule, *to, *expected).await,
            Op::Fire(decision) => self.fire(decision).await,
            Op::Lease { worker, n, kinds } => self.lease(*worker, *n, *kinds, now).await,
            Op::Ack(index, end) => match pick(index, &self.held) {
                Some(lease) => self.ack(lease, end, now).await,
                None => Ok(()),
            },
            Op::AckLate(index, end) => match pick(index, &self.late) {
                Some(lease) => self.ack(lease, end, now).await,
                None => Ok(()),
            },
            Op::Extend { worker, listed } => self.extend(*worker, *listed, now).await,
            Op::Crash(index) => match pick(index, &self.held) {
                Some(lease) => self.crash(&lease, now).await,
                None => Ok(()),
            },
            Op::Child { lease, key } => match pick(lease, &self.held) {
                Some(lease) => self.child(&lease, *key, now).await,
                None => Ok(()),
            },
            Op::Save { lease, late, step } => match pick(lease, if *late { &self.late } else { &self.held }) {
                Some(lease) => self.save(&lease, *step).await,
                None => Ok(()),
            },
            Op::Scale(slots) => self.rule(&RuleScope::Queue, RuleChange::Scale(*slots), None, now).await,
            Op::Limit { .. } | Op::Gate { .. } | Op::Quota { .. } => self.change(op, now).await,
            Op::Undo { letter, which } => self.undo(letter, *which, now).await,
            Op::Bury { plan, group, again } => self.bury(plan, *group, *again, now).await,
            Op::Move { job, again } => match pick(job, &self.ids) {
                Some(id) => self.relocate(id, *again, now).await,
                None => Ok(()),
            },
            Op::Used { lease, units } => match pick(lease, &self.held) {
                Some(lease) => self.used(&lease, *units).await,
                None => Ok(()),
            },
            Op::Why { job, remove } => match pick(job, &self.ids) {
                Some(id) => self.why(id, *remove).await,
                None => Ok(()),
            },
            Op::Tick => {
                self.tick().await;
                Ok(())
            }
            _ => match self.target(op) {
                Some(id) => self.on_job(op, id, now).await,
                None => Ok(()),
            },
        }
    }

    fn target(&self, op: &Op) -> Option<JobId> {
        let (Op::Cancel(index)
        | Op::RetryNow(index)
        | Op::GiveUp(index)
        | Op::Purge(index)
        | Op::Edit { job: index, .. }
        | Op::Replay { job: index, .. }
        | Op::Signal { job: index, .. }) = op
        else {
            return None;
        };
        pick(index, &self.ids)
    }

    /// What people do with one job.
    async fn on_job(&mut self, op: &Op, id: JobId, now: Millis) -> Result<(), Stop> {
        let (broker, all) = (&self.case.broker, Scope::All);
        match op {
            Op::Cancel(_) => same(self.case.cancel(id).await, self.world.cancel(now, &all, id)),
            Op::RetryNow(_) => same(broker.retry_now(&all, id).await, self.world.retry_now(now, &all, id)),
            Op::GiveUp(_) => same(broker.give_up(&all, id).await, self.world.give_up(now, &all, id)),
            Op::Purge(_) => {
                let told = only(broker.purge(&all, &[id]).await.map_err(|error| error.to_string())?);
                // Whether an unknown job is gone is a matter of words; nobody may remove what the other keeps.
                let there = self.world.record(id).is_some();
                let gone = self.world.purge(&all, id);
                self.purged |= gone;
                if there && told != gone { Err(format!("purge: {told}, the model says {gone}")) } else { Ok(()) }
            }
            Op::Edit { stale, priority, due, args: other, .. } => {
                let edit = Edit {
                    args: other.then(|| args("edited")),
                    priority: priority.and_then(Priority::new),
                    due: due.map(|when| if when == When::Now { Due::Now } else { Due::In(when.after()) }),
                    tags: other.then(|| vec![Name::literal("edited")]),
                    by: Some("walker".into()),
                };
                let there = only(broker.get(&all, &[id]).await.map_err(|error| error.to_string())?);
                let ours = self.world.record(id).map_or(0, |record| record.job.revision);
                let theirs = there.map_or(0, |job| job.revision);
                let off = u32::from(*stale) * 7;
                let told = broker.edit(&all, id, theirs + off, edit.clone()).await;
                let ours = self.world.edit(now, &all, id, ours + off, edit);
                let edited = ours.is_ok();
                same(told.map(drop), ours.map(drop))?;
                if edited { self.compare_edit(id).await } else { Ok(()) }
            }
            Op::Replay { again, .. } => {
                let known = self.world.record(id).and_then(|record| record.job.replays.first().copied()).filter(|_| *again);
                let new_id = known.unwrap_or_else(|| self.case.id());
                let replay = Replay { id, new_id, args: None };
                let told = only(broker.replay(&all, vec![replay.clone()]).await.map_err(|error| error.to_string())?);
                let ours = self.world.replay(now, &all, replay);
                if ours.is_ok() && known.is_none() {
                    self.ids.push(new_id);
                }
                same(told, ours)
            }
            Op::Signal { once, wanted, .. } => {
                let name = if *wanted { "wanted" } else { "other" };
                let signal = Delivery::Signal { job: id, once: format!("o{once}"), name: name.into(), payload: args("x") };
                let told = only(broker.deliver(vec![signal.clone()]).await.map_err(|error| error.to_string())?);
                same(told, self.world.deliver(now, &signal))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn job(&self, plan: &Plan, now: Millis) -> NewJob {
        let at = |when: When| now + Millis::try_from(when.after().as_millis()).unwrap_or(0);
        NewJob {
            tenant: Name::new(format!("t{}", plan.tenant)).expect("a name"),
            kind: Name::literal(KINDS[usize::from(plan.kind)]),
            lane_key: format!("k{}", plan.lane),
            priority: Priority::new(plan.priority).expect("at most 9"),
            cost: plan.cost,
            resources: (0..2).filter(|bit| plan.quotas & (1 << bit) != 0).map(|bit| self.quota(bit)).collect(),
            due: if plan.due == When::Now { Due::Now } else { Due::In(plan.due.after()) },
            expires_at: plan.expires.map(at),
            unique: plan.unique.map(|(key, mode)| Unique { key: format!("u{key}{}", mode_name(mode)), mode }),
            wait: plan.waits.then(|| longshore_queue::conformance::for_signal("wanted")),
            policy: Policy { attempts_max: plan.attempts_max, crashes_max: plan.crashes_max, runs_max: plan.runs_max, ..Policy::default() },
            ..self.case.job()
        }
    }

    pub(super) async fn enqueue(&mut self, job: NewJob, now: Millis) -> Result<(), Stop> {
        let told = self.case.try_enqueue(job.clone()).await;
        let ours = self.world.enqueue(now, job);
        if let Ok(enqueued) = &ours
            && !self.ids.contains(&enqueued.id)
        {
            self.ids.push(enqueued.id);
        }
        same(told, ours)
    }

    /// The broker chooses; the model says whether it may, and follows.
    pub(super) async fn lease(&mut self, worker: u8, n: usize, kinds: u8, now: Millis) -> Result<(), Stop> {
        self.calls += 1;
        let kinds: Vec<_> =
            KINDS.iter().enumerate().filter(|(bit, _)| kinds & (1 << bit) != 0).map(|(_, kind)| Name::literal(kind)).collect();
        let worker = format!("w{worker}");
        let mut request =
            LeaseRequest { queue: self.case.queue.clone(), worker: worker.clone(), call: self.calls, n, kinds: kinds.into(), lease: FAR };
        let mut leases = self.case.ask(&request).await.leases;
        self.world.promote(now, &request.queue);
        let mut ours = Vec::new();
        for lease in &leases {
            if !self.world.may_lease(now, &request, lease.job.id) {
                return Err(format!("{} was leased after {} others, which the model would not have done", lease.job.id, ours.len()));
            }
            ours.push(self.world.start(now, &request, lease.job.id));
        }
        // A part of an outside quota may have to be asked for more than once.
        for _ in 0..ASKS {
            let missing = if leases.len() < n { self.world.leasable(now, &request) } else { vec![] };
            if missing.is_empty() {
                break;
            }
            let lent = |id: &JobId| self.world.record(*id).is_some_and(|record| !record.job.resources.is_empty());
            if !missing.iter().all(lent) {
                return Err(format!("only {} were leased, and there are more: {missing:?}", leases.len()));
            }
            self.case.pass(NEAR).await;
            self.tick().await;
            self.calls += 1;
            (request.call, request.n) = (self.calls, n - leases.len());
            let more = self.case.ask(&request).await.leases;
            for lease in &more {
                if !self.world.may_lease(now, &request, lease.job.id) {
                    return Err(format!("{} was leased late, which the model would not have done", lease.job.id));
                }
                ours.push(self.world.start(now, &request, lease.job.id));
            }
            leases.extend(more);
        }
        if leases.len() < n && !self.world.leasable(now, &request).is_empty() {
            return Err(format!("only {} were leased, and what is lent never came", leases.len()));
        }
        self.world.reply(now, &request, ours.clone());
        for (Lease { job, token, woken }, ours) in leases.into_iter().zip(ours) {
            if token.0 <= self.last_token {
                return Err(format!("token {} after {}", token.0, self.last_token));
            }
            if woken != ours.woken {
                return Err(format!("{} was woken by {woken:?}, the model says {:?}", job.id, ours.woken));
            }
            self.last_token = token.0;
            self.held.push(Granted { id: job.id, worker: worker.clone(), broker: token, model: ours.token });
        }
        Ok(())
    }

    async fn ack(&mut self, lease: Granted, end: &End, now: Millis) -> Result<(), Stop> {
        let used = matches!(end, End::Complete | End::Dead(_)).then_some(2);
        let ack = |token| Ack { id: lease.id, token, ran: NEAR, used, outcome: end.outcome() };
        let told = self.case.broker.ack(&self.case.queue, &lease.worker, vec![ack(lease.broker)]).await;
        let told = only(told.map_err(|error| error.to_string())?);
        let ours = self.world.ack(now, &self.case.queue, ack(lease.model));
        self.settle();
        same(told, ours)
    }

    async fn save(&mut self, lease: &Granted, step: u8) -> Result<(), Stop> {
        let steps = || vec![(format!("s{step}"), args(&lease.model.0.to_string()))];
        let saves = || Saves { cursor: Some(args(&step.to_string())), steps: steps() };
        let told = self.case.broker.save(lease.id, lease.broker, saves()).await;
        same(told, self.world.save(lease.id, lease.model, saves()))
    }

    async fn extend(&mut self, worker: u8, listed: u8, now: Millis) -> Result<(), Stop> {
        let worker = format!("w{worker}");
        let own = self.held.iter().filter(|lease| lease.worker == worker).enumerate();
        let own: Vec<_> = own.filter(|(bit, _)| listed & (1 << (bit % 8)) != 0).map(|(_, lease)| lease.clone()).collect();
        let held = |token: fn(&Granted) -> Token| own.iter().map(|lease| Held { id: lease.id, token: token(lease) }).collect::<Vec<_>>();
        let told = self.case.broker.extend(&self.case.queue, &worker, &held(|lease| lease.broker), self.calls, FAR).await;
        let mut told = told.map_err(|error| error.to_string())?;
        let mut ours = self.world.extend(now, &self.case.queue, &worker, &held(|lease| lease.model), self.calls, FAR);
        for list in [&mut told.lost, &mut told.cancel, &mut ours.lost, &mut ours.cancel] {
            list.sort();
        }
        self.settle();
        same(Ok((told.lost, told.cancel)), Ok((ours.lost, ours.cancel)))
    }

    async fn crash(&mut self, lease: &Granted, now: Millis) -> Result<(), Stop> {
        let queue = self.case.queue.clone();
        let held = |token| [Held { id: lease.id, token }];
        // Settled 0: what is not listed is not given back.
        let told = self.case.broker.extend(&queue, &lease.worker, &held(lease.broker), 0, NEAR).await;
        told.map_err(|error| error.to_string())?;
        self.world.extend(now, &queue, &lease.worker, &held(lease.model), 0, NEAR);
        self.case.pass(NEAR * 2).await;
        self.tick().await;
        // When the first retry comes is a matter of chance; it is brought forward on both sides.
        let later = self.case.now().await;
        if self.world.record(lease.id).is_some_and(|record| record.job.state == State::Retrying) {
            let told = self.case.broker.retry_now(&Scope::All, lease.id).await;
            same(told, self.world.retry_now(later, &Scope::All, lease.id))?;
        }
        self.settle();
        Ok(())
    }

    async fn child(&mut self, lease: &Granted, key: u8, now: Millis) -> Result<(), Stop> {
        let link = Parent { id: lease.id, key: format!("c{key}") };
        let child = link.child_id(self.case.home);
        let opened = |token| Delivery::ChildOpened { parent: link.id, token, key: link.key.clone(), child };
        let told = only(self.case.broker.deliver(vec![opened(lease.broker)]).await.map_err(|error| error.to_string())?);
        same(told, self.world.deliver(now, &opened(lease.model)))?;
        let job = NewJob { id: child, parent: Some(link), kind: Name::literal(KINDS[0]), ..self.case.job() };
        self.enqueue(job, now).await
    }

    pub(super) async fn tick(&mut self) {
        let now = self.case.now().await;
        self.case.broker.tick(&self.case.queue, TICK_LEASE).await.expect("a report");
        self.world.tick(now, &self.case.queue, TICK_LEASE);
        if let Some(beside) = &self.post.beside {
            beside.broker.tick(&beside.queue, TICK_LEASE).await.expect("a report");
            self.world.tick(now, &beside.queue, TICK_LEASE);
        }
    }

    /// Leases that the model does not know any more are late from now on.
    fn settle(&mut self) {
        let (held, late) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|lease| self.world.record(lease.id).is_some_and(|record| record.token == Some(lease.model)));
        self.held = held;
        self.late.extend::<Vec<_>>(late);
    }
}

/// The one live worker: it carries everything, and no lease is its own.
fn announced(case: &Case) -> WorkerReport {
    WorkerReport {
        id: case.own("walker").to_string(),
        host: "host".into(),
        pid: 7,
        version: "1".into(),
        started_at: 5,
        seen_at: 0,
        queues: vec![ServedQueue { name: case.queue.clone(), slots: 1_000, running: 0 }],
        kinds: KINDS.map(Name::literal).to_vec(),
        state: WorkerState::Active,
    }
}

fn mode_name(mode: longshore_queue::UniqueMode) -> &'static str {
    match mode {
        longshore_queue::UniqueMode::Keep => "keep",
        longshore_queue::UniqueMode::KeepUntilStarted => "started",
        longshore_queue::UniqueMode::Replace { .. } => "replace",
        longshore_queue::UniqueMode::Throttle { .. } => "throttle",
    }
}

pub(super) fn pick<T: Clone>(index: &Index, from: &[T]) -> Option<T> {
    (!from.is_empty()).then(|| index.get(from).clone())
}

/// Both answers are alike: the same value, or an error with the same code.
pub(super) fn same<T: PartialEq + Debug>(told: Result<T, BrokerError>, ours: Result<T, BrokerError>) -> Result<(), Stop> {
    let alike = match (&told, &ours) {
        (Ok(told), Ok(ours)) => told == ours,
        (Err(told), Err(ours)) => told.code() == ours.code(),
        _ => false,
    };
    if alike { Ok(()) } else { Err(format!("broker {told:?}, model {ours:?}")) }
}
