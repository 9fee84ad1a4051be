//! bench — what Longshore costs on the machine and the servers of whoever asks: measured from outside, over HTTP, on processes that are started
//! for it as a user would start them. `longshore bench` in the binary; docs/benchmarks.md says how each figure is measured.
//!
//! Read `workload.rs`, `deployment.rs`, `workloads/drain.rs`, in that order.

mod api;
mod clock;
mod deployment;
mod figure;
mod host;
mod kinds;
mod loops;
mod machine;
mod options;
mod pairs;
mod picture;
mod place;
mod proc;
mod report;
mod server;
mod wire;
mod workload;
mod workloads;

pub use options::Options;
pub use report::Report;
pub use workloads::{ReadersArgs, readers};

use longshore_jobs::Catalog;
pub use workload::Tell;

/// The catalog of the processes that are measured: what they carry anyway, and the kinds that answer when they ran.
#[must_use]
pub fn kinds(catalog: Catalog) -> Catalog {
    kinds::register(catalog)
}

/// Measures what was asked for. `tell` gets a line for people now and then.
///
/// # Errors
/// What could not be measured, and why: a fault of the options, a server that is not there or holds other data, a run that was not complete. No
/// figure is given then.
pub async fn run(options: &Options, tell: &Tell) -> Result<Report, String> {
    options.check()?;
    if let Some(file) = &options.picture {
        return drawn(options, file).await;
    }
    let mut results = Vec::new();
    for broker in options.brokers() {
        for workload in options.workloads() {
            results.push(workload::measure(*workload, broker, options, tell).await?);
        }
    }
    Ok(Report::new(options.commit.clone(), results))
}

/// The shares of weights 1, 2 and 4 on one broker.
async fn drawn(options: &Options, file: &std::path::Path) -> Result<Report, String> {
    let broker = options.brokers().pop().unwrap_or(workload::BrokerKind::Redis);
    let setup = deployment::Setup::new(broker, options, None)?;
    setup.prepare()?;
    let shares = workloads::lanes::shares(&setup).await;
    setup.clean()?;
    let shares = shares?;
    std::fs::write(file, shares.svg()).map_err(|error| format!("--picture {}: {error}", file.display()))?;
    Ok(Report::said(format!("the share that is furthest from its weight is {:.1} % off\n", shares.worst() * 100.0)))
}
