//! What is wrong or worth knowing about a server's set-up: pure looks at what INFO, CONFIG GET and TIME answered.

use super::{
    node::{Failure, Node},
    value,
};
use crate::Fault;
use redis::Value;
use std::{collections::HashMap, sync::Arc};

/// The settings that are looked at.
pub(super) const SETTINGS: [&str; 9] = [
    "maxmemory-policy",
    "appendonly",
    "appendfsync",
    "save",
    "stop-writes-on-bgsave-error",
    "min-replicas-to-write",
    "min-replicas-max-lag",
    "client-output-buffer-limit",
    "timeout",
];
/// A larger difference between our clock and the server's is told, in ms.
const SKEW_MAX: i64 = 1000;
/// A subscriber may lag by so many bytes at least, or it is cut off in a burst.
const SIGNALS_MIN: u64 = 1 << 20;
/// An answer of a lease has 4 MiB, and some may wait for a worker that is slow to read.
const ANSWERS_MIN: u64 = 32 << 20;
/// A shorter timeout cuts connections that rest between two calls, in seconds.
const IDLE_MIN: u64 = 60;

/// The lines of INFO.
#[derive(Debug, Default)]
pub(super) struct Report(HashMap<String, String>);

impl Report {
    /// A section of the server's INFO, or `default` for all that matter, and its run id.
    pub(super) async fn of(node: &Node, section: &str) -> Result<(Self, Arc<str>), Failure> {
        let command = redis::cmd("INFO").arg(section).to_owned();
        let (answer, run_id) = node.send_as(super::node::Sending::Same(&command), false).await?;
        let text = match answer {
            Value::VerbatimString { text, .. } => text,
            other => value::text(&other).unwrap_or_default().to_owned(),
        };
        Ok((Self::read(&text), run_id))
    }

    fn read(text: &str) -> Self {
        let pair = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Self(text.lines().filter_map(pair).collect())
    }

    /// Empty where there is no such line.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.get(name).parse().ok()
    }

    /// Used and available bytes, where there is a bound.
    pub(super) fn memory(&self) -> Option<(u64, u64)> {
        self.number("used_memory").zip(self.number("maxmemory")).filter(|(_, max)| *max > 0)
    }

    /// `redis 7.0.15` or `valkey 8.0.1`.
    pub(super) fn version(&self) -> String {
        match (self.get("valkey_version"), self.get("redis_version")) {
            ("", "") => "redis unknown".to_owned(),
            ("", version) => format!("redis {version}"),
            (version, _) => format!("valkey {version}"),
        }
    }

    /// How much of its stream of writes every replica has that follows; None without one.
    pub(super) fn copied(&self) -> Option<u64> {
        let lines = (0..self.number("connected_slaves")?).map(|at| self.get(&format!("slave{at}")));
        let online = lines.filter(|line| line.contains("state=online"));
        online.filter_map(|line| line.split(',').find_map(|part| part.strip_prefix("offset="))?.parse().ok()).min()
    }
}

/// How this server is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Single,
    Cluster,
    Sentinel,
}

/// What one server answered.
pub(super) struct Server<'a> {
    pub(super) used: Use,
    pub(super) report: &'a Report,
    /// None: it does not tell.
    pub(super) settings: Option<&'a HashMap<String, String>>,
    /// By how many ms its clock is ahead of ours.
    pub(super) ahead_ms: i64,
}

/// How bad a fault is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// We refuse to work like this.
    Refused,
    /// Something does not work now.
    Broken,
    /// It may go wrong.
    Risk,
}

struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, key: &str, value: impl Into<String>, allowed: &str, mend: &str, weight: Weight) {
        let (fatal, broken) = (weight == Weight::Refused, weight == Weight::Broken);
        let (key, allowed, mend) = (key.to_owned(), allowed.to_owned(), mend.to_owned());
        self.0.push(Fault { key, value: value.into(), allowed, mend, fatal, broken });
    }
}

