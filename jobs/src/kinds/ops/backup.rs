//! ops.backup — one database, copied in one snapshot, compressed, encrypted and written to a folder or a bucket.
//! Safe to repeat: all attempts of a job make one backup. What an attempt wrote to its end is not written again by the next one.

use super::{QUEUE, RETRY, TIMEOUT, URL_MAX, failure, means, tell, until_stopped};
use crate::{Context, Failure, Kind, Level, SecretOr};
use longshore_backup::{Draft, Order, Recipients, Run, Source, Target, dump};
use longshore_base::Name;
use longshore_queue::PAYLOAD_MAX;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) struct Backup;

/// What to copy, and where to.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{"name": "shop", "source": "postgres:///shop", "target": "s3://backups/databases",
    "encrypt_to": ["age1q0cnnkz4j85dmks6rsjalwmwwaeguscwyam6np6ljcyzd0qzngtsw4zr7l"]}]))]
pub(super) struct Args {
    /// Groups the backups of one database; prune and verify go by it.
    #[schemars(length(max = 128), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._:-]*$"))]
    name: String,
    /// sqlite:/path (a file of the worker's machine), postgres://user:password@host/database, redis://:password@host, rediss://, unix:///path.sock.
    /// With a password it should be a secret: args are kept with the job and shown to operators.
    source: SecretOr<String>,
    /// file:///folder or s3://bucket/prefix, with the worker's AWS_ variables.
    #[schemars(length(max = URL_MAX), regex(pattern = r"^(file:///|s3://)."))]
    target: String,
    /// age recipients, age1…; one of their identities opens the backup.
    #[schemars(length(min = 1, max = 20), inner(regex(pattern = r"^age1[02-9ac-hj-np-z]{20,}$")))]
    encrypt_to: Vec<String>,
}

/// The backup.
#[derive(Serialize, JsonSchema)]
pub(super) struct Output {
    /// What names it, below the target.
    manifest: String,
    /// Of the data as it is stored.
    bytes: u64,
    /// Of the same, in hex.
    sha256: String,
}

impl Kind for Backup {
    const NAME: &'static str = "ops.backup";
    const QUEUE: &'static str = QUEUE;
    const RETRY: crate::Retry = RETRY;
    const TIMEOUT: Duration = TIMEOUT;
    const CRASHES_MAX: u8 = 5;
    const OPERATORS: bool = true;
    const SUMMARY: &'static str = "Copies a SQLite, PostgreSQL or Redis database, encrypted, to a folder or a bucket.";
    type Args = Args;
    type Output = Output;

    async fn run(args: Args, cx: &Context) -> Result<Output, Failure> {
        let means = means(cx)?;
        let name = Name::new(&args.name).map_err(|error| super::invalid(format!("/name: {error}")))?;
        let order = Order {
            run: Run::new(name, cx.job().created_at, &cx.id().to_string(), cx.token().0),
            job: cx.id().to_string(),
            source: source(&args.source, cx).await?,
            encrypt_to: Recipients::parse(&args.encrypt_to).map_err(failure)?,
        };
        let target = Target::open(&args.target, means).map_err(failure)?;
        // The attempt before may have died between the manifest and its ack.
        if let Some(manifest) = until_stopped(cx, target.finished(&order.run)).await? {
            return Ok(output(&manifest.backup, manifest.file()));
        }
        let draft = match kept(&target, cx).await? {
            Some(draft) => draft,
            None => {
                let draft = until_stopped(cx, dump(&order, &target, means, &tell(cx))).await?;
                keep(&draft, cx).await?;
                draft
            }
        };
        let manifest = until_stopped(cx, target.publish(draft)).await?;
        Ok(output(&manifest.backup, manifest.file()))
    }
}

/// The address. Args are kept with the job and shown to every operator, which whoever wrote a password into them is told.
async fn source(given: &SecretOr<String>, cx: &Context) -> Result<Source, Failure> {
    let source = Source::parse(&cx.reveal(given).await?).map_err(failure)?;
    if matches!(given, SecretOr::Literal(_)) && source.has_password() {
        cx.log(
            Level::Warn,
            "the args of this job hold a password, for every operator to read: let `source` name a secret, {\"$secret\": …}",
        );
    }
    Ok(source)
}

/// What an earlier attempt wrote to its end, if it is there still.
async fn kept(target: &Target, cx: &Context) -> Result<Option<Draft>, Failure> {
    let Some(draft) = cx.resume::<Draft>().await? else { return Ok(None) };
    Ok(until_stopped(cx, target.holds(&draft)).await?.then_some(draft))
}

/// A draft with very many tables is not kept: it would only cost a repetition.
async fn keep(draft: &Draft, cx: &Context) -> Result<(), Failure> {
    let bytes = serde_json::to_vec(draft).map_or(usize::MAX, |text| text.len());
    if bytes < PAYLOAD_MAX { cx.save(draft).await } else { Ok(()) }
}

fn output(draft: &Draft, manifest: String) -> Output {
    Output { manifest, bytes: draft.data.bytes, sha256: draft.data.sha256.clone() }
}
