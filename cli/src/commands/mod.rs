//! The operator commands, one file each. They speak HTTP; only `migrate`, `doctor`, `config`, `restore`, `bench` and `keys --local` open files or servers.

pub(crate) mod bench;
pub(crate) mod bulk;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod difference;
pub(crate) mod dlq;
pub(crate) mod doctor;
pub(crate) mod enqueue;
pub(crate) mod filter;
pub(crate) mod gate;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod kinds;
pub(crate) mod limits;
pub(crate) mod migrate;
pub(crate) mod operations;
pub(crate) mod queues;
pub(crate) mod resources;
pub(crate) mod restore;
pub(crate) mod rule;
pub(crate) mod scale;
pub(crate) mod schedules;
pub(crate) mod scope;
pub(crate) mod tail;
pub(crate) mod workers;

use crate::stop::Stop;
use serde_json::Value;
use std::io::Read;

/// A JSON document from the command line, or from stdin for `-`.
pub(crate) fn document(what: &str, text: &str) -> Result<Value, Stop> {
    let mut input = String::new();
    let text = if text == "-" {
        std::io::stdin().read_to_string(&mut input).map_err(|error| Stop::usage(format!("{what}: stdin cannot be read: {error}")))?;
        &input
    } else {
        text
    };
    serde_json::from_str(text).map_err(|error| {
        Stop::usage(format!("{what} is not JSON: {error}\n  what to do: quote it for the shell, such as '{{\"name\": \"value\"}}'"))
    })
}