/// Everything that is wrong with one server, and whether what it acknowledges survives a power cut.
pub(super) fn check(server: &Server<'_>) -> (Vec<Fault>, bool) {
    let mut faults = Faults(Vec::new());
    version(server.report, &mut faults);
    role(server, &mut faults);
    disk(server, &mut faults);
    clock(server.ahead_ms, &mut faults);
    let Some(settings) = server.settings else { return (faults.0, false) };
    let get = |key: &str| settings.get(key).map_or("", String::as_str);
    let durable = persistence(get, &mut faults);
    replicas(server, get, &mut faults);
    connections(get, &mut faults);
    if server.report.number("maxmemory") == Some(0) {
        let allowed = "a bound with room to spare: without one the machine runs out first, and its kernel ends the server";
        faults.add("maxmemory", "0", allowed, "redis-cli CONFIG SET maxmemory 4gb; redis-cli CONFIG REWRITE", Weight::Risk);
    }
    (faults.0, durable)
}

fn version(report: &Report, faults: &mut Faults) {
    let version = report.version();
    let major = version.split(' ').nth(1).and_then(|v| v.split('.').next()).and_then(|v| v.parse::<u32>().ok());
    if major.is_none_or(|major| major < 7) {
        let allowed = "Redis 7.0 or later, or Valkey: scripts need their flags";
        faults.add("version", version, allowed, "install a newer server", Weight::Refused);
    }
}

/// Whether the server is what the URL takes it for.
fn role(server: &Server<'_>, faults: &mut Faults) {
    let (report, used) = (server.report, server.used);
    if report.get("role") == "slave" {
        let allowed = "master: a replica takes no writes, and what it answers may be old";
        faults.add(
            "role",
            "replica",
            allowed,
            "name the master in --broker, or the Sentinels: redis+sentinel://h1,h2/NAME",
            Weight::Refused,
        );
    }
    let clustered = report.get("cluster_enabled") == "1";
    if clustered != (used == Use::Cluster) {
        let (allowed, mend) = if clustered {
            ("0 for this kind of URL: a cluster's node has a part of the slots only", "write redis+cluster://h1,h2 in --broker")
        } else {
            ("1 for redis+cluster://", "write redis://host in --broker")
        };
        faults.add("cluster_enabled", report.get("cluster_enabled"), allowed, mend, Weight::Refused);
    }
}

/// Whether writes reach the disk, as far as the server tells.
fn disk(server: &Server<'_>, faults: &mut Faults) {
    let report = server.report;
    if report.get("aof_last_write_status") == "err" {
        let allowed = "ok: the disk is full or broken, and the server refuses every write";
        faults.add("aof_last_write_status", "err", allowed, "make room on the server's disk (df -h); it goes on by itself", Weight::Broken);
    }
    if report.get("rdb_last_bgsave_status") == "err" {
        let setting = |key: &str| server.settings.and_then(|settings| settings.get(key)).map_or("", String::as_str);
        let refuses = setting("stop-writes-on-bgsave-error") == "yes" && !setting("save").is_empty();
        let weight = if refuses { Weight::Broken } else { Weight::Risk };
        let allowed = "ok: the last snapshot could not be written, so that backups and new replicas fail too, and with stop-writes-on-bgsave-error every write";
        faults.add("rdb_last_bgsave_status", "err", allowed, "make room on the server's disk and memory; redis-cli BGSAVE", weight);
    }
    if report.get("aof_last_bgrewrite_status") == "err" {
        let allowed = "ok: the log of writes grows until it can be rewritten";
        faults.add("aof_last_bgrewrite_status", "err", allowed, "make room on the server's disk; redis-cli BGREWRITEAOF", Weight::Risk);
    }
}

fn clock(ahead_ms: i64, faults: &mut Faults) {
    if ahead_ms.abs() > SKEW_MAX {
        let told = format!("{} ms {} of ours", ahead_ms.abs(), if ahead_ms > 0 { "ahead" } else { "behind" });
        let allowed = "at most a second apart: the server's clock decides when jobs are due, people read times by theirs";
        faults.add("clock", told, allowed, "timedatectl set-ntp true, on both machines", Weight::Risk);
    }
}

