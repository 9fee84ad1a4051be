//! ops.prune_backups — removes backups that no rule keeps, and says of every one why it stays or goes.
//! Safe to repeat: what is gone is gone, and the rules keep the same ones again. The newest good one is never removed.

use super::{QUEUE, RETRY, URL_MAX, failure, invalid, means, until_stopped};
use crate::{Context, Failure, Kind, minutes};
use longshore_backup::{Keeping, Plan, Target, plan};
use longshore_base::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) struct PruneBackups;

/// How many stay. Periods count in UTC, from the newest backup back, and only those that have a good backup.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{"target": "s3://backups/databases", "name": "shop", "daily": 7, "weekly": 5, "monthly": 12}]))]
pub(super) struct Args {
    /// file:///folder or s3://bucket/prefix.
    #[schemars(length(max = URL_MAX), regex(pattern = r"^(file:///|s3://)."))]
    target: String,
    /// Whose backups.
    #[schemars(length(max = 128), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._:-]*$"))]
    name: String,
    /// The newest of each of so many days.
    #[schemars(range(max = 100_000))]
    daily: u32,
    /// The newest of each of so many ISO weeks.
    #[schemars(range(max = 100_000))]
    weekly: u32,
    /// The newest of each of so many months.
    #[schemars(range(max = 100_000))]
    monthly: u32,
    /// Only says what it would do.
    #[serde(default)]
    dry_run: bool,
}

/// What stays, what goes.
#[derive(Serialize, JsonSchema)]
pub(super) struct Output {
    /// Nothing was removed.
    dry_run: bool,
    /// The newest first.
    kept: Vec<Kept>,
    /// Removed, or to be removed.
    removed: Vec<Removed>,
    /// Not touched: they are damaged, or may be in the making.
    spared: Vec<Spared>,
    /// Files that runs left which were interrupted more than a week ago; removed, too.
    leftovers: Vec<String>,
    /// Stored bytes of what is removed.
    bytes_freed: u64,
}

#[derive(Serialize, JsonSchema)]
struct Kept {
    /// Which backup.
    manifest: String,
    /// When it was taken, RFC 3339.
    at: String,
    /// `newest`, and the periods that it stands for, such as `daily 2026-11-23`.
    why: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Removed {
    /// Which backup.
    manifest: String,
    /// When it was taken, RFC 3339.
    at: String,
    /// As stored.
    bytes: u64,
}

#[derive(Serialize, JsonSchema)]
struct Spared {
    /// A manifest, or the name of a run.
    what: String,
    /// Why nothing was done to it.
    why: String,
}

impl Kind for PruneBackups {
    const NAME: &'static str = "ops.prune_backups";
    const QUEUE: &'static str = QUEUE;
    const RETRY: crate::Retry = RETRY;
    const TIMEOUT: Duration = minutes(60);
    const OPERATORS: bool = true;
    const SUMMARY: &'static str = "Removes backups that no rule keeps (daily, weekly, monthly), never the newest good one.";
    type Args = Args;
    type Output = Output;

    async fn run(args: Args, cx: &Context) -> Result<Output, Failure> {
        let name = Name::new(&args.name).map_err(|error| invalid(format!("/name: {error}")))?;
        let target = Target::open_made(&args.target, means(cx)?).map_err(failure)?;
        let listed = until_stopped(cx, target.list(&name)).await?;
        let now = cx.clock().now();
        let keeping = Keeping { daily: args.daily, weekly: args.weekly, monthly: args.monthly };
        let plan = plan(&listed, keeping, now);
        if !args.dry_run {
            until_stopped(cx, target.remove(&name, &plan, now)).await?;
        }
        Ok(output(plan, args.dry_run))
    }
}

fn output(plan: Plan, dry_run: bool) -> Output {
    let bytes_freed = plan.removed.iter().map(|removed| removed.bytes).sum();
    let kept = plan.kept.into_iter().map(|one| Kept { manifest: one.manifest, at: one.at, why: one.why }).collect();
    let removed = plan.removed.into_iter().map(|one| Removed { manifest: one.manifest, at: one.at, bytes: one.bytes }).collect();
    let spared = plan.spared.into_iter().map(|one| Spared { what: one.what, why: one.why }).collect();
    Output { dry_run, kept, removed, spared, leftovers: plan.leftovers, bytes_freed }
}
