//! Prometheus' text: what the broker knows, which is the same on every node, and what this process counts.

use crate::{auth::Operator, params::NoParams, state::Api};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use longshore_base::{Name, Scope, label};
use longshore_queue::{Broker, BrokerError, Health, QueueStats, ResourceState, State as JobState};
use std::{fmt::Write, sync::Arc, time::Duration};

/// How long the broker may take; its part is left out then.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Queues asked for at once.
const AT_ONCE: usize = 8;

/// Metrics
///
/// Needs an operator's key here; `--metrics-listen` serves the same without one.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, description = "Prometheus text", body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(State(api): State<Arc<Api>>, _: Operator, _: NoParams) -> Response {
    let mut text = api.own_metrics.as_ref().map_or_else(String::new, |own| own());
    text += &broker_metrics(&*api.broker).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// What the broker tells, for `/metrics` of every role. `longshore_broker_up` is 0 when it does not answer, and nothing else is said.
pub async fn broker_metrics(broker: &dyn Broker) -> String {
    let answer = tokio::time::timeout(ANSWER_MAX, all_stats(broker)).await;
    let stats = answer.map_err(|_| BrokerError::Unavailable("no answer".into())).flatten();
    let mut text = String::new();
    metric(&mut text, "longshore_broker_up", "gauge", "Whether the broker answers.", [(String::new(), u64::from(stats.is_ok()))]);
    match stats {
        Ok((stats, resources)) => {
            if let Ok(Ok(health)) = tokio::time::timeout(ANSWER_MAX, broker.health()).await {
                found(&mut text, &health);
            }
            told(&mut text, &labelled(stats));
            lent(&mut text, &resources);
        }
        Err(error) => tracing::warn!(%error, "the broker's metrics are left out"),
    }
    text
}

async fn all_stats(broker: &dyn Broker) -> Result<(Vec<QueueStats>, Vec<ResourceState>), BrokerError> {
    let mut names = broker.queues().await?;
    names.sort();
    let asked = stream::iter(names).map(|name| async move { broker.stats(&Scope::All, &name).await }).buffered(AT_ONCE);
    let stats = asked.collect::<Vec<_>>().await.into_iter().collect::<Result<_, _>>()?;
    Ok((stats, broker.resources().await?))
}

/// Queues beyond the bound of a label are told as one: their counts added up, the oldest of their ready jobs.
fn labelled(stats: Vec<QueueStats>) -> Vec<QueueStats> {
    let mut all: Vec<QueueStats> = Vec::with_capacity(stats.len().min(label::LABELS_MAX + 1));
    for mut one in stats {
        one.name = Name::new(&one.name).map_or_else(|_| label::OTHER.to_owned(), |name| label::queue(&name));
        match all.iter_mut().find(|other| other.name == label::OTHER && one.name == label::OTHER) {
            Some(other) => add(other, &one),
            None => all.push(one),
        }
    }
    all
}

fn add(to: &mut QueueStats, one: &QueueStats) {
    to.scheduled += one.scheduled;
    to.ready += one.ready;
    to.running += one.running;
    to.retrying += one.retrying;
    to.waiting += one.waiting;
    to.completed += one.completed;
    to.cancelled += one.cancelled;
    to.dead += one.dead;
    to.lease_lost += one.lease_lost;
    to.slots_live += one.slots_live;
    to.workers = to.workers.max(one.workers);
    to.slots = to.slots.zip(one.slots).map(|(a, b)| a.saturating_add(b));
    to.oldest_ready_ms = to.oldest_ready_ms.max(one.oldest_ready_ms);
    to.paused = to.paused.take().or_else(|| one.paused.clone());
    to.auto = to.auto.take().or(one.auto);
}

