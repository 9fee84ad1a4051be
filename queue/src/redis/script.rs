//! Scripts: one file per transition, shared pieces included when they are loaded, called by hash.

use std::collections::HashSet;

macro_rules! scripts {
    ($($variant:ident = $file:literal,)*) => {
        /// Which script.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Script { $($variant,)* }
        const FILES: &[(&str, &str)] = &[$(($file, include_str!(concat!("scripts/", $file, ".lua"))),)*];
    };
}

scripts! {
    Open = "open", Enqueue = "enqueue", Lease = "lease", Extend = "extend", Ack = "ack", Save = "save", Note = "note",
    Deliver = "deliver", Cancel = "cancel", Edit = "edit", RetryNow = "retry_now", GiveUp = "give_up", Replay = "replay", Undo = "undo", Bury = "bury", Relocate = "relocate", Feed = "feed", Alert = "alert",
    Purge = "purge", Get = "get", List = "list", Stats = "stats", Rule = "rule", Rules = "rules", Lanes = "lanes", Explain = "explain", Lend = "lend", Slice = "slice", Announce = "announce", Tick = "tick",
    Expired = "expired", Watch = "watch", Home = "home", PutKinds = "put_kinds", Beat = "beat", Workers = "workers",
    Command = "command", Begin = "begin", Finish = "finish", Directory = "directory", Schedule = "schedule", FindSchedule = "find_schedule", DueSchedules = "due_schedules", Fire = "fire",
}

macro_rules! pieces {
    ($($file:literal,)*) => {
        const PIECES: &[(&str, &str)] = &[$(($file, include_str!(concat!("scripts/include/", $file, ".lua"))),)*];
    };
}

pieces! {
    "admit", "base", "buckets", "cancelling", "clock", "counts", "ending", "expire", "find", "finish", "follow", "followers", "follows", "lanes", "lasterror", "law", "leaving", "meta",
    "mode_cluster", "mode_single", "mutable", "newjob", "picking", "promote", "reap", "record", "sched", "signals", "standing", "state", "sweep", "takeout",
    "timeout", "unblock", "unpark", "view", "wait", "wakejob",
}

/// A script as it is sent.
#[derive(Debug)]
pub(super) struct Loaded {
    /// With its includes.
    pub(super) code: String,
    /// SHA-1 of the code in hex.
    pub(super) hash: String,
}

/// Every script, put together for one way of deployment.
#[derive(Debug)]
pub(super) struct Scripts(Vec<Loaded>);

impl Scripts {
    /// For a single server or for a cluster.
    pub(super) fn new(cluster: bool) -> Self {
        let load = |(_, text): &(&str, &str)| {
            let code = expand(text, cluster, &mut HashSet::new());
            let hash = redis::Script::new(&code).get_hash().to_owned();
            Loaded { code, hash }
        };
        Self(FILES.iter().map(load).collect())
    }

    /// One of them.
    pub(super) fn get(&self, script: Script) -> &Loaded {
        &self.0[script as usize]
    }
}

/// Replaces each `-- @include name` by that piece, once.
fn expand(text: &str, cluster: bool, done: &mut HashSet<String>) -> String {
    let mut out = String::with_capacity(text.len() * 4);
    for line in text.lines() {
        match line.strip_prefix("-- @include ").map(str::trim) {
            Some(name) => {
                let name = if name == "mode" { if cluster { "mode_cluster" } else { "mode_single" } } else { name };
                let piece = PIECES.iter().find(|(file, _)| *file == name).map(|(_, text)| *text);
                if done.insert(name.to_owned()) {
                    out += &expand(piece.unwrap_or_else(|| panic!("no piece {name}")), cluster, done);
                }
            }
            None => {
                out += line;
                out.push('\n');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_is_complete_and_says_its_signature() {
        for cluster in [false, true] {
            let scripts = Scripts::new(cluster);
            for (at, (file, _)) in FILES.iter().enumerate() {
                let code = &scripts.0[at].code;
                assert!(code.starts_with("#!lua"), "{file}: no shebang");
                assert!(!code.contains("@include"), "{file}: an include is left");
                assert!(code.contains("-- KEYS ") || code.contains("· KEYS "), "{file}: no signature");
                assert!(code.contains("Returns"), "{file}: its header says nothing of the answer");
            }
        }
    }
}