/// Whether what is acknowledged survives a power cut.
fn persistence<'a>(get: impl Fn(&str) -> &'a str, faults: &mut Faults) -> bool {
    if get("maxmemory-policy") != "noeviction" {
        let allowed = "noeviction: any other policy deletes jobs when memory is full";
        let mend = "redis-cli CONFIG SET maxmemory-policy noeviction; redis-cli CONFIG REWRITE";
        faults.add("maxmemory-policy", get("maxmemory-policy"), allowed, mend, Weight::Refused);
    }
    if get("appendonly") != "yes" {
        let allowed = "yes: without it a crash of the server loses what came after its last snapshot";
        let mend = "redis-cli CONFIG SET appendonly yes; redis-cli CONFIG REWRITE";
        faults.add("appendonly", get("appendonly"), allowed, mend, Weight::Risk);
        return false;
    }
    if get("appendfsync") == "no" {
        let allowed = "everysec or always: otherwise a power cut loses what the system had not yet written";
        let mend = "redis-cli CONFIG SET appendfsync everysec; redis-cli CONFIG REWRITE";
        faults.add("appendfsync", "no", allowed, mend, Weight::Risk);
    }
    get("appendfsync") == "always"
}

fn replicas<'a>(server: &Server<'_>, get: impl Fn(&str) -> &'a str, faults: &mut Faults) {
    let connected = server.report.number("connected_slaves").unwrap_or(0);
    let wanted = get("min-replicas-to-write").parse::<u64>().unwrap_or(0);
    let lag = get("min-replicas-max-lag").parse::<u64>().unwrap_or(0);
    let good = server.report.number("min_slaves_good_slaves");
    if wanted > 0 && lag > 0 && good.is_some_and(|good| good < wanted) {
        let told = format!("{wanted}, and {} replicas follow closely", good.unwrap_or(0));
        let allowed = "at most as many as follow: the server refuses every write now";
        faults.add(
            "min-replicas-to-write",
            told,
            allowed,
            "bring the replicas back, or redis-cli CONFIG SET min-replicas-to-write 0",
            Weight::Broken,
        );
    } else if (wanted == 0 || lag == 0) && (connected > 0 || server.used == Use::Sentinel) {
        let allowed = "1 or more: a master that is cut off goes on acknowledging what is lost when another one has taken over";
        let mend = "redis-cli CONFIG SET min-replicas-to-write 1; redis-cli CONFIG SET min-replicas-max-lag 10; redis-cli CONFIG REWRITE";
        faults.add("min-replicas-to-write", "0", allowed, mend, Weight::Risk);
    }
}

