//! Schedules of the job's own tenant: for handlers that make up for their ticks.

use super::Context;
use crate::{Cause, Failure};
use longshore_base::{Code, Millis, Name, Scope};
use longshore_queue::{JobId, ScheduleState};

/// Bytes of args in one call at most; a single job may be larger.
const BYTES_MOST: usize = 1 << 20;
/// Jobs in one call at most.
const JOBS_MOST: usize = 500;

impl Context {
    /// A schedule of this job's tenant, as it stands.
    ///
    /// # Errors
    /// Retry when the broker cannot be reached.
    pub async fn schedule(&self, name: &Name) -> Result<Option<ScheduleState>, Failure> {
        let (broker, tenant) = (&self.inner.parts.tools.broker, self.tenant());
        broker.find_schedule(&Scope::Tenant(tenant.clone()), tenant, name).await.map_err(|e| self.inner.failure(&e))
    }

    /// How many of these ticks have a job that is still there.
    ///
    /// # Errors
    /// Retry when the broker cannot be reached.
    pub async fn ticks_there(&self, state: &ScheduleState, ticks: &[Millis]) -> Result<usize, Failure> {
        let broker = &self.inner.parts.tools.broker;
        let home = broker.home(&state.schedule.queue).await.map_err(|e| self.inner.failure(&e))?;
        let ids: Vec<_> = ticks.iter().map(|at| JobId::derived(*at, home, &state.incarnation.seed(*at))).collect();
        let mut there = 0;
        for part in ids.chunks(JOBS_MOST) {
            let jobs = broker.get(&Scope::Tenant(self.tenant().clone()), part).await.map_err(|e| self.inner.failure(&e))?;
            there += jobs.iter().flatten().count();
        }
        Ok(there)
    }

    /// Enqueues the jobs of these ticks, with the ids that the ticks give them: one whose job is there already makes no second one. Looks
    /// neither at the overlap rule nor at the schedule's cursor. Answers how many of the ticks have a job of their own now; the others
    /// were led to another job by a unique key.
    ///
    /// # Errors
    /// Fatal when the kind is not known any more or refuses the args, or when the schedule is another tenant's; Retry when the broker cannot
    /// be reached: some of the jobs may be there then.
    pub async fn enqueue_ticks(&self, state: &ScheduleState, ticks: &[Millis]) -> Result<usize, Failure> {
        let (schedule, parts) = (&state.schedule, &self.inner.parts);
        if schedule.tenant != *self.tenant() {
            let message = format!("a job of tenant {} cannot enqueue for tenant {}", self.tenant(), schedule.tenant);
            return Err(Failure::Fatal(Cause::new(Code::RequestInvalid, message)));
        }
        let most = (BYTES_MOST / schedule.args.get().len().max(1)).clamp(1, JOBS_MOST);
        let mut own = 0;
        for part in ticks.chunks(most) {
            let mut jobs = Vec::with_capacity(part.len());
            for at in part {
                jobs.push(parts.tools.checker.tick(state, *at).await.map_err(|e| self.refused(&e))?);
            }
            let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
            for (id, enqueued) in ids.iter().zip(parts.tools.broker.enqueue(jobs).await.map_err(|e| self.inner.failure(&e))?) {
                own += usize::from(enqueued.map_err(|e| self.inner.failure(&e))?.id == *id);
            }
        }
        Ok(own)
    }
}
