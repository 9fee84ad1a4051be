//! A Redis server of our own, for as long as an RDB file is looked at: it loads the file, writes its data down again, and that must be the same data.
//! It is told that it is a replica, because a master drops what has expired since.

use super::{METHOD, Place, REDIS_CLI, contents};
use crate::{
    BackupError, Contents, Means,
    means::{ANSWER_MAX, SILENCE_MAX},
    scratch::Scratch,
    server::Server,
    tool::{Tool, Version, last},
};
use futures::FutureExt;
use longshore_base::Code;
use std::{fs::File, time::Duration};

/// The file that is looked at, in the scratch folder.
pub(crate) const FILE: &str = "dump.rdb";
const SAVE_MAX: Duration = SILENCE_MAX.saturating_mul(6);

/// What a server that loaded the file holds.
pub(crate) async fn verify(version: &str, scratch: &Scratch, means: &Means) -> Result<Contents, BackupError> {
    let (tool, redis_cli) = (Tool::find("redis-server", means).await?, Tool::find(REDIS_CLI, means).await?);
    tool.must_know(Version::read(version).unwrap_or(Version(0, 0)), "the Redis server of the backup")?;
    let folder = scratch.path().to_string_lossy().into_owned();
    let socket = format!("{folder}/s");
    let args = [
        "--port",
        "0",
        "--unixsocket",
        &socket,
        "--dir",
        &folder,
        "--dbfilename",
        FILE,
        "--save",
        "",
        "--appendonly",
        "no",
        "--daemonize",
        "no",
        "--replicaof",
        "127.0.0.1 1",
        "--maxmemory",
        "0",
        "--logfile",
        "server.log",
    ];
    let mut server = Server::start(&tool, &args, None)?;
    let place = Place::local(&socket);
    let held = async {
        let loaded = server.ready(means, || answers(&redis_cli, &place).boxed()).await;
        if let Err(error) = loaded {
            // What a server does not load it tells in its log.
            let log = std::fs::read_to_string(scratch.path().join("server.log")).unwrap_or_default();
            return Err(BackupError::fatal(error.code(), format!("{error} {}", last(&log))));
        }
        // It holds the data now: what it writes is a new file, not this one.
        std::fs::remove_file(scratch.path().join(FILE)).map_err(|error| BackupError::local(FILE, &error))?;
        ask(&redis_cli, &place, &["SAVE"], SAVE_MAX).await
    };
    let held = held.await;
    server.end().await;
    held?;
    let again = scratch.path().join(FILE);
    crate::halt::on_a_thread(move |_| {
        let mut file = File::open(&again).map_err(|error| BackupError::local("what the scratch server wrote", &error))?;
        let found = contents(&mut file)?;
        Ok(Contents { method: METHOD.into(), ..found })
    })
    .await
}

async fn answers(redis_cli: &Tool, place: &Place) -> bool {
    ask(redis_cli, place, &["PING"], ANSWER_MAX).await.is_ok_and(|told| told == "PONG")
}

async fn ask(redis_cli: &Tool, place: &Place, words: &[&str], within: Duration) -> Result<String, BackupError> {
    let mut command = redis_cli.command();
    place.tell(&mut command);
    command.arg("-e").args(words);
    let (status, out, told) = redis_cli.answer(command, within).await?;
    let out = out.trim().to_owned();
    if status.success() { Ok(out) } else { Err(BackupError::fatal(Code::BackupRestore, format!("{}: {out} {}", words[0], last(&told)))) }
}
