//! schedules.backfill — makes up for a range of a schedule's ticks.
//! Safe to repeat: a tick's job has the id that the tick gives it, and a tick whose job is still there makes no second one.
//!
//! It runs shortly once a second and sleeps without a slot in between. Before each batch it keeps what it is about to do, so that after a crash
//! what it made itself is not counted as what others had made.

use crate::{Context, Failure, Kind, Retry, minutes, seconds, ticks::BACKFILL};
use longshore_base::{Millis, Name};
use longshore_queue::{ScheduleState, Timetable};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) struct Backfill;

/// Which ticks.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// The schedule's name; its tenant is the job's.
    #[schemars(length(min = 1, max = 128))]
    schedule: String,
    /// The first instant, Unix time.
    #[schemars(range(min = 0, max = 253_402_300_799_000_i64))]
    from: Millis,
    /// The instant after the last, Unix time; at most now.
    #[schemars(range(min = 0, max = 253_402_300_799_000_i64))]
    to: Millis,
    /// So many ticks a second at most.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 1000))]
    per_second: u32,
}

const fn ten() -> u32 {
    10
}

/// How far it is.
#[derive(Serialize, JsonSchema)]
pub(super) struct Output {
    /// Ticks whose job it made.
    made: u64,
    /// Ticks whose job was there, or was led to another one by a unique key.
    skipped: u64,
    /// Ticks of the range.
    total: u64,
}

/// Kept between runs.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Ticks before this are done with.
    at: Millis,
    made: u64,
    skipped: u64,
    total: u64,
    /// The life of the schedule, as text: JSON's numbers do not hold it.
    incarnation: String,
    /// The schedule's revision that `total` and `there` were found out with.
    revision: u64,
    /// So many jobs of the batch at `at` were there before it was begun; None: it was not begun.
    there: Option<u64>,
}

/// What two machines' clocks may be apart, in milliseconds.
const CLOCKS_DIFFER: Millis = 60_000;
/// One batch a second.
const PACE: Duration = seconds(1);
/// A range with more ticks is refused.
const TICKS_MOST: u64 = 1_000_000;
/// After so many ticks of counting others have a turn.
const COUNT_PART: u64 = 10_000;

impl Kind for Backfill {
    const NAME: &'static str = BACKFILL;
    const SUMMARY: &'static str = "Makes up for the ticks of a schedule from `from` up to, not including, `to`.";
    const RETRY: Retry = Retry::times(100).between(seconds(1), minutes(1));
    type Args = Args;
    type Output = Output;

    async fn run(args: Args, cx: &Context) -> Result<Output, Failure> {
        let began = cx.clock().elapsed();
        let (state, timetable) = schedule(&args, cx).await?;
        let mut kept = kept(&args, &state, &timetable, cx).await?;
        let batch: Vec<_> = timetable.between(kept.at - 1, args.to - 1).take(args.per_second.clamp(1, 1_000) as usize).collect();
        if let Some(last) = batch.last() {
            let there = match kept.there {
                Some(there) => there,
                None => cx.ticks_there(&state, &batch).await? as u64,
            };
            kept.there = Some(there);
            cx.save(&kept).await?;
            if cx.is_cancelled() {
                return Err(Failure::Cancelled);
            }
            let made = (cx.enqueue_ticks(&state, &batch).await? as u64).saturating_sub(there);
            kept = Kept { at: last + 1, made: kept.made + made, skipped: kept.skipped + batch.len() as u64 - made, there: None, ..kept };
            cx.save(&kept).await?;
        }
        let output = Output { made: kept.made, skipped: kept.skipped, total: kept.total };
        cx.progress(&output)?;
        if timetable.between(kept.at - 1, args.to - 1).next().is_none() {
            return Ok(output);
        }
        Err(Failure::Snooze(PACE.saturating_sub(cx.clock().elapsed() - began)))
    }
}

/// The schedule as it stands, and its ticks.
async fn schedule(args: &Args, cx: &Context) -> Result<(ScheduleState, Timetable), Failure> {
    if args.from >= args.to {
        return Err(Failure::fatal(format!("`from` ({}) is not before `to` ({})", args.from, args.to)));
    }
    if args.to > cx.clock().now().saturating_add(CLOCKS_DIFFER) {
        return Err(Failure::fatal(format!(
            "`to` ({}) is not there yet: a tick that is made up for early is not carried out when it is due",
            args.to
        )));
    }
    let name = Name::new(&args.schedule).map_err(|e| Failure::fatal(format!("`{}` cannot be a schedule's name: {e}", args.schedule)))?;
    let state = cx.schedule(&name).await?;
    let state = state.ok_or_else(|| Failure::fatal(format!("the tenant {} has no schedule `{name}` any more", cx.tenant())))?;
    let timetable = Timetable::new(&state.schedule.timing, &state.schedule.tenant, &name, state.created_at);
    let timetable = timetable.map_err(|faults| {
        let faults: Vec<_> = faults.iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail)).collect();
        Failure::fatal(format!("the timing of the schedule `{name}` cannot be read: {}", faults.join("; ")))
    })?;
    Ok((state, timetable))
}

/// What earlier runs kept, with a total that fits the schedule as it is now.
async fn kept(args: &Args, state: &ScheduleState, timetable: &Timetable, cx: &Context) -> Result<Kept, Failure> {
    let (incarnation, revision) = (format!("{:032x}", state.incarnation.0), state.revision);
    let kept: Option<Kept> = cx.resume().await?;
    match kept {
        Some(kept) if kept.incarnation != incarnation => Err(Failure::fatal(format!(
            "the schedule `{}` was removed and made anew after {} of {} ticks",
            args.schedule,
            kept.made + kept.skipped,
            kept.total
        ))),
        Some(kept) if kept.revision == revision => Ok(kept),
        Some(kept) => {
            let total = kept.made + kept.skipped + count(timetable, kept.at, args.to).await?;
            Ok(Kept { total, revision, there: None, ..kept })
        }
        None => {
            let total = count(timetable, args.from, args.to).await?;
            Ok(Kept { at: args.from, made: 0, skipped: 0, total, incarnation, revision, there: None })
        }
    }
}

/// The ticks of [from, to).
async fn count(timetable: &Timetable, from: Millis, to: Millis) -> Result<u64, Failure> {
    let mut count = 0;
    for _ in timetable.between(from - 1, to - 1) {
        count += 1;
        if count > TICKS_MOST {
            return Err(Failure::fatal(format!("the range has more than {TICKS_MOST} ticks; choose a shorter one")));
        }
        if count % COUNT_PART == 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(count)
}
