//! queue — jobs at rest. Read `job.rs`, `state.rs`, `broker.rs`, in that order.
//!
//! `broker.rs` is the contract that both implementations keep; `conformance/` proves that they do.

mod ack;
mod broker;
mod cause;
mod claim;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod event;
mod explain;
mod fair;
mod feed;
mod filter;
mod id;
mod job;
mod kind;
mod letter;
#[cfg(feature = "conformance")]
pub mod model;
mod redis;
mod report;
mod resource;
mod rule;
mod scaling;
mod schedule;
mod sqlite;
mod state;
mod wait;
mod watched;

pub use ack::{Ack, Acked, Held, Lease, LeaseReply, LeaseRequest, Outcome, Token};
pub use broker::{Begun, Broker, Durability, Edit, Enqueued};
pub use claim::Claim;
pub use error::BrokerError;
pub use event::{ErrorInfo, Event, EventKind, Reason};
pub use explain::{Explanation, Obstacle};
pub use fair::{CHARGE_LEAST_MS, MEAN_WEIGHT, QUANTUM};
pub use feed::{Alert, Change, FEED_BYTES_MAX, FEED_KEPT, FEED_MAX, Feed, FeedEntry};
pub use filter::{Filter, Page};
pub use id::{Home, JobId};
pub use job::{Backoff, Counters, Due, Job, Json, Keep, NewJob, Parent, Policy, Priority, Unique, UniqueMode, json};
pub use kind::{KindRecord, KindSchedule};
pub use letter::{GROUP_HOURS, Hour, Letter, Relocation, Replay, Undo};
pub use longshore_base::Scope;
pub use redis::{RedisBroker, RedisOptions, RedisTls};
pub use report::{
    BeatReply, BudgetAlert, Command, ExtendReply, Fault, Group, Health, LogLine, Logs, Losses, Note, Pause, QueueStats, Saves, ServedQueue,
    TickReport, WorkerReport, WorkerState,
};
pub use resource::{Points, Quota, ResourceChange, ResourceState};
pub use rule::{
    Auto, Budget, BudgetState, FAILURES_TO_GATE, Failures, GATE_FIRST_MS, GATE_LONGEST_MS, Gate, GateCause, Hard, LaneView, Limits, Period,
    Rate, RuleChange, RuleScope, ScopeState,
};
pub use scaling::Scaling;
pub use schedule::{
    Cron, DueSchedules, EVERY_LEAST_MS, FIRE_MOST, Fire, FireTick, Fired, Gap, Incarnation, LATE_MS, LOOK_MOST, Missed, MissedTicks,
    Overlap, Plan, RepeatedHour, SPAN_MOST_MS, Schedule, ScheduleChange, ScheduleFilter, SchedulePage, ScheduleState, TICKS_KEPT, Tick,
    TickOutcome, TickRecord, Timetable, Timing, TimingFault, Turn, When,
};
pub use sqlite::{SqliteBroker, SqliteOptions};
pub use state::{MOVES, Move, State};
pub use wait::{Child, ChildOutcome, Delivered, Delivery, Inbox, Signal, Wait, WaitOn, WaitPolicy, Woken};
pub use watched::Watched;

/// Args and output larger than this are refused by brokers, in bytes of JSON; what is larger lies in a file, and the record has a [`Claim`].
pub const PAYLOAD_MAX: usize = 256 * 1024;
/// An error's message is cut to this many bytes.
pub const ERROR_MAX: usize = 8 * 1024;
/// The log lines of a job are cut to this many bytes in total; the oldest go first.
pub const LOGS_MAX: usize = 64 * 1024;
/// Signals that a job's mailbox holds at most; more are refused.
pub const MAILBOX_MAX: usize = 100;
/// Jobs that wait for the end of the same job at most; a held tick may be one more.
pub const FOLLOWERS_MAX: usize = 100;
/// Resources that a job uses at most.
pub const RESOURCES_MAX: usize = 8;
/// Lane and unique keys are at most this many bytes of UTF-8.
pub const KEY_MAX: usize = 256;

/// The queue of the operations, which every worker that carries their kinds serves besides its own; and the tenant of those that operators
/// begin: nobody else enqueues there, and no key is made for it.
pub const OPERATIONS: &str = "operations";
