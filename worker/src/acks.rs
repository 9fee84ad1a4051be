//! Acks: one writer per queue. Whatever ended while a call was on its way goes into the next one; a lone ack waits a moment for
//! company. A call that fails is repeated: the token makes that safe, and an ack that comes late but before anybody else has
//! taken the job still counts.

use crate::{floor::Floor, patience::Patience, queue::Queue};
use longshore_queue::{Ack, Acked, BrokerError, Outcome};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc::UnboundedReceiver;

/// The contract's bounds on one call.
const JOBS_MOST: usize = 500;
const BYTES_MOST: usize = 1024 * 1024;
/// An ack is given up this many lease lengths after its lease was last extended: long after anybody would have taken the job over.
const LEASES_LONG: u32 = 8;

/// Delivers a queue's acks until the floor is stopped.
pub(crate) async fn run(floor: Arc<Floor>, queue: Arc<Queue>, mut acks: UnboundedReceiver<Ack>) {
    let most = floor.options.ack_batch.clamp(1, JOBS_MOST);
    let mut waiting = Vec::with_capacity(most);
    loop {
        let got = tokio::select! {
            got = acks.recv_many(&mut waiting, most) => got,
            () = floor.stopped.cancelled() => return,
        };
        if got == 0 {
            return;
        }
        if waiting.len() < most && !floor.options.ack_linger.is_zero() && !floor.is_draining() {
            linger(&floor, &mut acks, &mut waiting, most).await;
        }
        while !waiting.is_empty() {
            let batch = next_batch(&mut waiting);
            deliver(&floor, &queue, batch).await;
        }
    }
}

async fn linger(floor: &Floor, acks: &mut UnboundedReceiver<Ack>, waiting: &mut Vec<Ack>, most: usize) {
    let over = floor.clock.sleep(floor.options.ack_linger);
    tokio::pin!(over);
    while waiting.len() < most {
        let room = most - waiting.len();
        tokio::select! {
            biased;
            got = acks.recv_many(waiting, room) => if got == 0 { return },
            () = &mut over => return,
        }
    }
}

/// As many of the oldest acks as fit into one call.
fn next_batch(waiting: &mut Vec<Ack>) -> Vec<Ack> {
    let mut bytes = 0;
    let fits = waiting.iter().take_while(|ack| {
        bytes += size(ack);
        bytes <= BYTES_MOST
    });
    let n = fits.count().max(1);
    waiting.drain(..n).collect()
}

fn size(ack: &Ack) -> usize {
    100 + match &ack.outcome {
        Outcome::Complete { output } => output.as_ref().map_or(0, |json| json.get().len()),
        Outcome::Retry { error, .. } | Outcome::Dead { error, .. } => error.message.len(),
        _ => 0,
    }
}

/// Sends a batch until each of its acks is answered or given up.
async fn deliver(floor: &Floor, queue: &Queue, mut batch: Vec<Ack>) {
    let mut patience = Patience::new();
    while !batch.is_empty() && !floor.stopped.is_cancelled() {
        queue.meter.ack_batch.record(batch.len() as f64);
        let call = floor.broker.ack(&queue.name, &floor.id, batch.clone());
        let answer = tokio::time::timeout(floor.options.lease(), call).await;
        let error = match answer.unwrap_or_else(|_| Err(BrokerError::OutcomeUnknown("no answer within the length of a lease".to_owned()))) {
            Ok(answers) => {
                let (again, error) = answered(floor, queue, batch, answers);
                batch = again;
                match error {
                    Some(error) => error,
                    None => return,
                }
            }
            Err(error) => error,
        };
        queue.meter.failed_calls.increment(1);
        tracing::warn!(worker = %floor.id, queue = %queue.name, acks = batch.len(), %error, "acking failed; it will be tried again");
        give_up(floor, queue, &mut batch);
        patience.wait(&*floor.clock, &*floor.random).await;
    }
}

/// Lets go of what is answered for good, and returns what has to be sent again, with the last reason.
fn answered(floor: &Floor, queue: &Queue, batch: Vec<Ack>, answers: Vec<Result<Acked, BrokerError>>) -> (Vec<Ack>, Option<BrokerError>) {
    let (mut again, mut reason) = (Vec::new(), None);
    let mut over = Vec::with_capacity(batch.len());
    for (ack, answer) in batch.into_iter().zip(answers) {
        match answer {
            Ok(acked) => tracing::trace!(job = %ack.id, state = %acked.state, repeated = acked.repeated, "acked"),
            Err(error) if error.is_transient() => {
                again.push(ack);
                reason = Some(error);
                continue;
            }
            Err(BrokerError::LeaseLost) => {
                queue.meter.leases_lost.increment(1);
                tracing::warn!(worker = %floor.id, queue = %queue.name, job = %ack.id, "the lease was lost; its late ack was refused");
            }
            Err(error) => tracing::error!(worker = %floor.id, queue = %queue.name, job = %ack.id, %error, "an ack was refused"),
        }
        over.push(ack.token);
    }
    floor.answered(queue.forget(over.into_iter()));
    (again, reason)
}

/// Lets go of acks whose leases ended so long ago that somebody else has surely taken the jobs over.
fn give_up(floor: &Floor, queue: &Queue, batch: &mut Vec<Ack>) {
    let (now, patience) = (floor.clock.elapsed(), (floor.options.lease() * LEASES_LONG).max(Duration::from_secs(60)));
    let too_late = |ack: &Ack| queue.held(ack.token).is_none_or(|job| now > job.lease_until() + patience);
    for ack in batch.extract_if(.., |ack| too_late(ack)) {
        tracing::error!(worker = %floor.id, queue = %queue.name, job = %ack.id, "an ack could not be delivered; its lease is over");
        floor.answered(queue.forget(std::iter::once(ack.token)));
    }
}
