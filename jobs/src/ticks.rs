//! From a schedule's tick to its job: the same checks and defaults as for any other request, at the time of the tick.

use crate::{Checker, JobRequest, RequestError};
use longshore_base::{Millis, Random};
use longshore_queue::{Json, NewJob, Schedule, ScheduleState, Tick};
use serde_json::Value;

/// The kind whose jobs make up for a range of ticks. Its args are {schedule, from, to, per_second}, with times in milliseconds.
pub const BACKFILL: &str = "schedules.backfill";

impl Checker {
    /// The job of a tick. Its id comes from the schedule's incarnation and the tick, so that nobody makes a second one.
    ///
    /// # Errors
    /// As [`Checker::check`]: the kind is not known any more, or refuses the args now.
    pub async fn tick(&self, state: &ScheduleState, at: Millis) -> Result<NewJob, RequestError> {
        self.check_derived(self.asked(&state.schedule, at).await?, at, &state.incarnation.seed(at)).await
    }

    /// The job of a run by hand, with a fresh id.
    ///
    /// # Errors
    /// As [`Checker::check`].
    pub async fn tick_by_hand(&self, state: &ScheduleState, at: Millis, random: &dyn Random) -> Result<NewJob, RequestError> {
        self.check(self.asked(&state.schedule, at).await?, random).await
    }

    /// The same with an id that `seed` and `at` always give, so that a repeated call makes no second job.
    ///
    /// # Errors
    /// As [`Checker::check`].
    pub async fn tick_by_hand_derived(&self, state: &ScheduleState, at: Millis, seed: &[u8]) -> Result<NewJob, RequestError> {
        self.check_derived(self.asked(&state.schedule, at).await?, at, seed).await
    }

    /// Checks what each tick of a schedule would ask for, before it is put: its args stand in it as they are. Makes nothing.
    ///
    /// # Errors
    /// As [`Checker::check`], with pointers into the schedule.
    pub async fn check_schedule(&self, schedule: &Schedule, by_tenant: bool) -> Result<(), RequestError> {
        self.look(&JobRequest { by_tenant, ..request(schedule, &schedule.args, 0) }).await
    }

    /// What a tick of a schedule that was put asks for.
    async fn asked(&self, schedule: &Schedule, at: Millis) -> Result<JobRequest, RequestError> {
        Ok(request(schedule, &self.blobs().schedule_args(schedule).await?, at))
    }
}

/// What a tick asks for.
fn request(schedule: &Schedule, args: &Json, at: Millis) -> JobRequest {
    JobRequest {
        kind: Some(schedule.kind.clone()),
        args: serde_json::from_str(args.get()).unwrap_or(Value::Null),
        queue: Some(schedule.queue.clone()),
        tenant: Some(schedule.tenant.clone()),
        client: schedule.client.clone(),
        priority: schedule.priority,
        tags: schedule.tags.clone(),
        tick: Some(Tick { schedule: schedule.name.clone(), at }),
        ..JobRequest::default()
    }
}
