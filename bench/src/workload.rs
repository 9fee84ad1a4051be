//! The workloads by name, and one of them measured: rounds, and in turn with another binary where two are compared.

use crate::{
    deployment::Setup,
    figure::{Curve, Figure, Taken},
    options::Options,
    pairs::in_turn,
    workloads,
};
use clap::ValueEnum;
use serde::Serialize;

/// Who hears how far it is.
pub type Tell = dyn Fn(&str) + Sync;

/// Where jobs lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BrokerKind {
    /// A SQLite file.
    Embedded,
    /// A Redis server.
    Redis,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Workload {
    /// Bulk enqueue, then drain, then both at once
    Drain,
    /// One job a call over HTTP, 64 connections
    Single,
    /// Producers and workers at once at 50, 80 and 95 % of capacity
    Steady,
    /// One job every 20 ms onto idle workers
    Pickup,
    /// 50,000 jobs that fall due in the same ten seconds
    Delayed,
    /// Every job fails once
    Retry,
    /// A drain for 1,000 tenants beside one for a single tenant
    Fair,
    /// Args of 64 KiB
    Big,
    /// What processes that have nothing to do cost
    Idle,
    /// Bytes of a job in each state, and of a worker with 10,000 sleeping jobs
    Memory,
    /// Lease and ack in a bare loop, without workers, by 100 and by 10
    Bare,
    /// Lease and ack with 1,000,000 waiting jobs beside a short queue
    Deep,
    /// Lease and ack with 10,000 active tenants beside one
    Tenants,
    /// Drains with fairness, limits and gates beside drains without
    Lanes,
    /// Single enqueues beside 1,000 readers of events, ten of which hang
    Events,
}

impl Workload {
    /// When none is named.
    pub(crate) const USUAL: &[Self] = &[
        Self::Drain,
        Self::Single,
        Self::Steady,
        Self::Pickup,
        Self::Delayed,
        Self::Retry,
        Self::Fair,
        Self::Big,
        Self::Idle,
        Self::Memory,
    ];

    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
    /// False: it has pairs of its own, or does not run roles.
    pub(crate) const fn compares(self) -> bool {
        !matches!(self, Self::Bare | Self::Deep | Self::Tenants | Self::Lanes | Self::Events)
    }
    const fn payload(self) -> &'static str {
        match self {
            Self::Drain | Self::Single | Self::Fair | Self::Bare | Self::Deep | Self::Tenants => "demo.echo, 130 bytes of args",
            Self::Steady => "demo.echo with 130 bytes of args, every twentieth a bench.mark",
            Self::Pickup | Self::Delayed => "bench.mark",
            Self::Retry => "demo.fail that fails once",
            Self::Big => "demo.echo, 64 KiB of args",
            Self::Idle => "no job",
            Self::Memory => "130 bytes of args or error",
            Self::Lanes => workloads::lanes::PAYLOAD,
            Self::Events => workloads::events::PAYLOAD,
        }
    }
    const fn limits(self) -> &'static str {
        if matches!(self, Self::Lanes) { "on in one of each pair" } else { "no rules; fairness, leases, tokens and records on" }
    }
}

/// The figures of a workload on a broker, and what they depend on.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) workload: Workload,
    pub(crate) broker: BrokerKind,
    pub(crate) payload: &'static str,
    pub(crate) limits: &'static str,
    pub(crate) fsync: String,
    pub(crate) jobs: u64,
    /// Of each worker process.
    pub(crate) concurrency: usize,
    pub(crate) figures: Vec<Figure>,
    /// Of the last round.
    pub(crate) curves: Vec<Curve>,
}

pub(crate) async fn measure(workload: Workload, broker: BrokerKind, options: &Options, tell: &Tell) -> Result<Measured, String> {
    let own = Setup::new(broker, options, None)?;
    let other = options.against.as_ref().map(|file| Setup::new(broker, options, Some(file))).transpose()?;
    let rounds = if workload.compares() { options.rounds.unwrap_or(1) } else { 1 };
    let (mut taken, mut others, mut curves) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let said = format!("{} on {}, round {} of {rounds}", workload.name(), own.broker_name(), round + 1);
        let one = async |setup: &Setup, whose: &str| {
            tell(&format!("{said}{whose}"));
            take(workload, setup, tell).await.map_err(|why| format!("{said}{whose}: {why}"))
        };
        let (mine, theirs) = match &other {
            Some(other) => {
                let pair = in_turn(round, async || one(&own, ", this one").await, async || one(other, ", the other").await).await?;
                (pair.0, Some(pair.1))
            }
            None => (one(&own, "").await?, None),
        };
        curves = mine.curves;
        taken.push(mine.samples);
        others.extend(theirs.map(|theirs| theirs.samples));
    }
    Ok(Measured {
        workload,
        broker,
        payload: workload.payload(),
        limits: workload.limits(),
        fsync: own.fsync(),
        jobs: options.jobs(broker),
        concurrency: options.concurrency,
        figures: Figure::of(&taken, &others),
        curves,
    })
}

async fn take(workload: Workload, setup: &Setup, tell: &Tell) -> Result<Taken, String> {
    setup.prepare()?;
    let taken = match workload {
        Workload::Drain => workloads::drain::take(setup).await,
        Workload::Single => workloads::single::take(setup).await,
        Workload::Steady => workloads::steady::take(setup).await,
        Workload::Pickup => workloads::pickup::take(setup).await,
        Workload::Delayed => workloads::delayed::take(setup).await,
        Workload::Retry => workloads::retry::take(setup).await,
        Workload::Fair => workloads::fair::take(setup).await,
        Workload::Big => workloads::big::take(setup).await,
        Workload::Idle => workloads::idle::take(setup).await,
        Workload::Memory => workloads::memory::take(setup).await,
        Workload::Bare => workloads::bare::take(setup).await,
        Workload::Deep => workloads::deep::waiting(setup).await,
        Workload::Tenants => workloads::deep::tenants(setup).await,
        Workload::Lanes => workloads::lanes::take(setup, tell).await,
        Workload::Events => workloads::events::take(setup, tell).await,
    };
    // Also after a failure: a Redis of the user's is left as it was.
    let cleaned = setup.clean();
    let taken = taken?;
    cleaned?;
    Ok(taken)
}
