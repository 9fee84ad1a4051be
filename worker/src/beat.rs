//! The worker tells that it lives and what it does, and hears what an operator wants of it.

use crate::{floor::Floor, patience::jittered};
use longshore_queue::{Command, ServedQueue, WorkerReport};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// A worker is dead to the others after this many silent beats.
const SILENT_BEATS: u32 = 6;

/// The first report waits so long for the queues to be found, so that it tells them.
const FIRST_WITHIN: Duration = Duration::from_secs(1);

/// Reports until the floor is stopped, and says good-bye. Queues that were found and a changed state are told at once: the shares of
/// tenants are counted in the slots that workers announce, and kinds wait for a worker that announces them.
pub(crate) async fn run(floor: Arc<Floor>) {
    let mut failing = false;
    let mut state = floor.state.subscribe();
    tokio::select! {
        () = floor.found.notified() => {}
        () = floor.clock.sleep(FIRST_WITHIN) => {}
        () = floor.stopped.cancelled() => {}
    }
    loop {
        let ttl = (floor.options.beat() * SILENT_BEATS).max(Duration::from_secs(10));
        state.borrow_and_update();
        let report = report(&floor);
        let told = report.queues.len();
        match floor.broker.beat(report, ttl).await {
            Ok(reply) => {
                failing = false;
                reply.command.into_iter().for_each(|command| obey(&floor, command));
            }
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(worker = %floor.id, %error, "the worker cannot report; it goes on and tries again");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = floor.stopped.cancelled() => break,
            () = floor.clock.sleep(jittered(floor.options.beat(), &*floor.random)) => {}
            _ = state.changed() => {}
            () = more_queues(&floor, told) => {}
        }
    }
    if let Err(error) = tokio::time::timeout(Duration::from_secs(1), floor.broker.leave(&floor.id)).await.unwrap_or(Ok(())) {
        tracing::warn!(worker = %floor.id, %error, "the worker could not say good-bye; it is forgotten when its report is old");
    }
}

/// Completes when more queues are served than were told.
async fn more_queues(floor: &Floor, told: usize) {
    while floor.queues().len() <= told {
        floor.found.notified().await;
    }
}

fn obey(floor: &Floor, command: Command) {
    tracing::info!(worker = %floor.id, ?command, "a command for this worker");
    match command {
        Command::Quiet => floor.set_leasing(false),
        Command::Resume => floor.set_leasing(true),
        Command::Drain => floor.drain(floor.options.grace()),
    }
}

/// What this worker is and does now.
pub(crate) fn report(floor: &Floor) -> WorkerReport {
    WorkerReport {
        id: floor.id.clone(),
        host: floor.options.host.clone(),
        pid: std::process::id(),
        version: floor.options.version.clone(),
        started_at: floor.started_at,
        seen_at: 0,
        queues: served(floor),
        kinds: floor.kinds.to_vec(),
        state: *floor.state.borrow(),
    }
}

/// The served queues; each could use every slot.
pub(crate) fn served(floor: &Floor) -> Vec<ServedQueue> {
    let slots = u32::try_from(floor.permits.total()).unwrap_or(u32::MAX);
    let of = |queue: &Arc<crate::queue::Queue>| ServedQueue {
        name: queue.name.clone(),
        slots,
        running: u32::try_from(queue.running.load(Ordering::Acquire)).unwrap_or(u32::MAX),
    };
    floor.queues().iter().map(of).collect()
}
