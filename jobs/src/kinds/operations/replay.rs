//! dead_letters.replay — repeats dead letters as new jobs, at a rate, and stops by itself where too many of them fail again.
//! Safe to repeat: the letter and the operation give the new job's id.

use super::course::{self, Course};
use crate::{
    Context, Failure, Kind, Retry,
    operations::{REPLAY, ReplayArgs, Tally},
};
use longshore_dlq::{Search, Verdict};
use longshore_queue::{JobId, Keep};
use std::time::Duration;

pub(super) struct Replay;

const PER_SECOND: u32 = 100;
/// Fewer results say too little.
const RESULTS_LEAST: u64 = 20;

impl Kind for Replay {
    const NAME: &'static str = REPLAY;
    const INTERNAL: bool = true;
    const SUMMARY: &'static str = "Repeats dead letters, at a rate, as long as few enough of them fail again.";
    const QUEUE: &'static str = course::QUEUE;
    const RETRY: Retry = course::RETRY;
    const TIMEOUT: Duration = course::TIMEOUT;
    const CRASHES_MAX: u8 = course::CRASHES_MAX;
    const KEEP: Option<Keep> = course::KEEP;
    type Args = ReplayArgs;
    type Output = Tally;

    async fn run(mut args: ReplayArgs, cx: &Context) -> Result<Tally, Failure> {
        args.before = course::bound(args.before, cx);
        let search = args.search().map_err(|fault| Failure::fatal(format!("{}: {}", fault.pointer, fault.detail)))?;
        course::run(&Replaying { search, args }, cx).await
    }
}

pub(super) struct Replaying {
    pub(super) search: Search,
    pub(super) args: ReplayArgs,
}

impl Course for Replaying {
    const FOLLOWS: bool = true;

    fn search(&self) -> &Search {
        &self.search
    }
    fn per_second(&self) -> usize {
        self.args.per_second.unwrap_or(PER_SECOND) as usize
    }
    fn count<'a>(&self, tally: &'a mut Tally) -> &'a mut Option<u64> {
        &mut tally.replayed
    }
    fn stop(&self, tally: &Tally) -> Option<String> {
        let share = self.args.stop_when_failing?;
        let failing = tally.failing.unwrap_or(0);
        let results = failing + tally.well.unwrap_or(0);
        let stops = results >= RESULTS_LEAST && failing > 0 && failing as f64 >= share * results as f64;
        stops.then(|| format!("{failing} of {results} first results are failures; stop_when_failing is {share}"))
    }
    async fn act(&self, ids: &[JobId], cx: &Context) -> Result<Vec<Verdict>, Failure> {
        cx.replay_letters(ids, self.args.args_patch.as_ref()).await
    }
}
