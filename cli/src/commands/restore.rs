//! `restore` — a backup back to where it is used: it opens the target itself, so that it works when nothing else of Longshore does.

use crate::{host::Host, paint::Paint, print, progress::Progress as Bar, stop::Stop};
use clap::Args as ClapArgs;
use longshore_backup::{BackupError, Destination, Engine, Identities, Listed, Manifest, Means, Progress, Target, Tell, Wanted, restore};
use longshore_base::{Code, Name};
use longshore_config::Secret;
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc};

/// Which backup, and where to.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Where the backups lie: file:///folder, or s3://bucket/prefix with the AWS_ variables
    #[arg(long, value_name = "URL")]
    target: String,
    /// The newest good backup of this name
    #[arg(long, value_name = "NAME", required_unless_present = "manifest", conflicts_with = "manifest")]
    name: Option<Name>,
    /// One backup, as ops.backup and --list name it
    #[arg(long, value_name = "FILE")]
    manifest: Option<String>,
    /// Only list the backups of a name
    #[arg(long, requires = "name", conflicts_with_all = ["identity", "to", "overwrite", "no_owner"])]
    list: bool,
    /// An age identity file, as age-keygen writes it
    #[arg(long, value_name = "FILE", required_unless_present = "list")]
    identity: Option<PathBuf>,
    /// A new file for SQLite and Redis, or an empty database: postgres://user@host/database (its password may stand in ~/.pgpass)
    #[arg(long, value_name = "PATH|URL", required_unless_present = "list")]
    to: Option<String>,
    /// Replace the file, or drop what the backup has from the database first
    #[arg(long)]
    overwrite: bool,
    /// PostgreSQL: leave owners and grants out, for a server without those roles
    #[arg(long)]
    no_owner: bool,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let means = Means {
        aws: host.environment.aws.clone(),
        // What is restored is written beside where it goes.
        scratch: PathBuf::new(),
        path: host.environment.path.clone(),
        clock: host.clock.clone(),
    };
    let target = Target::open_made(&args.target, &means).map_err(|error| stop(&error))?;
    if args.list {
        return list(&args, &target, host).await;
    }
    let wanted = match (&args.name, &args.manifest) {
        (_, Some(manifest)) => Wanted::Manifest(manifest.clone()),
        (Some(name), None) => Wanted::Newest(name.clone()),
        (None, None) => return Err(Stop::usage("--name or --manifest is needed")),
    };
    let (Some(identity), Some(to)) = (&args.identity, args.to) else { return Err(Stop::usage("--identity and --to are needed")) };
    let text = std::fs::read_to_string(identity).map_err(|error| {
        let told = format!("the identity file {} cannot be read: {error}", identity.display());
        let code = Code::BackupIdentity;
        Stop::failed(format!("{told} ({code})")).with_problem(json!({ "code": code.as_str(), "detail": told }))
    })?;
    let identities = Identities::parse(&Secret::new(text)).map_err(|error| stop(&error))?;
    let manifest = target.find(&wanted).await.map_err(|error| stop(&error))?;
    let destination = Destination::parse(&Secret::new(to.clone()), manifest.backup.engine).map_err(|error| stop(&error))?;
    let how = (args.overwrite, args.no_owner);
    let bar = Arc::new(Bar::of(host, "restoring"));
    let done = restore((&target, &manifest, identities), &destination, how, &means, &tell(&bar)).await;
    bar.end();
    let done = done.map_err(|error| stop(&error))?;
    let to = longshore_config::redacted(&to);
    if host.json {
        let (tables, rows, bytes) = (done.tables, done.rows, done.bytes);
        print::json(&json!({ "restored": { "backup": shown(&manifest), "to": to, "tables": tables, "rows": rows, "bytes": bytes } }));
    } else {
        let of = &manifest.backup;
        print::line(&format!("{} of {} is at {to}: {} rows, the same as when it was taken", of.name, of.started_at, done.rows));
        if of.engine == Engine::Redis {
            print::line("  start a Redis server with it as its dump file, and with AOF off, or the server reads its log instead");
        }
    }
    Ok(())
}

/// Shows how far it is, where there is a terminal.
fn tell(bar: &Arc<Bar>) -> Tell {
    let bar = Arc::clone(bar);
    Tell::new(move |Progress { phase, done, of }| {
        bar.bytes(done, of);
        bar.say(phase);
    })
}

async fn list(args: &Args, target: &Target, host: &Host) -> Result<(), Stop> {
    let Some(name) = &args.name else { return Err(Stop::usage("--name is needed")) };
    let listed = target.list(name).await.map_err(|error| stop(&error))?;
    if host.json {
        let rows: Vec<Value> = listed.iter().filter_map(document).collect();
        print::json(&json!({ "backups": rows }));
        return Ok(());
    }
    let mut table = print::Table::new(&["TAKEN", "OF", ">BYTES", "MANIFEST"]);
    for one in &listed {
        match one {
            Listed::Good(manifest) => {
                let of = &manifest.backup;
                table.row([of.started_at.clone(), engine(of.engine).into(), of.data.bytes.to_string(), manifest.file()]);
            }
            Listed::Damaged { manifest, why } => table.row(["damaged".into(), "-".into(), "-".into(), format!("{manifest}: {why}")]),
            // Nobody's backup.
            Listed::Unfinished { .. } => {}
        }
    }
    table.print(&format!("{} has no backup of the name {name}", args.target), Paint::of(host));
    Ok(())
}

fn document(listed: &Listed) -> Option<Value> {
    match listed {
        Listed::Good(manifest) => Some(shown(manifest)),
        Listed::Damaged { manifest, why } => Some(json!({ "manifest": manifest, "damaged": why })),
        Listed::Unfinished { .. } => None,
    }
}

fn shown(manifest: &Manifest) -> Value {
    let of = &manifest.backup;
    json!({
        "manifest": manifest.file(), "name": of.name, "taken_at": of.started_at, "engine": engine(of.engine), "bytes": of.data.bytes,
        "sha256": of.data.sha256, "encrypt_to": of.encrypt_to,
    })
}

const fn engine(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
        Engine::Redis => "redis",
    }
}

/// Every failure has a code and a page; a fault of the command line is one of usage.
fn stop(error: &BackupError) -> Stop {
    let code = error.code();
    let problem = json!({ "code": code.as_str(), "detail": error.to_string() });
    let told = format!("{error} ({code})\n  what to do: {}", todo(code));
    let stop = match code {
        Code::ArgsInvalid => Stop::usage(error.to_string()),
        Code::BackupTarget if error.is_transient() => Stop::unreachable(told),
        _ => Stop::failed(told),
    };
    stop.with_problem(problem)
}

/// What the code's page says, in the words of whoever sits before this machine instead of a worker's.
fn todo(code: Code) -> &'static str {
    match code {
        Code::BackupScratch => "make room where --to points; what is restored is first written beside it",
        Code::BackupSource => "read the message: it has the last words of the tool; then repeat the command",
        Code::BackupTarget => "check that --target is there and can be read; for a bucket, look at the AWS_ variables of this shell",
        Code::BackupToolMissing => "install it (Debian: postgresql-client), or put its folder into PATH, then repeat the command",
        Code::BackupToolOld => "install the server's version of it, then repeat the command",
        _ => code.page().todo,
    }
}
