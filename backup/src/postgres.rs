//! PostgreSQL: pg_dump's custom format, and what is in the database, both in one snapshot that psql exports and keeps open meanwhile.

mod contents;
mod place;
mod restore;
mod scratch;
mod session;

pub(crate) use contents::METHOD;
pub(crate) use place::Place;
pub(crate) use restore::{How, into_database, is_empty, taken};
pub(crate) use scratch::verify;

use crate::{
    BackupError, Contents, Means,
    means::ANSWER_MAX,
    seal::{Way, seal},
    take::Taken,
    tool::{Process, Tool, Version, last},
};
use longshore_base::Code;
use session::Session;
use std::{collections::BTreeMap, io};

/// The three tools come in one Debian package.
const PSQL: &str = "psql";
const PG_DUMP: &str = "pg_dump";
const PG_RESTORE: &str = "pg_restore";

/// What a server tells of itself and of the database.
#[derive(Debug, serde::Deserialize)]
struct About {
    snapshot: String,
    version: String,
    version_num: u32,
    bytes: u64,
    encoding: String,
}

/// Dumps one database.
pub(crate) async fn take(place: &Place, means: &Means, way: Way<'_>) -> Result<Taken, BackupError> {
    let (psql, pg_dump) = (Tool::find(PSQL, means).await?, Tool::find(PG_DUMP, means).await?);
    let mut session = Session::open(&psql, place)?;
    let about: About = session.begin().await?;
    pg_dump.must_know(Version(about.version_num / 10_000, 0), "the PostgreSQL server")?;
    let mut command = pg_dump.command();
    place.tell(&mut command);
    command
        .args(["--format=custom", "--compress=0", "--no-password", "--lock-wait-timeout=60000"])
        .arg(format!("--snapshot={}", about.snapshot));
    let (mut out, into) = io::pipe().map_err(|error| BackupError::local("a pipe", &error))?;
    command.stdout(into);
    let mut process = Process::start(PG_DUMP, command)?;
    // The data goes up to the end of the pipe; whether it is whole is what pg_dump's exit says, so the file is finished only after that.
    let (end, ended) = std::sync::mpsc::channel::<bool>();
    let read = move |to: &mut dyn io::Write, halt: &crate::halt::Halt| {
        let read = io::copy(&mut out, to).map_err(|error| BackupError::local("the dump cannot be passed on", &error));
        read.and_then(|_| {
            halt.look()?;
            match ended.recv() {
                Ok(true) => Ok(()),
                _ => Err(BackupError::transient(Code::BackupSource, "pg_dump did not end well")),
            }
        })
    };
    let watch = async {
        let (status, told) = process.ended().await?;
        // Nobody waits for it when the target failed.
        let _ = end.send(status.success());
        if status.success() { Ok(()) } else { Err(failed(PG_DUMP, &told)) }
    };
    let sealing = async {
        let way = Way { of: Some(about.bytes), ..way };
        seal(way, read).await
    };
    let counting = session.contents();
    let (sealed, watched, tables) = tokio::join!(sealing, watch, counting);
    let ((), sums) = match (sealed, watched) {
        // pg_dump fails, too, when nobody takes what it writes.
        (Err(error), _) if error.code() == Code::BackupTarget => return Err(error),
        (_, Err(error)) | (Err(error), Ok(())) => return Err(error),
        (Ok(sealed), Ok(())) => sealed,
    };
    let tables = tables?;
    session.close(ANSWER_MAX).await?;
    Ok(Taken {
        tools: BTreeMap::from([(PG_DUMP.to_owned(), pg_dump.told), (PSQL.to_owned(), psql.told)]),
        engine_version: about.version,
        contents: Contents { method: METHOD.into(), tables, digest: None, unknown: None, encoding: Some(about.encoding) },
        sums,
    })
}

/// What a tool told, as the failure that it means. A server that refuses is the operator's to see to, a server that is away comes back.
fn failed(tool: &str, told: &str) -> BackupError {
    let message = format!("{tool}: {}", last(told));
    let code = if tool == PG_RESTORE { Code::BackupRestore } else { Code::BackupSource };
    if told.contains("server version mismatch") {
        return BackupError::fatal(Code::BackupToolOld, message);
    }
    let away = ["could not connect", "connection to server", "server closed the connection", "terminating connection", "starting up"];
    let refused = ["password authentication failed", "does not exist", "permission denied", "no pg_hba.conf entry", "no password supplied"];
    match () {
        () if refused.iter().any(|words| told.contains(words)) => BackupError::fatal(code, message),
        () if tool != PG_RESTORE || away.iter().any(|words| told.contains(words)) => BackupError::transient(code, message),
        () => BackupError::fatal(code, message),
    }
}
