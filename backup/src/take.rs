//! How a backup is made: the target is tried, the source is read in one snapshot through `seal.rs`, and what came of it is a [`Draft`]. The caller
//! keeps the draft where it survives a crash and has the target publish it; only then it is a backup.

use crate::manifest::Contents;
use crate::{BackupError, Draft, Means, Recipients, Run, Source, Stored, Sum, Target, Tell, postgres, rdb, scratch::Scratch, seal, sqlite};
use longshore_base::rfc3339;
use std::collections::BTreeMap;

/// What to do.
#[derive(Debug)]
pub struct Order {
    /// Of which name, which run.
    pub run: Run,
    /// The job, as the manifest names it.
    pub job: String,
    /// What to copy.
    pub source: Source,
    /// Who may open it.
    pub encrypt_to: Recipients,
}

/// What a source tells besides its data.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) engine_version: String,
    pub(crate) tools: BTreeMap<String, String>,
    pub(crate) contents: Contents,
    pub(crate) sums: seal::Sums,
}

/// Writes the data of a backup. Dropping the future stops everything that it started.
///
/// # Errors
/// `backup.source_failed`, `backup.target_failed`, `backup.tool_missing`, `backup.tool_outdated`, `backup.scratch_failed`, `jobs.args_invalid`.
/// Nothing that could be taken for a backup is left.
pub async fn dump(order: &Order, target: &Target, means: &Means, tell: &Tell) -> Result<Draft, BackupError> {
    let (began, started_at_ms) = (means.clock.elapsed(), means.clock.now());
    target.clear(&order.run).await?;
    target.check(&order.run).await?;
    let file = order.run.file(order.source.engine().extension());
    let way = seal::Way { files: &target.files, file: &file, recipients: &order.encrypt_to, tell, of: None };
    let mut taken = match &order.source {
        Source::Sqlite(path) => {
            let scratch = Scratch::new(means, &order.job, order.run.token)?;
            sqlite::take(path, &scratch, way).await?
        }
        Source::Postgres(place) => postgres::take(place, means, way).await?,
        Source::Redis(place) => rdb::take(place, means, way).await?,
    };
    taken.tools.insert("longshore".into(), env!("CARGO_PKG_VERSION").into());
    let Sum { bytes, sha256 } = taken.sums.stored;
    Ok(Draft {
        format: Draft::FORMAT,
        name: order.run.name.to_string(),
        run: order.run.id.clone(),
        job: order.job.clone(),
        engine: order.source.engine(),
        engine_version: taken.engine_version,
        started_at: rfc3339(started_at_ms),
        started_at_ms,
        duration_ms: u64::try_from((means.clock.elapsed() - began).as_millis()).unwrap_or(u64::MAX),
        data: Stored { file, bytes, sha256 },
        plain: taken.sums.plain,
        encrypt_to: order.encrypt_to.texts(),
        tools: taken.tools,
        contents: taken.contents,
    })
}
