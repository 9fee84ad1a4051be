//! What may be done on a walk. Jobs and leases are named by an index into those that there are.

use longshore_queue::{Outcome, Overlap, State, UniqueMode, Wait, WaitOn, WaitPolicy, conformance};
use proptest::{prelude::*, sample::Index};
use std::time::Duration;

/// So far away that no walk gets there.
pub(crate) const FAR: Duration = Duration::from_secs(3600);
/// Over before the next operation begins.
pub(crate) const NEAR: Duration = Duration::from_millis(2);

/// The scopes of a walk: its queue, three tenants, two kinds, and two keys of each tenant.
pub(crate) const SCOPES: u8 = 12;

/// The schedules of a walk.
pub(crate) const SCHEDULES: u8 = 2;

/// When something is to happen. What is near happens between two operations, so that both clocks agree about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Now,
    Near,
    Far,
}

/// A job to be enqueued.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) tenant: u8,
    pub(crate) kind: u8,
    pub(crate) lane: u8,
    /// Which outside quotas it uses, by bits.
    pub(crate) quotas: u8,
    pub(crate) cost: u32,
    pub(crate) priority: u8,
    pub(crate) due: When,
    pub(crate) expires: Option<When>,
    pub(crate) unique: Option<(u8, UniqueMode)>,
    pub(crate) waits: bool,
    pub(crate) attempts_max: u16,
    pub(crate) crashes_max: u8,
    pub(crate) runs_max: u32,
}

/// What becomes of an outside quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quotas {
    Put(u32),
    Pause,
    Resume,
    Remove,
}

/// What becomes of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timed {
    Put(Overlap),
    Pause,
    Resume,
    Remove,
}

/// A scheduler's decision, or somebody's run by hand.
#[derive(Debug, Clone)]
pub(crate) struct Decision {
    pub(crate) schedule: u8,
    /// Made from another revision, cursor or life than the current one.
    pub(crate) stale: Option<u8>,
    pub(crate) by_hand: bool,
    /// The last run by hand once more.
    pub(crate) again: bool,
    pub(crate) missed: bool,
    /// None: there is no job for it.
    pub(crate) ticks: Vec<Option<Plan>>,
    pub(crate) next: Option<When>,
}

/// How an attempt is ended.
#[derive(Debug, Clone)]
pub(crate) enum End {
    Complete,
    Retry(When),
    Dead(u8),
    Snooze(When),
    Gate(When),
    Release(bool),
    WaitSignal,
    WaitChildren(WaitPolicy, bool),
    Cancel,
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Enqueue(Plan),
    /// The same call once more.
    EnqueueAgain(Index),
    /// A job that waits for the end of another.
    Follow(Index, Plan),
    /// A schedule is changed, made from the current revision, from none or from another one.
    Schedule {
        schedule: u8,
        to: Timed,
        expected: Option<bool>,
    },
    Fire(Decision),
    Lease {
        worker: u8,
        n: usize,
        kinds: u8,
    },
    Ack(Index, End),
    /// With the token of a lease that has ended.
    AckLate(Index, End),
    /// The worker lists only some of its leases.
    Extend {
        worker: u8,
        listed: u8,
    },
    /// The lease runs out and is reaped.
    Crash(Index),
    Cancel(Index),
    Edit {
        job: Index,
        stale: bool,
        priority: Option<u8>,
        due: Option<When>,
        args: bool,
    },
    RetryNow(Index),
    GiveUp(Index),
    Replay {
        job: Index,
        again: bool,
    },
    /// A replay is taken back, of one of the letters that were repeated.
    Undo {
        letter: Index,
        which: u8,
    },
    /// A letter comes from elsewhere, or the last one once more.
    Bury {
        plan: Plan,
        group: u8,
        again: bool,
    },
    /// To another queue; or the last move once more.
    Move {
        job: Index,
        again: bool,
    },
    Purge(Index),
    Signal {
        job: Index,
        once: u8,
        wanted: bool,
    },
    /// The attempt opens a child and enqueues it.
    Child {
        lease: Index,
        key: u8,
    },
    Save {
        lease: Index,
        late: bool,
        step: u8,
    },
    Scale(Option<u32>),
    /// A scope gets limits, made from the current revision or from another one.
    Limit {
        scope: u8,
        max_running: Option<u32>,
        burst: Option<u32>,
        units: Option<u64>,
        stale: bool,
    },
    /// A person closes a scope or opens it.
    Gate {
        scope: u8,
        closed: Option<Option<When>>,
    },
    /// An outside quota is changed.
    Quota {
        name: u8,
        to: Quotas,
    },
    /// The attempt tells what it has used so far.
    Used {
        lease: Index,
        units: u64,
    },
    /// Why does it not run? And does it, once the reasons are gone?
    Why {
        job: Index,
        remove: bool,
    },
    Tick,
}

impl When {
    pub(crate) fn after(self) -> Duration {
        match self {
            Self::Now => Duration::ZERO,
            Self::Near => NEAR,
            Self::Far => FAR,
        }
    }

    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![3 => Just(Self::Now), 2 => Just(Self::Near), 1 => Just(Self::Far)]
    }
}

