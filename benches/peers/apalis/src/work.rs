//! The worker: no-op handlers that note which job began when.

use crate::{Args, Failed, record::Record};
use apalis::prelude::*;
use std::time::Duration;

/// How often an idle worker looks. At 1 ms it hears of nothing at all, and without a strategy only every 30 s.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Works until it is killed.
pub(crate) async fn work() -> Result<(), Failed> {
    let record = Record::start()?;
    let backend = crate::storage().await?.poll_with_interval(LOOK_EVERY);
    // A name that was used within 300 s is refused.
    let worker = WorkerBuilder::new(format!("worker-{}", std::process::id())).backend(backend).data(record).build(run);
    worker.run().await?;
    Err("the worker ended by itself".into())
}

async fn run(args: Args, record: Data<Record>) -> Result<(), BoxDynError> {
    record.began(args.number);
    Ok(())
}
