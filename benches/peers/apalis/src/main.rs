//! apalis-peer — one worker or one caller of apalis-redis, at the settings that ../README.md tells.
//!
//! `apalis-peer worker`, or `apalis-peer enqueue|pickup FILE` with one job's args on each line of the file; `apalis-peer version`.

mod enqueue;
mod record;
mod work;

use apalis_redis::{Client, Config, RedisStorage};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use serde::{Deserialize, Serialize};
use std::{error::Error, process::ExitCode, time::Duration};

/// Jobs of one fetch, one ack and one bulk call.
const BATCH: usize = 1_000;

/// What a job carries, as the file has it.
#[derive(Debug, Deserialize, Serialize)]
struct Args {
    account: String,
    number: u64,
    tenant: String,
    text: String,
}

type Failed = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["version"] => version(),
        ["worker"] => work::work().await,
        ["enqueue", file] => enqueue::enqueue(file).await,
        ["pickup", file] => enqueue::pickup(file).await,
        _ => Err("worker, enqueue FILE, pickup FILE or version".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("apalis-peer: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The queue. Without locks and events, and with batches of 1,000: each of the three defaults costs it most of its speed.
/// An answer may take ten seconds, because half a second (the default) of a busy disk would end the worker.
async fn storage() -> Result<RedisStorage<Args, ConnectionManager>, Failed> {
    let patient = ConnectionManagerConfig::new().set_response_timeout(Some(Duration::from_secs(10)));
    let connection = Client::open(std::env::var("PEER_REDIS")?)?.get_connection_manager_with_config(patient).await?;
    let config = Config::default().queue("bench").batch_size(BATCH).lock_tasks(false).emit_events(false);
    Ok(RedisStorage::new(connection).with_config(config))
}

/// Of the packages that this was built from.
fn version() -> Result<(), Failed> {
    let mut told = Vec::new();
    for package in include_str!("../Cargo.lock").split("[[package]]") {
        let value = |key: &str| package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'));
        if let (Some(name @ ("apalis" | "apalis-redis")), Some(version)) = (value("name"), value("version")) {
            told.push(format!("{name} {version}"));
        }
    }
    println!("{}", told.join(", "));
    Ok(())
}
