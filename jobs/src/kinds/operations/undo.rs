//! dead_letters.undo — takes back what an operation did, as far as that has not begun: repeats of letters, and changes of priority or due time.
//! Safe to repeat: what is back is done.

use super::course::{self, Course};
use crate::{
    Cause, Context, Failure, Kind, Retry,
    operations::{BULK, BulkArgs, BulkChange, EDITABLE, REPLAY, ReplayArgs, Tally, UNDO, UndoArgs, signature},
};
use longshore_base::Code;
use longshore_dlq::{Search, Verdict};
use longshore_queue::{Job, JobId, Keep};
use serde::de::DeserializeOwned;
use std::time::Duration;

pub(super) struct Undo;

impl Kind for Undo {
    const NAME: &'static str = UNDO;
    const INTERNAL: bool = true;
    const SUMMARY: &'static str = "Takes back what an operation did, as far as that has not begun.";
    const QUEUE: &'static str = course::QUEUE;
    const RETRY: Retry = course::RETRY;
    const TIMEOUT: Duration = course::TIMEOUT;
    const CRASHES_MAX: u8 = course::CRASHES_MAX;
    const KEEP: Option<Keep> = course::KEEP;
    type Args = UndoArgs;
    type Output = Tally;

    async fn run(args: UndoArgs, cx: &Context) -> Result<Tally, Failure> {
        let found = cx.find_operation(args.operation).await?;
        let done = found.ok_or_else(|| Failure::fatal(format!("there is no operation {} any more", args.operation)))?;
        if !done.state.is_ended() {
            return Err(refused(format!("the operation {} is {}; it can be taken back after its end", done.id, done.state)));
        }
        course::run(&Undoing::of(&done)?, cx).await
    }
}

/// What is taken back, and how.
struct Undoing {
    operation: JobId,
    search: Search,
    /// Of a bulk change; None: repeats of letters.
    change: Option<BulkChange>,
}

impl Undoing {
    fn of(done: &Job) -> Result<Self, Failure> {
        let operation = done.id;
        match done.kind.as_str() {
            REPLAY => {
                let args: ReplayArgs = read(done)?;
                let search = Search::repeated_by(operation, &args.filter.unwrap_or_default(), args.before.min(done.created_at + 1));
                Ok(Self { operation, search: search.only(args.ids), change: None })
            }
            BULK => {
                let args: BulkArgs = read(done)?;
                let change = args.change().map_err(|fault| Failure::fatal(format!("{}: {}", fault.pointer, fault.detail)))?;
                if matches!(change, BulkChange::Cancel | BulkChange::Move(_)) {
                    return Err(refused("a cancel and a move cannot be taken back".to_owned()));
                }
                let search = Search::edited_by(signature(operation), &args.filter, EDITABLE, args.before.min(done.created_at + 1));
                Ok(Self { operation, search, change: Some(change) })
            }
            kind => Err(refused(format!("what a job of the kind `{kind}` did cannot be taken back"))),
        }
    }
}

impl Course for Undoing {
    fn search(&self) -> &Search {
        &self.search
    }
    fn per_second(&self) -> usize {
        1_000
    }
    fn count<'a>(&self, tally: &'a mut Tally) -> &'a mut Option<u64> {
        &mut tally.undone
    }
    async fn act(&self, ids: &[JobId], cx: &Context) -> Result<Vec<Verdict>, Failure> {
        match &self.change {
            None => cx.undo_replays(ids, self.operation).await,
            Some(change) => cx.put_jobs_back(ids, self.operation, change).await,
        }
    }
}

fn read<T: DeserializeOwned>(done: &Job) -> Result<T, Failure> {
    serde_json::from_str(done.args.get()).map_err(|e| Failure::fatal(format!("the args of the operation {} cannot be read: {e}", done.id)))
}

fn refused(detail: String) -> Failure {
    Failure::Fatal(Cause::new(Code::NotUndoable, detail))
}