impl End {
    pub(crate) fn outcome(&self) -> Outcome {
        let wait = |on, on_child_failed, timeout| Wait { on, timeout, on_timeout: WaitPolicy::Die, on_child_failed };
        match self {
            Self::Complete => Outcome::Complete { output: Some(conformance::args("done")) },
            Self::Retry(when) => conformance::retry(when.after()),
            Self::Dead(group) => Outcome::Dead { reason: longshore_queue::Reason::Fatal, error: conformance::error(&format!("g{group}")) },
            Self::Snooze(when) => Outcome::Snooze { after: when.after() },
            Self::Gate(when) => Outcome::Gate { after: when.after(), reason: "429".into() },
            Self::Release(started) => Outcome::Release { started: *started },
            Self::WaitSignal => Outcome::Wait(wait(WaitOn::Signal("wanted".into()), WaitPolicy::Wake, None)),
            Self::WaitChildren(policy, all) => {
                let on = if *all { WaitOn::AllChildren } else { WaitOn::AnyChild };
                Outcome::Wait(wait(on, *policy, Some(FAR)))
            }
            Self::Cancel => Outcome::Cancel,
        }
    }

    fn any() -> impl Strategy<Value = Self> {
        let policy = prop_oneof![Just(WaitPolicy::Wake), Just(WaitPolicy::Die), Just(WaitPolicy::Ignore)];
        prop_oneof![
            3 => Just(Self::Complete),
            3 => When::any().prop_map(Self::Retry),
            2 => (0..2_u8).prop_map(Self::Dead),
            2 => When::any().prop_map(Self::Snooze),
            1 => When::any().prop_map(Self::Gate),
            2 => any::<bool>().prop_map(Self::Release),
            1 => Just(Self::WaitSignal),
            2 => (policy, any::<bool>()).prop_map(|(policy, all)| Self::WaitChildren(policy, all)),
            1 => Just(Self::Cancel),
        ]
    }
}

impl Plan {
    fn any() -> impl Strategy<Value = Self> {
        let mode = prop_oneof![
            2 => Just(UniqueMode::Keep),
            1 => Just(UniqueMode::KeepUntilStarted),
            2 => Just(UniqueMode::Replace { wait_max: None }),
            1 => Just(UniqueMode::Throttle { window: FAR }),
        ];
        // One key per mode: two modes that share a key are nobody's contract.
        let unique = proptest::option::weighted(0.35, mode.prop_map(|mode| (u8::from(matches!(mode, UniqueMode::Replace { .. })), mode)));
        let expires = proptest::option::weighted(0.2, prop_oneof![Just(When::Near), Just(When::Far)]);
        let bounds = (1..4_u16, 1..4_u8, prop_oneof![3 => Just(1_000_000_u32), 1 => Just(2)]);
        let quotas = prop_oneof![6 => Just(0_u8), 2 => 1..4_u8];
        let place = (0..3_u8, 0..2_u8, 0..2_u8, prop_oneof![Just(0_u8), Just(5), Just(9)], quotas, 0..4_u32);
        (place, When::any(), expires, unique, proptest::bool::weighted(0.1), bounds).prop_map(
            |((tenant, kind, lane, priority, quotas, cost), due, expires, unique, waits, (attempts_max, crashes_max, runs_max))| Self {
                tenant,
                kind,
                lane,
                quotas,
                cost,
                priority,
                due,
                expires,
                unique,
                waits,
                attempts_max,
                crashes_max,
                runs_max,
            },
        )
    }
}

impl Timed {
    fn any() -> impl Strategy<Value = Self> {
        let overlap =
            prop_oneof![1 => Just(Overlap::Allow), 2 => Just(Overlap::Skip), 3 => Just(Overlap::Wait), 4 => Just(Overlap::Cancel)];
        prop_oneof![6 => overlap.prop_map(Self::Put), 1 => Just(Self::Pause), 2 => Just(Self::Resume), 1 => Just(Self::Remove)]
    }
}

impl Decision {
    fn any() -> impl Strategy<Value = Self> {
        let stale = proptest::option::weighted(0.1, 0..3_u8);
        let ticks = proptest::collection::vec(proptest::option::weighted(0.9, Plan::any()), 0..4);
        let hand = (proptest::bool::weighted(0.2), any::<bool>());
        let next = proptest::option::of(When::any());
        (0..SCHEDULES, stale, hand, proptest::bool::weighted(0.1), ticks, next).prop_map(
            |(schedule, stale, (by_hand, again), missed, ticks, next)| Self { schedule, stale, by_hand, again, missed, ticks, next },
        )
    }
}

