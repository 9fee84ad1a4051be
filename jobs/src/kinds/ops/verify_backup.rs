//! ops.verify_backup — restores a backup into a scratch place and compares it with what it was taken from.
//! Safe to repeat: the backup is only read.

use super::{QUEUE, RETRY, TIMEOUT, URL_MAX, failure, invalid, means, tell, until_stopped};
use crate::{Context, Failure, Kind, SecretRef};
use longshore_backup::{Engine, Identities, Target, Verified, Wanted, verify};
use longshore_base::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) struct VerifyBackup;

/// Which backup.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["name"]}, {"required": ["manifest"]}]))]
#[schemars(extend("examples" = [{"target": "s3://backups/databases", "name": "shop", "identity": {"$secret": "backup-identity"}}]))]
pub(super) struct Args {
    /// file:///folder or s3://bucket/prefix.
    #[schemars(length(max = URL_MAX), regex(pattern = r"^(file:///|s3://)."))]
    target: String,
    /// The newest good one of this name.
    #[serde(default)]
    #[schemars(length(max = 128), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._:-]*$"))]
    name: Option<String>,
    /// The one that ops.backup answered.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    manifest: Option<String>,
    /// The text of an age identity file.
    identity: SecretRef,
}

/// What was found to be the same.
#[derive(Serialize, JsonSchema)]
pub(super) struct Output {
    /// Which backup it was.
    manifest: String,
    /// When it was taken, RFC 3339.
    taken_at: String,
    /// `sqlite`, `postgres` or `redis`.
    engine: String,
    /// Tables, or databases of Redis.
    tables: u64,
    /// Rows, or keys.
    rows: u64,
    /// Of the data before compression.
    bytes: u64,
}

impl Kind for VerifyBackup {
    const NAME: &'static str = "ops.verify_backup";
    const QUEUE: &'static str = QUEUE;
    const RETRY: crate::Retry = RETRY;
    const TIMEOUT: Duration = TIMEOUT;
    const OPERATORS: bool = true;
    const SUMMARY: &'static str = "Restores a backup into a scratch place and compares counts and hashes with its manifest.";
    type Args = Args;
    type Output = Output;

    async fn run(args: Args, cx: &Context) -> Result<Output, Failure> {
        let means = means(cx)?;
        let wanted = match (args.name, args.manifest) {
            (Some(name), None) => Wanted::Newest(Name::new(&name).map_err(|error| invalid(format!("/name: {error}")))?),
            (None, Some(manifest)) => Wanted::Manifest(manifest),
            _ => return Err(invalid("one of name and manifest is needed")),
        };
        let identities = Identities::parse(&cx.secret(&args.identity).await?).map_err(failure)?;
        let target = Target::open_made(&args.target, means).map_err(failure)?;
        let manifest = until_stopped(cx, target.find(&wanted)).await?;
        let (job, token) = (cx.id().to_string(), cx.token().0);
        let tell = tell(cx);
        let work = verify((&target, &manifest, identities), (&job, token), means, &tell);
        let Verified { tables, rows, bytes } = until_stopped(cx, work).await?;
        let engine = match manifest.backup.engine {
            Engine::Sqlite => "sqlite",
            Engine::Postgres => "postgres",
            Engine::Redis => "redis",
        };
        let (manifest, taken_at) = (manifest.file(), manifest.backup.started_at);
        Ok(Output { manifest, taken_at, engine: engine.into(), tables, rows, bytes })
    }
}
