//! ops — the operator's own work: copies of databases, looks at them, and their removal. Only operators may enqueue these kinds, because a worker
//! reads whatever the address names. The work is done in the crate `backup`; here stand the args, and what a repeated attempt may keep.

use crate::{Catalog, Cause, Context, Failure, Retry, minutes, seconds};
use longshore_backup::{BackupError, Means, Progress, Tell};
use longshore_base::Code;
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

mod backup;
mod prune_backups;
mod verify_backup;

pub(super) fn register(catalog: Catalog) -> Catalog {
    catalog.with::<backup::Backup>().with::<verify_backup::VerifyBackup>().with::<prune_backups::PruneBackups>()
}

const QUEUE: &str = "backups";
const RETRY: Retry = Retry::times(5).between(seconds(10), minutes(10));
/// A terabyte at 20 MB/s.
const TIMEOUT: Duration = minutes(14 * 60);
/// Progress is told at most so often.
const PACE: Duration = Duration::from_millis(500);
/// An address: longer ones are a mistake.
const URL_MAX: usize = 2048;

/// What the operator gave this worker for backups.
fn means(cx: &Context) -> Result<&Means, Failure> {
    cx.backup_means().ok_or_else(|| Failure::Fatal(Cause::new(Code::BackupScratch, "this worker has no scratch folder for backups")))
}

fn failure(error: BackupError) -> Failure {
    let cause = Cause::new(error.code(), &error);
    if error.is_transient() { Failure::Retry(cause) } else { Failure::Fatal(cause) }
}

/// Does the work until it is done or the attempt is to stop; what is dropped stops by itself.
async fn until_stopped<T>(cx: &Context, work: impl Future<Output = Result<T, BackupError>>) -> Result<T, Failure> {
    tokio::select! {
        done = work => done.map_err(failure),
        () = cx.cancelled() => Err(Failure::Cancelled),
    }
}

/// Passes progress on, as often as people can read it.
fn tell(cx: &Context) -> Tell {
    let (cx, last) = (cx.clone(), Mutex::new(None::<(Duration, &'static str)>));
    Tell::new(move |Progress { phase, done, of }| {
        let now = cx.clock().elapsed();
        {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.is_some_and(|(at, told)| told == phase && now.saturating_sub(at) < PACE) {
                return;
            }
            *last = Some((now, phase));
        }
        // It is small and JSON; nothing can be wrong with it.
        drop(cx.progress(serde_json::json!({ "phase": phase, "bytes": done, "bytes_total": of })));
    })
}

fn invalid(message: impl std::fmt::Display) -> Failure {
    Failure::Fatal(Cause::new(Code::ArgsInvalid, message))
}

#[cfg(test)]
mod tests;