impl Op {
    /// Whether something happens shortly after it.
    pub(crate) fn is_near(&self) -> bool {
        let near = |when: &When| *when == When::Near;
        match self {
            Self::Enqueue(plan) => near(&plan.due) || plan.expires.as_ref().is_some_and(near),
            Self::EnqueueAgain(_) => true,
            Self::Follow(_, plan) => plan.expires.as_ref().is_some_and(near),
            Self::Fire(decision) => {
                decision.next.as_ref().is_some_and(near)
                    || decision.ticks.iter().flatten().any(|plan| near(&plan.due) || plan.expires.as_ref().is_some_and(near))
            }
            Self::Ack(_, End::Retry(when) | End::Snooze(when) | End::Gate(when))
            | Self::AckLate(_, End::Retry(when) | End::Snooze(when) | End::Gate(when)) => near(when),
            Self::Gate { closed: Some(Some(when)), .. } => near(when),
            Self::Edit { due, .. } => due.as_ref().is_some_and(near),
            _ => false,
        }
    }

    pub(crate) fn any() -> impl Strategy<Value = Self> {
        let index = any::<Index>;
        let edit = (index(), any::<bool>(), proptest::option::of(0..10_u8), proptest::option::of(When::any()), any::<bool>());
        let some = |chance| proptest::option::weighted(chance, 1..4_u32);
        // Half of them take the limits away, or the walk would soon stand still.
        let limits = prop_oneof![Just((None, None, None)), (some(0.6), some(0.3), proptest::option::weighted(0.3, 1..9_u64))];
        let limit = (0..SCOPES, limits, proptest::bool::weighted(0.1));
        let closed = prop_oneof![2 => Just(None), 2 => proptest::option::of(When::any()).prop_map(Some)];
        let to = prop_oneof![2 => (1..4_u32).prop_map(Quotas::Put), 1 => Just(Quotas::Pause), 2 => Just(Quotas::Resume), 1 => Just(Quotas::Remove)];
        prop_oneof![
            16 => Plan::any().prop_map(Self::Enqueue),
            1 => index().prop_map(Self::EnqueueAgain),
            4 => (index(), Plan::any()).prop_map(|(job, plan)| Self::Follow(job, plan)),
            4 => (0..SCHEDULES, Timed::any(), proptest::option::of(proptest::bool::weighted(0.8)))
                .prop_map(|(schedule, to, expected)| Self::Schedule { schedule, to, expected }),
            12 => Decision::any().prop_map(Self::Fire),
            14 => (0..3_u8, 1..5_usize, 1..4_u8).prop_map(|(worker, n, kinds)| Self::Lease { worker, n, kinds }),
            16 => (index(), End::any()).prop_map(|(lease, end)| Self::Ack(lease, end)),
            3 => (index(), End::any()).prop_map(|(lease, end)| Self::AckLate(lease, end)),
            2 => (0..3_u8, any::<u8>()).prop_map(|(worker, listed)| Self::Extend { worker, listed }),
            4 => index().prop_map(Self::Crash),
            4 => index().prop_map(Self::Cancel),
            3 => edit.prop_map(|(job, stale, priority, due, args)| Self::Edit { job, stale, priority, due, args }),
            3 => index().prop_map(Self::RetryNow),
            2 => index().prop_map(Self::GiveUp),
            4 => (index(), any::<bool>()).prop_map(|(job, again)| Self::Replay { job, again }),
            5 => (index(), 0..5_u8).prop_map(|(letter, which)| Self::Undo { letter, which }),
            3 => (Plan::any(), 0..2_u8, proptest::bool::weighted(0.3)).prop_map(|(plan, group, again)| Self::Bury { plan, group, again }),
            4 => (index(), proptest::bool::weighted(0.2)).prop_map(|(job, again)| Self::Move { job, again }),
            2 => index().prop_map(Self::Purge),
            3 => (index(), 0..3_u8, any::<bool>()).prop_map(|(job, once, wanted)| Self::Signal { job, once, wanted }),
            5 => (index(), 0..3_u8).prop_map(|(lease, key)| Self::Child { lease, key }),
            2 => (index(), any::<bool>(), 0..3_u8).prop_map(|(lease, late, step)| Self::Save { lease, late, step }),
            1 => proptest::option::of(1..4_u32).prop_map(Self::Scale),
            4 => limit.prop_map(|(scope, (max_running, burst, units), stale)| Self::Limit { scope, max_running, burst, units, stale }),
            3 => (0..SCOPES, closed).prop_map(|(scope, closed)| Self::Gate { scope, closed }),
            2 => (0..2_u8, to).prop_map(|(name, to)| Self::Quota { name, to }),
            1 => (index(), 0..9_u64).prop_map(|(lease, units)| Self::Used { lease, units }),
            4 => (index(), proptest::bool::weighted(0.6)).prop_map(|(job, remove)| Self::Why { job, remove }),
            3 => Just(Self::Tick),
        ]
    }
}

/// Whether a job can get from one state to another by the table, in the few moves that one operation makes.
pub(crate) fn reachable(from: State, to: State) -> bool {
    let mut now = vec![from];
    for _ in 0..4 {
        if now.contains(&to) {
            return true;
        }
        now = State::ALL.into_iter().filter(|next| now.iter().any(|state| *state == *next || state.may_become(*next))).collect();
    }
    now.contains(&to)
}
