//! The broker as it is set up, the clocks, and whether everybody runs the same version.

use super::{Finding, Grade, not_there};
use crate::{host::Host, roles::parts};
use longshore_config::{BrokerPlace, Settings};
use longshore_queue::{Broker, BrokerError, Durability, Fault, Health};
use std::{collections::BTreeSet, sync::Arc};

pub(super) async fn all(settings: &Settings, host: &Host) -> Vec<Finding> {
    if let BrokerPlace::Sqlite(path) = &settings.broker
        && let Some(missing) = not_there("broker", path)
    {
        return vec![missing];
    }
    let (health, broker) = match parts::examine(settings, host).await {
        Ok(found) => found,
        Err(BrokerError::Locked(why)) => return vec![Finding::note("broker", format!("in use: {why}"))],
        Err(error) => return vec![Finding::stop("broker", &parts::broker_stop(settings, &error))],
    };
    let mut findings = vec![answers(settings, &health), class(health.durability)];
    findings.extend(health.faults.iter().map(finding));
    if !health.faults.iter().any(|fault| fault.key == "clock") {
        findings.push(Finding::ok("clock", "the broker's and ours agree to a second".into()));
    }
    if let Some(broker) = broker {
        findings.extend(versions(&broker).await);
    }
    findings
}

fn answers(settings: &Settings, health: &Health) -> Finding {
    let memory = health.memory.map(|(used, most)| format!(", {} of {} MiB used", used >> 20, most >> 20)).unwrap_or_default();
    Finding::ok("broker", format!("{} answers: {}{memory}", settings.broker, health.version))
}

fn class(durability: Durability) -> Finding {
    Finding::ok(
        "durability",
        match durability {
            Durability::Fast => {
                "fast: what is acknowledged survives our processes; a crash or a power cut of the server may take the end (appendfsync always: durable)"
            }
            Durability::Durable => "durable: what is acknowledged is on disk",
        }
        .into(),
    )
}

fn finding(fault: &Fault) -> Finding {
    let part = if fault.key == "clock" { "clock" } else { "broker" };
    let grade = if fault.fatal || fault.broken { Grade::Fault } else { Grade::Note };
    let told = format!("{} = {}: allowed is {}", fault.key, fault.value, fault.allowed);
    Finding { key: Some(fault.key.clone()), ..Finding::new(part, grade, told).mend(fault.mend.as_str()) }
}

/// No promise is made that two versions may share a broker.
async fn versions(broker: &Arc<dyn Broker>) -> Option<Finding> {
    let workers = broker.workers().await.ok()?;
    let own = env!("CARGO_PKG_VERSION");
    let others: BTreeSet<_> = workers.iter().map(|worker| worker.version.as_str()).filter(|version| *version != own).collect();
    if workers.is_empty() {
        return None;
    }
    if others.is_empty() {
        return Some(Finding::ok("workers", format!("{} live, all of version {own}", workers.len())));
    }
    let others: Vec<_> = others.into_iter().collect();
    let told = format!("{} live, some of version {}; this is {own}", workers.len(), others.join(", "));
    Some(Finding::note("workers", told).mend("stop all roles, upgrade, start them"))
}
