//! Redis: what the server sends to a replica, an RDB file, by `redis-cli --rdb -`. The file is its own snapshot; what is in it is counted and hashed
//! while it passes, by the same rule as the server's own `DEBUG DIGEST`.

mod digest;
mod listpack;
mod lzf;
mod place;
mod read;
mod scratch;
mod stream;
mod tail;
mod walk;

pub(crate) use place::Place;
pub(crate) use scratch::{FILE, verify};
pub(crate) use walk::contents;

use crate::{
    BackupError, Means,
    digests::Tee,
    halt::Halt,
    means::ANSWER_MAX,
    seal::{Way, seal},
    take::Taken,
    tool::{Process, Tool, Version, last},
};
use longshore_base::Code;
use std::{collections::BTreeMap, io};

const REDIS_CLI: &str = "redis-cli";
/// What the manifest calls the hash.
pub(crate) const METHOD: &str = "DEBUG DIGEST of Redis 7.0";

/// Fetches the server's data.
pub(crate) async fn take(place: &Place, means: &Means, way: Way<'_>) -> Result<Taken, BackupError> {
    let redis_cli = Tool::find(REDIS_CLI, means).await?;
    let server = version(&redis_cli, place).await?;
    let known = Version::read(&server).ok_or_else(|| BackupError::transient(Code::BackupSource, "the server does not tell its version"))?;
    redis_cli.must_know(known, "the Redis server")?;
    let mut command = redis_cli.command();
    place.tell(&mut command);
    command.args(["--rdb", "-"]);
    let (out, into) = io::pipe().map_err(|error| BackupError::local("a pipe", &error))?;
    command.stdout(into);
    let mut process = Process::start(REDIS_CLI, command)?;
    let (end, ended) = std::sync::mpsc::channel::<bool>();
    let read = move |to: &mut dyn io::Write, halt: &Halt| {
        let contents = contents(&mut Tee { inner: tail::Tail::new(out), copy: to })?;
        halt.look()?;
        match ended.recv() {
            Ok(true) => Ok(contents),
            _ => Err(BackupError::transient(Code::BackupSource, "redis-cli did not end well")),
        }
    };
    let watch = async {
        let (status, told) = process.ended().await?;
        // Nobody waits for it when the target failed.
        let _ = end.send(status.success());
        if status.success() { Ok(()) } else { Err(failed(&told)) }
    };
    let (sealed, watched) = tokio::join!(seal(way, read), watch);
    let (contents, sums) = match (sealed, watched) {
        (Err(error), _) if error.code() == Code::BackupTarget => return Err(error),
        (_, Err(error)) | (Err(error), Ok(())) => return Err(error),
        (Ok(sealed), Ok(())) => sealed,
    };
    Ok(Taken { tools: BTreeMap::from([(REDIS_CLI.to_owned(), redis_cli.told)]), engine_version: server, contents, sums })
}

/// The server's, which also says that it can be reached and lets us in.
async fn version(redis_cli: &Tool, place: &Place) -> Result<String, BackupError> {
    let mut command = redis_cli.command();
    place.tell(&mut command);
    command.args(["INFO", "server"]);
    let (status, out, told) = redis_cli.answer(command, ANSWER_MAX).await?;
    let found = out.lines().find_map(|line| line.trim().strip_prefix("redis_version:"));
    match found {
        Some(version) if status.success() => Ok(version.to_owned()),
        _ => Err(failed(&format!("{out}\n{told}"))),
    }
}

fn failed(told: &str) -> BackupError {
    let message = format!("{REDIS_CLI}: {}", last(told));
    let refused = ["NOAUTH", "WRONGPASS", "NOPERM"].iter().any(|word| told.contains(word));
    if refused { BackupError::fatal(Code::BackupSource, message) } else { BackupError::transient(Code::BackupSource, message) }
}

#[cfg(test)]
mod tests;
