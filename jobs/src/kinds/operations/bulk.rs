//! jobs.bulk — cancels, moves, reprioritises or postpones the living jobs that a filter matches.
//! Safe to repeat: what it moved is found by the derived id, and what it edited by the line in the job's history.

use super::course::{self, Course};
use crate::{
    Context, Failure, Kind, Retry,
    operations::{BULK, BulkArgs, BulkChange, Tally},
};
use longshore_dlq::{Search, Verdict};
use longshore_queue::{JobId, Keep};
use std::time::Duration;

pub(super) struct Bulk;

const PER_SECOND: u32 = 1_000;

impl Kind for Bulk {
    const NAME: &'static str = BULK;
    const INTERNAL: bool = true;
    const SUMMARY: &'static str = "Cancels, moves, reprioritises or postpones living jobs.";
    const QUEUE: &'static str = course::QUEUE;
    const RETRY: Retry = course::RETRY;
    const TIMEOUT: Duration = course::TIMEOUT;
    const CRASHES_MAX: u8 = course::CRASHES_MAX;
    const KEEP: Option<Keep> = course::KEEP;
    type Args = BulkArgs;
    type Output = Tally;

    async fn run(mut args: BulkArgs, cx: &Context) -> Result<Tally, Failure> {
        // What a time counts from is the call, whatever bounds the jobs.
        let change = args.change().map_err(|fault| Failure::fatal(format!("{}: {}", fault.pointer, fault.detail)))?;
        args.before = course::bound(args.before, cx);
        course::run(&Changing { search: args.search(), per_second: args.per_second.unwrap_or(PER_SECOND), change }, cx).await
    }
}

struct Changing {
    search: Search,
    per_second: u32,
    change: BulkChange,
}

impl Course for Changing {
    fn search(&self) -> &Search {
        &self.search
    }
    fn per_second(&self) -> usize {
        self.per_second as usize
    }
    fn count<'a>(&self, tally: &'a mut Tally) -> &'a mut Option<u64> {
        &mut tally.changed
    }
    async fn act(&self, ids: &[JobId], cx: &Context) -> Result<Vec<Verdict>, Failure> {
        match &self.change {
            BulkChange::Cancel => cx.cancel_jobs(ids).await,
            BulkChange::Move(queue) => cx.move_jobs(ids, queue).await,
            BulkChange::Priority(priority) => cx.prioritise_jobs(ids, *priority).await,
            BulkChange::Postpone(at) => cx.postpone_jobs(ids, *at).await,
        }
    }
}
