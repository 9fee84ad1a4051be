//! What may be asked for.

use crate::workload::{BrokerKind, Workload};
use clap::Args;
use std::path::PathBuf;

/// What to measure, where and how much of it.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    /// What to measure [default: drain single steady pickup delayed retry fair big idle memory]
    #[arg(value_name = "WORKLOAD", value_enum)]
    pub(crate) workloads: Vec<Workload>,
    /// One broker; both otherwise
    #[arg(long, value_enum)]
    pub(crate) only: Option<BrokerKind>,
    /// A Redis of yours; otherwise one is started for the measurement (appendonly yes, appendfsync everysec)
    #[arg(long, value_name = "URL", conflicts_with = "only")]
    pub(crate) broker: Option<String>,
    /// Measure on that Redis although its database holds other data; what the benchmark wrote is removed, the rest stays
    #[arg(long, requires = "broker")]
    pub(crate) beside_other_data: bool,
    /// Where its files lie while it runs, and so which disk is measured [default: the current folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Jobs of each workload that has many; 20000 on SQLite and 50000 on Redis otherwise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=5_000_000))]
    pub(crate) jobs: Option<u64>,
    /// Jobs at once of each worker process
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    pub(crate) concurrency: usize,
    /// Repeat each workload; figures are medians. Pairs of `lanes`, `events`, `deep` and `tenants`, which are 5 otherwise
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=100))]
    pub(crate) rounds: Option<usize>,
    /// Tenants of `fair` and `tenants`, waiting jobs of `deep`, readers of `events`
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=10_000_000))]
    pub(crate) size: Option<usize>,
    /// Run the roles from another binary of Longshore in turn with this one's, and tell the ratios
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Option<PathBuf>,
    /// Write a page with plots there
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the figures as JSON there
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Only draw the shares of tenants of weights 1, 2 and 4 there, as SVG
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
    /// The commit that this binary was built from; told with the figures
    #[arg(long, value_name = "REV", hide = true)]
    pub(crate) commit: Option<String>,
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(url) = &self.broker
            && !["redis://", "rediss://", "unix://", "redis+unix://"].iter().any(|scheme| url.starts_with(scheme))
        {
            return Err("--broker: allowed are redis://, rediss:// and unix://; a cluster and Sentinels are not measured".into());
        }
        if let Some(file) = self.against.as_ref().filter(|file| !file.is_file()) {
            return Err(format!("--against {}: there is no such file", file.display()));
        }
        if let Some(workload) = self.workloads.iter().find(|workload| self.against.is_some() && !workload.compares()) {
            return Err(format!("--against: {} has pairs of its own and is not compared", workload.name()));
        }
        Ok(())
    }

    pub(crate) fn brokers(&self) -> Vec<BrokerKind> {
        match (self.only, &self.broker) {
            (Some(only), _) => vec![only],
            (None, Some(_)) => vec![BrokerKind::Redis],
            (None, None) => vec![BrokerKind::Embedded, BrokerKind::Redis],
        }
    }

    /// Those that were named, or the usual ones.
    pub(crate) fn workloads(&self) -> &[Workload] {
        if self.workloads.is_empty() { Workload::USUAL } else { &self.workloads }
    }

    pub(crate) fn jobs(&self, broker: BrokerKind) -> u64 {
        self.jobs.unwrap_or(if broker == BrokerKind::Redis { 50_000 } else { 20_000 })
    }
}
