//! dead_letters.purge — removes dead letters for good.
//! Safe to repeat: what is gone is done.

use super::course::{self, Course};
use crate::{
    Context, Failure, Kind, Retry,
    operations::{PURGE, PurgeArgs, Tally},
};
use longshore_dlq::{Search, Verdict};
use longshore_queue::{JobId, Keep};
use std::time::Duration;

pub(super) struct Purge;

impl Kind for Purge {
    const NAME: &'static str = PURGE;
    const INTERNAL: bool = true;
    const SUMMARY: &'static str = "Removes dead letters for good.";
    const QUEUE: &'static str = course::QUEUE;
    const RETRY: Retry = course::RETRY;
    const TIMEOUT: Duration = course::TIMEOUT;
    const CRASHES_MAX: u8 = course::CRASHES_MAX;
    const KEEP: Option<Keep> = course::KEEP;
    type Args = PurgeArgs;
    type Output = Tally;

    async fn run(mut args: PurgeArgs, cx: &Context) -> Result<Tally, Failure> {
        args.before = course::bound(args.before, cx);
        let search = args.search().map_err(|fault| Failure::fatal(format!("{}: {}", fault.pointer, fault.detail)))?;
        course::run(&Purging { search }, cx).await
    }
}

pub(super) struct Purging {
    pub(super) search: Search,
}

impl Course for Purging {
    fn search(&self) -> &Search {
        &self.search
    }
    fn per_second(&self) -> usize {
        1_000
    }
    fn count<'a>(&self, tally: &'a mut Tally) -> &'a mut Option<u64> {
        &mut tally.purged
    }
    async fn act(&self, ids: &[JobId], cx: &Context) -> Result<Vec<Verdict>, Failure> {
        cx.purge_letters(ids).await
    }
}
