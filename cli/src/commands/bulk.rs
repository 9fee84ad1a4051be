//! A change of many jobs, as every command begins one: how many it would be, the person's yes, the operation, and staying with it.

use crate::{
    client::Client,
    commands::{difference, operations},
    host::Host,
    print,
    stop::Stop,
};
use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value};
use std::io::{BufRead, IsTerminal};

/// How far to go.
#[derive(Debug, Clone, Args)]
pub(crate) struct Care {
    /// Tell how many it would be, change nothing
    #[arg(long)]
    dry_run: bool,
    /// The number of jobs, as it was told; needed above 1,000
    #[arg(long, value_name = "COUNT", conflicts_with = "dry_run")]
    confirm_count: Option<u64>,
    /// Repeating the command with the same key starts no second operation
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Stay until it is done; exit 1 unless all of it was done
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    /// Where it is asked for.
    pub(crate) path: &'a [&'a str],
    /// What is sent, but for how far to go.
    pub(crate) body: Map<String, Value>,
    /// What it is about, in the plural: `dead letters`.
    pub(crate) what: &'a str,
    /// What becomes of them: `be replayed`.
    pub(crate) to_do: &'a str,
}

/// Asks, begins and, where that is wanted, stays.
pub(crate) async fn run(change: Change<'_>, care: &Care, client: &Client, host: &Host) -> Result<(), Stop> {
    if care.dry_run {
        let answer = dry(&change, client).await?;
        if host.json {
            print::json(&answer);
        } else {
            print::line(&format!("{}{}", difference::preview(&answer["preview"]), would(&change, &answer)));
        }
        return Ok(());
    }
    let mut body = change.body.clone();
    match care.confirm_count {
        Some(count) => drop(body.insert("confirm_count".into(), count.into())),
        // Whoever names ids knows how many they are.
        None if body.contains_key("filter") && may_ask(host) => {
            let count = dry(&change, client).await?["count"].as_u64().unwrap_or(0);
            if count == 0 {
                print::line(&none(&change));
                return Ok(());
            }
            agree(&change, count)?;
            body.insert("confirm_count".into(), count.into());
        }
        None => {}
    }
    let headers: Vec<_> = care.idempotency_key.iter().map(|key| ("Idempotency-Key", key.clone())).collect();
    let answer = client.send(Method::POST, change.path, &[], Some(body.into()), &headers).await.map_err(with_flag)?;
    begun(&answer, &none(&change), care.watch, client, host).await
}

/// Tells of the operation that an answer names, or that there was nothing to do.
pub(crate) async fn begun(answer: &Value, none: &str, watch: bool, client: &Client, host: &Host) -> Result<(), Stop> {
    let Some(id) = answer["operation"].as_str() else {
        if host.json {
            print::json(answer);
        } else {
            print::line(none);
        }
        return Ok(());
    };
    if watch {
        if !host.json {
            print::aside(&format!("operation {id}; it goes on when this command ends"));
        }
        return operations::watch(client, host, id).await;
    }
    if host.json {
        print::json(answer);
    } else {
        print::line(id);
        let count = answer["count"].as_u64().map(|count| format!("{}; ", many(count))).unwrap_or_default();
        print::aside(&format!("{count}`{} operations watch {id}` tells how far it is", host.name));
    }
    Ok(())
}

/// The count, from the API; nothing is changed.
async fn dry(change: &Change<'_>, client: &Client) -> Result<Value, Stop> {
    let mut body = change.body.clone();
    body.insert("dry_run".into(), true.into());
    client.post(change.path, body.into()).await
}

/// A person sits there, and reads what is written.
fn may_ask(host: &Host) -> bool {
    !host.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Shows the count, and wants it typed.
fn agree(change: &Change<'_>, count: u64) -> Result<(), Stop> {
    print::ask(&format!("{} {} would {}. To go on, type the number: ", many(count), change.what, change.to_do));
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    if read.is_ok() && line.trim().replace([',', '_'], "").parse() == Ok(count) {
        return Ok(());
    }
    Err(Stop::failed("nothing was done: the number was not typed"))
}

/// A refusal for want of the number, with the flag that gives it.
fn with_flag(stop: Stop) -> Stop {
    match stop.problem().and_then(|problem| problem["count"].as_u64()) {
        Some(count) => {
            let text = format!("{}\n  here: add --confirm-count {count}", stop.message());
            Stop::failed(text).with_problem(stop.problem().cloned().unwrap_or_default())
        }
        None => stop,
    }
}

fn would(change: &Change<'_>, answer: &Value) -> String {
    match answer["count"].as_u64() {
        Some(0) | None => none(change),
        Some(count) => format!("{} {} would {}; nothing was changed", many(count), change.what, change.to_do),
    }
}

fn none(change: &Change<'_>) -> String {
    format!("no {} match; nothing was done", change.what)
}

/// `12,400`.
pub(crate) fn many(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Change, many, with_flag, would};
    use crate::stop::Stop;
    use serde_json::{Map, json};

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!([0, 999, 1_000, 12_400, 1_234_567].map(many), ["0", "999", "1,000", "12,400", "1,234,567"]);
    }

    #[test]
    fn a_dry_run_says_what_would_be() {
        let change = Change { path: &[], body: Map::new(), what: "dead letters", to_do: "be replayed" };
        assert_eq!(would(&change, &json!({ "count": 3_100 })), "3,100 dead letters would be replayed; nothing was changed");
        assert_eq!(would(&change, &json!({ "count": 0 })), "no dead letters match; nothing was done");
    }

    #[test]
    fn a_refusal_names_the_count_and_the_flag() {
        let stop = with_flag(Stop::failed("too many").with_problem(json!({ "code": "operations.unconfirmed", "count": 12_400 })));
        assert_eq!(stop.message(), "too many\n  here: add --confirm-count 12400");
        assert_eq!(stop.problem().map(|problem| &problem["count"]), Some(&json!(12_400)));
        assert_eq!(with_flag(Stop::failed("other")).message(), "other");
    }
}