/// What the broker's own look at itself came to.
fn found(text: &mut String, health: &Health) {
    let one = |n: u64| [(String::new(), n)];
    let jobs = "Acknowledged jobs that a server which took over, or was started again, had not.";
    metric(text, "longshore_broker_lost_jobs_total", "counter", jobs, one(health.losses.jobs));
    let ends = "Acknowledged ends that such a server had not, so that the jobs run again.";
    metric(text, "longshore_broker_undone_ends_total", "counter", ends, one(health.losses.ends));
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let faults = count(health.faults.iter().filter(|fault| fault.fatal || fault.broken).count());
    metric(text, "longshore_broker_faults", "gauge", "Faults of the broker's set-up that keep jobs from being written.", one(faults));
    let risks = count(health.faults.iter().filter(|fault| !fault.fatal && !fault.broken).count());
    metric(text, "longshore_broker_risks", "gauge", "Things about the broker's set-up that may go wrong.", one(risks));
}

fn told(text: &mut String, stats: &[QueueStats]) {
    let queue = |s: &QueueStats| format!("{{queue=\"{}\"}}", s.name);
    let by_state =
        stats.iter().flat_map(|s| JobState::ALL.map(|state| (format!("{{queue=\"{}\",state=\"{state}\"}}", s.name), count(s, state))));
    metric(text, "longshore_queue_jobs", "gauge", "Jobs by queue and state.", by_state);
    let oldest = stats.iter().map(|s| (queue(s), s.oldest_ready_ms.unwrap_or(0)));
    metric(text, "longshore_queue_oldest_ready_ms", "gauge", "Age of the oldest ready job.", oldest);
    let slots = stats.iter().filter_map(|s| Some((queue(s), s.slots?.into())));
    metric(text, "longshore_queue_slots", "gauge", "How many jobs may run at once; absent: no cap.", slots);
    let workers = stats.iter().map(|s| (queue(s), s.workers.into()));
    metric(text, "longshore_queue_workers", "gauge", "Live workers that serve the queue.", workers);
    let paused = stats.iter().map(|s| (queue(s), s.paused.is_some().into()));
    metric(text, "longshore_queue_paused", "gauge", "Whether the queue is paused.", paused);
    let live = stats.iter().map(|s| (queue(s), s.slots_live));
    metric(text, "longshore_queue_slots_live", "gauge", "Slots that the live workers announce.", live);
    let auto = stats.iter().map(|s| (queue(s), s.auto.is_some().into()));
    metric(text, "longshore_queue_auto", "gauge", "Whether the cap follows the backlog.", auto);
    let lost = stats.iter().map(|s| s.lease_lost).sum();
    metric(text, "longshore_lease_lost_total", "counter", "Late writes that were refused, over all queues.", [(String::new(), lost)]);
}

/// One line per resource, of which operators make few.
fn lent(text: &mut String, resources: &[ResourceState]) {
    let resources: Vec<_> = resources.iter().filter(|r| label::resource(&r.name) != label::OTHER).collect();
    let name = |r: &&ResourceState| format!("{{resource=\"{}\"}}", r.name);
    let gated = resources.iter().map(|r| (name(r), r.gate.is_some().into()));
    metric(text, "longshore_resource_gated", "gauge", "Whether the resource is closed.", gated);
    let running = resources.iter().map(|r| (name(r), r.running));
    metric(text, "longshore_resource_running", "gauge", "Leases and lent slots of the resource.", running);
    let used = resources.iter().map(|r| (name(r), r.points_used));
    metric(text, "longshore_resource_points_used", "gauge", "Points that are taken in the window, lent ones included.", used);
}

fn count(stats: &QueueStats, state: JobState) -> u64 {
    match state {
        JobState::Scheduled => stats.scheduled,
        JobState::Ready => stats.ready,
        JobState::Running => stats.running,
        JobState::Retrying => stats.retrying,
        JobState::Waiting => stats.waiting,
        JobState::Completed => stats.completed,
        JobState::Cancelled => stats.cancelled,
        JobState::Dead => stats.dead,
    }
}

/// One metric with all its samples. Names of queues need no escape: their alphabet has nothing that does.
fn metric(text: &mut String, name: &str, kind: &str, help: &str, samples: impl IntoIterator<Item = (String, u64)>) {
    // Writing to a String cannot fail.
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}").ok();
    for (labels, value) in samples {
        writeln!(text, "{name}{labels} {value}").ok();
    }
}
