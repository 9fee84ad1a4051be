//! The Redis user of docs/redis.md, as that page writes it.

use redis::{Value, aio::MultiplexedConnection, cmd};
use std::collections::HashMap;

const PAGE: &str = include_str!("../../../docs/redis.md");
const NAME: &str = "longshore";
const PASSWORD: &str = "p@ss/word";

/// The words behind `ACL SETUSER longshore` for servers, for nodes of a cluster, or for Sentinels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    Server,
    Cluster,
    Sentinel,
}

/// The rules of the page.
pub(crate) fn rules(wanted: For) -> Vec<String> {
    let command = format!("ACL SETUSER {NAME} ");
    let lines: Vec<&str> = PAGE.lines().filter_map(|line| line.split_once(&command)).map(|(_, rules)| rules).collect();
    let find = |begin: &str| {
        let rules = lines.iter().find(|rules| rules.starts_with(begin)).unwrap_or_else(|| panic!("docs/redis.md has no line {begin}"));
        rules.split('`').next().unwrap_or(rules).split_whitespace().map(|rule| rule.replace(">PASSWORD", &format!(">{PASSWORD}"))).collect()
    };
    match wanted {
        For::Server => find("on >PASSWORD resetkeys"),
        For::Cluster => [rules(For::Server), find("+cluster")].concat(),
        For::Sentinel => find("on >PASSWORD -@all +sentinel"),
    }
}

/// Makes the user with these rules.
pub(crate) async fn grant(server: &mut MultiplexedConnection, name: &str, rules: &[String]) {
    let _: () = cmd("ACL").arg("SETUSER").arg(name).arg("reset").arg(rules).query_async(server).await.expect("a user");
}

/// Makes the user of the page.
pub(crate) async fn grant_usual(server: &mut MultiplexedConnection, wanted: For) {
    grant(server, NAME, &rules(wanted)).await;
}

/// `user:password@`, for URLs.
pub(crate) fn login() -> String {
    login_of(NAME)
}

/// The same for another name.
pub(crate) fn login_of(name: &str) -> String {
    format!("{name}:{}@", PASSWORD.replace('@', "%40").replace('/', "%2F"))
}

/// Commands, keys and channels that the server did not let this user touch.
pub(crate) async fn denied(server: &mut MultiplexedConnection, user: &str) -> Vec<String> {
    let log: Vec<HashMap<String, Value>> = cmd("ACL").arg("LOG").arg(1000).query_async(server).await.expect("ACL LOG");
    let text = |entry: &HashMap<String, Value>, field: &str| match entry.get(field) {
        Some(Value::BulkString(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Some(Value::SimpleString(text)) => text.clone(),
        other => panic!("{field} of ACL LOG is {other:?}"),
    };
    let denied = log.iter().filter(|entry| text(entry, "username") == user && text(entry, "reason") != "auth");
    denied.map(|entry| text(entry, "object")).collect()
}
