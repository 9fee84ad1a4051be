//! What goes on beside the calls, as long as the broker lives: a look at who the master is, at how the servers are set up, and at what a
//! server lost that was replaced.

use super::{RedisBroker, Result, setup::Report};
use crate::Fault;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// How often the Sentinels and the master are asked. A master that dies is noticed by the calls, at once; this is for one that goes on
/// answering though another one has taken over.
const MASTER_EVERY: Duration = Duration::from_secs(1);
/// How often the set-up is looked at.
const SETUP_EVERY: Duration = Duration::from_secs(30);
/// Losses that could not be counted are tried again after this long.
const AGAIN: Duration = Duration::from_secs(1);

impl RedisBroker {
    /// Starts looking; ends with the broker. `faults`: those that are told already.
    pub(super) fn look_out(self: &Arc<Self>, faults: &[Fault]) {
        let (broker, clock, random) = (Arc::downgrade(self), Arc::clone(&self.options.clock), Arc::clone(&self.options.random));
        let replaced = self.router.replaced();
        let every = if self.router.is_sentinel() { MASTER_EVERY } else { SETUP_EVERY };
        let (mut known, mut looked_at) = (keys(faults), clock.elapsed());
        tokio::spawn(async move {
            loop {
                let was_replaced = tokio::select! {
                    () = replaced.notified() => true,
                    () = clock.sleep(every.mul_f64(0.8 + 0.4 * random.unit())) => false,
                };
                let Some(broker) = broker.upgrade() else { return };
                broker.look_at_master().await;
                if was_replaced || clock.elapsed() >= looked_at + SETUP_EVERY {
                    looked_at = clock.elapsed();
                    broker.look_at_setup(&mut known).await;
                }
                if was_replaced && let Err(error) = broker.look_at_losses().await {
                    tracing::debug!(%error, "what was lost cannot be counted yet");
                    drop(broker);
                    clock.sleep(AGAIN).await;
                    replaced.notify_one();
                }
            }
        });
    }

    async fn look_at_losses(&self) -> Result<()> {
        self.forget_lost_queues().await?;
        self.count_losses().await
    }

    /// Another server may be another class, and a setting may be changed while we run: what is new is told.
    async fn look_at_setup(&self, known: &mut BTreeSet<String>) {
        let Ok(health) = self.look().await else { return };
        for fault in health.faults.iter().filter(|fault| !known.contains(&fault.key)) {
            let (key, value, allowed, mend) = (&fault.key, &fault.value, &fault.allowed, &fault.mend);
            tracing::warn!(key, value, allowed, mend, fatal = fault.fatal, "the broker's set-up has a new fault");
        }
        *known = keys(&health.faults);
    }

    /// Follows the Sentinels to another master, and notices one that has become a replica while it goes on answering.
    async fn look_at_master(&self) {
        let master = match self.router.look_for_master().await {
            None => return,
            Some(Ok(master)) => master,
            Some(Err(error)) => return tracing::warn!(%error, "the master stays who it was"),
        };
        let asked_at = self.options.clock.elapsed();
        let Ok((report, run_id)) = Report::of(&master, "replication").await else { return };
        if report.get("role") != "master" {
            tracing::warn!(server = master.address, "the server answers, but is no longer the master");
            return master.reconnect().await;
        }
        self.router.served_by(0, &run_id);
        if let Some(written) = report.number("master_repl_offset") {
            self.recent.copied(asked_at, written, report.copied());
        }
    }
}

fn keys(faults: &[Fault]) -> BTreeSet<String> {
    faults.iter().map(|fault| fault.key.clone()).collect()
}

/// Lets the lookout see that nobody is left to look for.
impl Drop for RedisBroker {
    fn drop(&mut self) {
        self.router.replaced().notify_one();
    }
}
