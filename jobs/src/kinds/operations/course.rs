//! How an operation goes. First it finds its jobs: those that were there at the moment of the call. Then it acts on them, oldest first, shortly
//! once a second, and sleeps without a slot in between.
//!
//! Which jobs come next is kept before anything is done to them, and the counts after: whatever moment it is killed at, the next run repeats
//! one batch, and each act says of a job that it did before what it said then. So nothing is done twice, and the counts are right.

use super::kept::Kept;
use crate::{Context, Failure, Retry, minutes, operations::Tally, seconds};
use longshore_base::Millis;
use longshore_dlq::{Search, Verdict};
use longshore_queue::{ERROR_MAX, JobId, Keep, OPERATIONS};
use std::time::Duration;

pub(super) const QUEUE: &str = OPERATIONS;
/// An outage of the broker is no reason to give up.
pub(super) const RETRY: Retry = Retry::times(100).between(seconds(1), minutes(1));
/// A million jobs take a while to be found.
pub(super) const TIMEOUT: Duration = minutes(60);
/// Workers may go one after the other while it runs.
pub(super) const CRASHES_MAX: u8 = 20;
/// What it did can be looked at, and taken back, for a week.
pub(super) const KEEP: Option<Keep> = Some(Keep::Ms(7 * 86_400_000));

/// One batch a second.
const PACE: Duration = seconds(1);

/// What the kinds differ in.
pub(super) trait Course: Sync {
    /// Whether it looks at the first results of the jobs that it makes.
    const FOLLOWS: bool = false;
    /// So many jobs are kept as the next ones.
    const PART: usize = 4_000;

    /// Which jobs it is about.
    fn search(&self) -> &Search;
    /// So many a second at most.
    fn per_second(&self) -> usize;
    /// Where it counts what it did.
    fn count<'a>(&self, tally: &'a mut Tally) -> &'a mut Option<u64>;
    /// Why it should go no further.
    fn stop(&self, tally: &Tally) -> Option<String> {
        let _ = tally;
        None
    }
    /// Does it to a batch; may be repeated. The verdicts are in the order of `ids`.
    fn act(&self, ids: &[JobId], cx: &Context) -> impl Future<Output = Result<Vec<Verdict>, Failure>> + Send;
}

/// One run.
pub(super) async fn run<C: Course>(course: &C, cx: &Context) -> Result<Tally, Failure> {
    let began = cx.clock().elapsed();
    let mut kept = match cx.resume().await? {
        Some(kept) => kept,
        None => Kept::begin(course, cx).await?,
    };
    kept.look(cx).await?;
    if let Some(reason) = course.stop(&kept.tally) {
        kept.tally.stopped = Some(reason);
        tell(&kept.tally, cx)?;
        return Ok(kept.tally);
    }
    kept.fill(course, cx).await?;
    if cx.is_cancelled() {
        return Err(Failure::Cancelled);
    }
    let batch = kept.batch(course.per_second());
    if !batch.is_empty() {
        let verdicts = course.act(&batch, cx).await?;
        kept.settle(course, &batch, verdicts);
        cx.save(&kept).await?;
    }
    tell(&kept.tally, cx)?;
    if kept.is_through() {
        if kept.rested || !kept.is_open() {
            return Ok(kept.tally);
        }
        // The last jobs that it made have a second for their results.
        kept.rested = true;
        cx.save(&kept).await?;
    }
    Err(Failure::Snooze(PACE.saturating_sub(cx.clock().elapsed() - began)))
}

/// The moment up to which jobs are part of this operation: that of the call, but by the server's clock not later than the operation itself,
/// so that what becomes of it is never a part of it.
pub(super) fn bound(before: Millis, cx: &Context) -> Millis {
    before.min(cx.job().created_at + 1)
}

/// Progress has less room than an output.
fn tell(tally: &Tally, cx: &Context) -> Result<(), Failure> {
    let mut told = tally.clone();
    while serde_json::to_vec(&told).is_ok_and(|text| text.len() > ERROR_MAX) && told.refused.pop().is_some() {}
    cx.progress(&told)
}