fn connections<'a>(get: impl Fn(&str) -> &'a str, faults: &mut Faults) {
    let limits = get("client-output-buffer-limit");
    // `class hard soft seconds`, for each class.
    let words: Vec<_> = limits.split_ascii_whitespace().collect();
    let hard = |class: &str| words.chunks_exact(4).find(|four| four[0] == class).and_then(|four| four[1].parse::<u64>().ok());
    let mend =
        |class: &str, limit: &str| format!("redis-cli CONFIG SET client-output-buffer-limit '{class} {limit}'; redis-cli CONFIG REWRITE");
    match hard("pubsub") {
        Some(0) => {
            let allowed = "a bound: a listener that does not read takes memory until none is left";
            faults.add("client-output-buffer-limit pubsub", "0", allowed, &mend("pubsub", "32mb 8mb 60"), Weight::Risk);
        }
        Some(bytes) if bytes < SIGNALS_MIN => {
            let allowed = "1 MiB or more: workers that wait are cut off in a burst of signals";
            faults.add("client-output-buffer-limit pubsub", bytes.to_string(), allowed, &mend("pubsub", "32mb 8mb 60"), Weight::Risk);
        }
        _ => {}
    }
    if let Some(bytes) = hard("normal").filter(|bytes| (1..ANSWERS_MIN).contains(bytes)) {
        let allowed = "0, or 32 MiB or more: large answers would be cut off";
        faults.add("client-output-buffer-limit normal", bytes.to_string(), allowed, &mend("normal", "0 0 0"), Weight::Risk);
    }
    if let Some(seconds) = get("timeout").parse::<u64>().ok().filter(|seconds| (1..IDLE_MIN).contains(seconds)) {
        let allowed = "0, or 60 s or more: connections that rest between calls are closed and made anew";
        faults.add("timeout", seconds.to_string(), allowed, "redis-cli CONFIG SET timeout 0; redis-cli CONFIG REWRITE", Weight::Risk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "redis_version:7.0.15\r\nrole:master\r\ncluster_enabled:0\r\nconnected_slaves:0\r\nmaxmemory:1000\r\nused_memory:10\r\n\
        aof_last_write_status:ok\r\nrdb_last_bgsave_status:ok\r\naof_last_bgrewrite_status:ok\r\n";
    const SET: [(&str, &str); 9] = [
        ("maxmemory-policy", "noeviction"),
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("save", ""),
        ("stop-writes-on-bgsave-error", "yes"),
        ("min-replicas-to-write", "0"),
        ("min-replicas-max-lag", "10"),
        ("client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
        ("timeout", "0"),
    ];

    /// The faults' keys with their weight, after these lines and settings were changed.
    fn told(used: Use, lines: &str, changed: &[(&str, &str)], ahead_ms: i64) -> (Vec<String>, bool) {
        let mut report = Report::read(GOOD);
        report.0.extend(Report::read(lines).0);
        let settings = SET.iter().chain(changed).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (faults, durable) = check(&Server { used, report: &report, settings: Some(&settings), ahead_ms });
        assert!(faults.iter().all(|fault| !fault.mend.is_empty() && fault.allowed.len() > 10), "{faults:?}");
        let weight = |fault: &Fault| {
            if fault.fatal {
                "refused"
            } else if fault.broken {
                "broken"
            } else {
                "risk"
            }
        };
        (faults.iter().map(|fault| format!("{} {}", weight(fault), fault.key)).collect(), durable)
    }

    #[track_caller]
    fn check_one(lines: &str, changed: &[(&str, &str)], expected: &str) {
        assert_eq!(told(Use::Single, lines, changed, 0).0, [expected]);
    }

    #[test]
    fn a_sound_server_has_no_fault() {
        assert_eq!(told(Use::Single, "", &[], 999), (vec![], true));
        assert_eq!(told(Use::Single, "", &[("appendfsync", "everysec")], -999), (vec![], false));
    }

    #[test]
    fn each_fault_is_told_alone_and_with_its_weight() {
        check_one("redis_version:6.2.1", &[], "refused version");
        check_one("role:slave", &[], "refused role");
        check_one("cluster_enabled:1", &[], "refused cluster_enabled");
        check_one("", &[("maxmemory-policy", "allkeys-lru")], "refused maxmemory-policy");
        check_one("", &[("appendonly", "no")], "risk appendonly");
        check_one("", &[("appendfsync", "no")], "risk appendfsync");
        check_one("maxmemory:0", &[], "risk maxmemory");
        check_one("aof_last_write_status:err", &[], "broken aof_last_write_status");
        check_one("aof_last_bgrewrite_status:err", &[], "risk aof_last_bgrewrite_status");
        check_one("rdb_last_bgsave_status:err", &[], "risk rdb_last_bgsave_status");
        check_one("rdb_last_bgsave_status:err", &[("save", "3600 1")], "broken rdb_last_bgsave_status");
        check_one("min_slaves_good_slaves:0", &[("min-replicas-to-write", "1")], "broken min-replicas-to-write");
        check_one("connected_slaves:1", &[], "risk min-replicas-to-write");
        check_one("", &[("client-output-buffer-limit", "normal 0 0 0 pubsub 0 0 0")], "risk client-output-buffer-limit pubsub");
        check_one("", &[("client-output-buffer-limit", "normal 0 0 0 pubsub 1024 0 0")], "risk client-output-buffer-limit pubsub");
        check_one("", &[("client-output-buffer-limit", "normal 65536 0 0")], "risk client-output-buffer-limit normal");
        check_one("", &[("timeout", "5")], "risk timeout");
        for ahead in [1001, -1001] {
            assert_eq!(told(Use::Single, "", &[], ahead).0, ["risk clock"]);
        }
        assert_eq!(told(Use::Cluster, "", &[], 0).0, ["refused cluster_enabled"]);
        assert_eq!(told(Use::Sentinel, "", &[], 0).0, ["risk min-replicas-to-write"]);
    }

    #[test]
    fn what_every_replica_has_is_the_least_of_those_that_follow() {
        let lines = "connected_slaves:3\nslave0:ip=a,port=1,state=online,offset=70,lag=0\n\
            slave1:ip=b,port=1,state=wait_bgsave,offset=5,lag=0\nslave2:ip=c,port=1,state=online,offset=68,lag=1";
        assert_eq!(Report::read(lines).copied(), Some(68));
        assert_eq!(Report::read("connected_slaves:0").copied(), None);
    }

    #[test]
    fn a_fork_is_told_by_its_own_version() {
        assert_eq!(Report::read("redis_version:7.2.4\nvalkey_version:8.0.1").version(), "valkey 8.0.1");
    }
}
