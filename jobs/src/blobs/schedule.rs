//! Large args of a schedule: a file of the schedule's own, from which each tick's job gets one.

use super::{BlobError, Blobs, claim_of, is_large};
use longshore_queue::{Claim, Json, Schedule};

impl Blobs {
    /// Writes the args of a schedule that is about to be put, if they do not fit into its record.
    ///
    /// # Errors
    /// The files'. The schedule must not be put then.
    pub async fn keep_schedule(&self, schedule: &mut Schedule) -> Result<(), BlobError> {
        if is_large(&schedule.args) {
            let (claim, bytes) = claim_of(&schedule.args);
            self.there()?.put(&name(schedule, &claim), bytes).await?;
            schedule.args = claim.json();
        }
        Ok(())
    }

    /// The args of a schedule as they are.
    ///
    /// # Errors
    /// The files'; `files.missing` and `files.damaged` among them.
    pub async fn schedule_args(&self, schedule: &Schedule) -> Result<Json, BlobError> {
        match Claim::of(&schedule.args)? {
            Some(claim) => self.read(&name(schedule, &claim), &claim).await,
            None => Ok(schedule.args.clone()),
        }
    }
}

fn name(schedule: &Schedule, claim: &Claim) -> String {
    format!("schedules/{}/{}/{}/{}", schedule.queue, schedule.tenant, schedule.name, claim.sha256)
}
