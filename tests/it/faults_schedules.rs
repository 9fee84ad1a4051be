//! Faults while a schedule goes from one queue of Redis to another, and changes that are refused.
//!
//! Every test breaks a server of its own. A script that the server does not know yet does nothing when it is called, so each test goes the
//! whole way once without a fault.

use crate::harness::{
    proxy::{Fault, Proxy},
    redis::Redis,
    redis_broker::connect,
};
use longshore_base::{Clock, Code, Millis, Name, SystemClock, SystemRandom};
use longshore_queue::{
    Broker, BrokerError, Filter, Fire, FireTick, Gap, Incarnation, JobId, Missed, NewJob, Overlap, Pause, RepeatedHour, Schedule,
    ScheduleChange, ScheduleFilter, ScheduleState, Scope, Timing, Turn, When,
    conformance::{args, only},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

/// What a move asks of the server, in this order, as the scripts are told.
const STEPS: [&str; 5] = ["freeze", "land", "switch", "drop", "landed"];

struct House {
    redis: Redis,
    proxy: Proxy,
    broker: Arc<dyn Broker>,
    old: Name,
    new: Name,
}

impl House {
    async fn open() -> Self {
        let redis = Redis::start(&["--appendfsync", "no"]).await;
        let proxy = Proxy::before(redis.port).await;
        let broker: Arc<dyn Broker> = connect(&format!("redis://127.0.0.1:{}/0", proxy.port)).await;
        let house = Self { redis, proxy, broker, old: Name::literal("old"), new: Name::literal("new") };
        let first = house.put("first", &house.old, None).await.expect("a new schedule");
        house.by_hand(&first, &house.old).await.expect("carried out");
        house.put("first", &house.new, None).await.expect("moved");
        house.broker.due_schedules(&house.old, 10).await.expect("a look");
        house
    }

    fn tenant() -> Name {
        Name::literal("t")
    }

    async fn put(&self, name: &str, queue: &Name, expected: Option<u64>) -> Result<ScheduleState, BrokerError> {
        let name = Name::new(name).expect("a name");
        let schedule = Schedule {
            name: name.clone(),
            tenant: Self::tenant(),
            timing: Timing {
                when: When::EveryMs(3_600_000),
                timezone: "UTC".into(),
                gap: Gap::Next,
                repeated_hour: RepeatedHour::Once,
                spread_ms: 0,
                starts_at: None,
                ends_at: None,
            },
            kind: Name::literal("k"),
            args: args("tick"),
            queue: queue.clone(),
            client: None,
            priority: None,
            tags: Vec::new(),
            missed: Missed::Latest,
            overlap: Overlap::Allow,
            managed_by: None,
        };
        let chance = self.job_id(queue).await;
        let incarnation = Incarnation(u128::from_be_bytes(*chance.as_bytes()));
        let change = ScheduleChange::Put { schedule: Box::new(schedule), paused: None, incarnation };
        self.broker.schedule(&Self::tenant(), &name, change, expected).await
    }

    async fn job_id(&self, queue: &Name) -> JobId {
        let home = self.broker.home(queue).await.expect("a home");
        JobId::new(SystemClock::new().now(), home, &*SystemRandom::new())
    }

    async fn fire(&self, state: &ScheduleState, queue: &Name, turn: Turn, id: JobId, at: Millis) -> Result<JobId, BrokerError> {
        let job = NewJob::new(id, queue.clone(), Name::literal("k"), Self::tenant(), args("x"));
        let fire = Fire {
            tenant: Self::tenant(),
            name: state.schedule.name.clone(),
            incarnation: state.incarnation,
            turn,
            missed: None,
            ticks: vec![FireTick { at, due_at: at, job: Ok(Box::new(job)) }],
        };
        let fired = only(self.broker.fire(queue, vec![fire]).await?)?;
        Ok(only(fired).job.expect("a job"))
    }

    async fn by_hand(&self, state: &ScheduleState, queue: &Name) -> Result<JobId, BrokerError> {
        self.fire(state, queue, Turn::ByHand, self.job_id(queue).await, state.cursor).await
    }

    /// The first tick behind the cursor, as every scheduler that looks at `state` in `queue` decides it.
    async fn next(&self, state: &ScheduleState, queue: &Name) -> Result<JobId, BrokerError> {
        let at = state.cursor + 1;
        let id = JobId::derived(at, self.broker.home(queue).await.expect("a home"), &state.incarnation.seed(at));
        let turn = Turn::Advance { revision: state.revision, from: state.cursor, to: at, next_at: None };
        self.fire(state, queue, turn, id, at).await
    }

    async fn jobs(&self, queue: &Name) -> usize {
        let filter = Filter { queue: Some(queue.clone()), ..Filter::default() };
        self.broker.list(&Scope::All, &filter, 100, None).await.expect("a page").items.len()
    }

    /// Every key with what it holds, but for what a look leaves behind.
    async fn keys(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut server = self.redis.connect().await;
        let names: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query_async(&mut server).await.expect("keys");
        let mut all = BTreeMap::new();
        for name in names {
            let held: Vec<u8> = redis::cmd("DUMP").arg(&name).query_async(&mut server).await.expect("a key");
            all.insert(name, held);
        }
        all
    }
}

fn is_moved<T: std::fmt::Debug>(answer: Result<T, BrokerError>) {
    assert!(matches!(answer, Err(BrokerError::Conflict { code: Code::ScheduleMoved, .. })), "{answer:?}");
}

/// Who finds a move half done and ends it.
#[derive(Debug, Clone, Copy)]
enum Finder {
    OldScheduler,
    Reader,
    List,
    SamePut,
    Pause,
    PutBack,
}

#[tokio::test]
async fn q4_schedule_lives_in_one_queue_when_any_reply_of_its_move_is_cut() {
    use Finder::{List, OldScheduler, Pause as Pauses, PutBack, Reader, SamePut};
    let house = House::open().await;
    let mut cuts = 0;
    for (step, finder) in STEPS.into_iter().flat_map(|step| [OldScheduler, Reader, List, SamePut, Pauses, PutBack].map(|f| (step, f))) {
        let name = format!("{step}-{finder:?}");
        let before = house.put(&name, &house.old, Some(0)).await.expect("a new schedule");
        house.by_hand(&before, &house.old).await.expect("carried out");
        let (old_jobs, new_jobs) = (house.jobs(&house.old).await, house.jobs(&house.new).await);
        house.proxy.set(Fault::CutReply(format!("\r\n{step}\r\n").into_bytes()));
        let answer = house.put(&name, &house.new, Some(1)).await;
        assert!(answer.as_ref().is_err_and(BrokerError::is_transient), "{name}: {answer:?}");
        cuts += 1;
        assert_eq!(house.proxy.counters().cut.load(Ordering::Relaxed), cuts, "{name}");
        // What was decided on the old queue's schedule comes too late, whoever ends the move.
        is_moved(house.next(&before, &house.old).await);

        let own = Name::new(name.as_str()).expect("a name");
        let (queue, revision) = match finder {
            OldScheduler => {
                house.broker.due_schedules(&house.old, 1000).await.expect("a look");
                (&house.new, 2)
            }
            Reader => (&house.new, 2),
            List => {
                let filter = ScheduleFilter { queue: Some(house.new.clone()), ..ScheduleFilter::default() };
                let page = house.broker.schedules(&Scope::All, &filter, 1000, None).await.expect("a page");
                assert_eq!(page.items.iter().filter(|state| state.schedule.name == own).count(), 1, "{name}");
                (&house.new, 2)
            }
            SamePut => {
                house.put(&name, &house.new, None).await.expect("put again");
                (&house.new, 3)
            }
            Pauses => {
                let pause = || Pause { until: None, reason: None, by: None };
                house.broker.schedule(&House::tenant(), &own, ScheduleChange::Pause(pause()), None).await.expect("paused");
                house.broker.schedule(&House::tenant(), &own, ScheduleChange::Resume, None).await.expect("resumed");
                (&house.new, 4)
            }
            PutBack => {
                house.put(&name, &house.old, None).await.expect("put back");
                (&house.old, 3)
            }
        };
        let now = house.broker.find_schedule(&Scope::All, &House::tenant(), &own).await.expect("a look").expect("it is there");
        assert_eq!((&now.schedule.queue, now.revision, now.incarnation), (queue, revision, before.incarnation), "{name}");
        assert_eq!((now.created_at, now.last_job, now.held_job), (before.created_at, None, None), "{name}");
        assert!(now.cursor >= before.cursor && now.next_at.is_some(), "{name}");
        let ticks = house.broker.ticks(&Scope::All, &House::tenant(), &own, 10).await.expect("a history");
        assert_eq!((ticks.len(), now.last_tick.as_ref()), (1, ticks.first()), "{name}");

        let other = if *queue == house.new { &house.old } else { &house.new };
        for (looked, there) in [(queue, 1), (other, 0)] {
            let look = house.broker.due_schedules(looked, 1000).await.expect("a look");
            assert_eq!(look.due.iter().filter(|state| state.schedule.name == own).count(), there, "{name} in {looked}");
        }
        is_moved(house.next(&now, other).await);
        let job = house.next(&now, queue).await.expect("carried out");
        assert_eq!(house.jobs(&house.old).await + house.jobs(&house.new).await, old_jobs + new_jobs + 1, "{name}: one job for one tick");
        assert_eq!(house.broker.get(&Scope::All, &[job]).await.expect("a job").len(), 1);

        // Removed, it stays away, whoever looks.
        house.broker.schedule(&House::tenant(), &own, ScheduleChange::Remove, None).await.expect("removed");
        house.broker.due_schedules(&house.old, 1000).await.expect("a look");
        house.broker.due_schedules(&house.new, 1000).await.expect("a look");
        assert!(house.broker.find_schedule(&Scope::All, &House::tenant(), &own).await.expect("a look").is_none(), "{name}");
    }
}

#[tokio::test]
async fn q4_schedule_change_that_is_refused_leaves_every_key_as_it_was() {
    let house = House::open().await;
    let (one, none) = (Name::literal("one"), Name::literal("none"));
    let state = house.put("one", &house.old, Some(0)).await.expect("a new schedule");
    house.by_hand(&state, &house.old).await.expect("carried out");
    let refused = |answer: Result<ScheduleState, BrokerError>, wanted: Code| {
        assert!(matches!(&answer, Err(BrokerError::Conflict { code, .. }) if *code == wanted), "{answer:?}");
    };
    let before = house.keys().await;
    for expected in [0, 7] {
        refused(house.put("one", &house.old, Some(expected)).await, Code::ScheduleMismatch);
        refused(house.put("one", &house.new, Some(expected)).await, Code::ScheduleMismatch);
    }
    refused(house.put("none", &house.old, Some(3)).await, Code::ScheduleMismatch);
    let pause = || ScheduleChange::Pause(Pause { until: None, reason: None, by: None });
    for change in [pause(), ScheduleChange::Resume, ScheduleChange::Remove] {
        refused(house.broker.schedule(&House::tenant(), &one, change.clone(), Some(9)).await, Code::ScheduleMismatch);
        refused(house.broker.schedule(&House::tenant(), &none, change, None).await, Code::ScheduleNotFound);
    }
    let late = ScheduleState { cursor: state.cursor - 1, ..state.clone() };
    is_moved(house.next(&late, &house.old).await);
    is_moved(house.by_hand(&state, &house.new).await);
    is_moved(house.by_hand(&ScheduleState { incarnation: Incarnation(1), ..state }, &house.old).await);
    assert_eq!(house.keys().await, before);
}

#[tokio::test]
async fn q4_repeating_a_fire_whose_reply_was_cut_makes_no_second_job() {
    let house = House::open().await;
    let mut state = house.put("one", &house.old, Some(0)).await.expect("a new schedule");
    let jobs = house.jobs(&house.old).await;
    for n in 1..=100_u64 {
        house.proxy.set(Fault::CutReply(b"{old/0}".to_vec()));
        let answer = house.next(&state, &house.old).await;
        assert!(answer.as_ref().is_err_and(BrokerError::is_transient), "{answer:?}");
        is_moved(house.next(&state, &house.old).await);
        assert_eq!(house.proxy.counters().cut.load(Ordering::Relaxed), n);
        state = house.broker.find_schedule(&Scope::All, &House::tenant(), &Name::literal("one")).await.expect("a look").expect("there");
    }
    let stats = house.broker.stats(&Scope::All, &house.old).await.expect("stats");
    assert_eq!(stats.ready, 100 + jobs as u64);
}
