//! Which backups stay: the newest of each of the last days, weeks and months that have one. The newest good one always stays, whatever the
//! numbers say; what cannot be read is told and left alone.

use crate::{BackupError, Listed, Target};
use chrono::{DateTime, Datelike, Utc};
use longshore_base::{Millis, Name};
use std::collections::BTreeSet;

/// A run without a manifest is somebody's work in progress, until nothing has been written to it for so long.
const UNFINISHED_MS: i64 = 7 * 86_400_000;

/// How many of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeping {
    /// Of the last so many days (UTC) that have a good backup, the newest of each.
    pub daily: u32,
    /// The same of ISO weeks.
    pub weekly: u32,
    /// The same of months.
    pub monthly: u32,
}

/// What stays, what goes, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The newest first.
    pub kept: Vec<Kept>,
    /// Good ones that no rule keeps.
    pub removed: Vec<Removed>,
    /// Left alone, because somebody should look at them.
    pub spared: Vec<Spared>,
    /// Files of runs that were interrupted long ago.
    pub leftovers: Vec<String>,
}

/// One that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its manifest.
    pub manifest: String,
    /// When it was taken, RFC 3339.
    pub at: String,
    /// Every rule that keeps it, such as `daily 2026-11-23`.
    pub why: Vec<String>,
}

/// One that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Its manifest.
    pub manifest: String,
    /// Its data.
    pub data: String,
    /// When it was taken, RFC 3339.
    pub at: String,
    /// As stored.
    pub bytes: u64,
}

/// One that is not touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spared {
    /// Its manifest, or the name of its run.
    pub what: String,
    /// Why it is neither kept by a rule nor removed.
    pub why: String,
}

/// Decides, and does nothing.
#[must_use]
pub fn plan(listed: &[Listed], keeping: Keeping, now: Millis) -> Plan {
    let mut plan = Plan::default();
    let mut good: Vec<_> = Vec::new();
    for one in listed {
        match one {
            Listed::Good(manifest) => good.push(manifest),
            Listed::Damaged { manifest, why } => plan.spared.push(Spared { what: manifest.clone(), why: why.clone() }),
            Listed::Unfinished { files, modified, .. } if now - modified > UNFINISHED_MS => plan.leftovers.extend(files.iter().cloned()),
            Listed::Unfinished { run, .. } => {
                let why = "it has no manifest: it is being made, or was interrupted less than a week ago".to_owned();
                plan.spared.push(Spared { what: run.clone(), why });
            }
        }
    }
    good.sort_by_key(|manifest| std::cmp::Reverse((manifest.backup.started_at_ms, manifest.backup.run.clone())));
    let mut rules = [
        Rule::new("daily", keeping.daily, |at| at.format("%Y-%m-%d").to_string()),
        Rule::new("weekly", keeping.weekly, |at| format!("{}-W{:02}", at.iso_week().year(), at.iso_week().week())),
        Rule::new("monthly", keeping.monthly, |at| at.format("%Y-%m").to_string()),
    ];
    for (place, manifest) in good.into_iter().enumerate() {
        let backup = &manifest.backup;
        let at = DateTime::from_timestamp_millis(backup.started_at_ms).unwrap_or_default();
        let mut why: Vec<String> = if place == 0 { vec!["newest".into()] } else { Vec::new() };
        why.extend(rules.iter_mut().filter_map(|rule| rule.keeps(at)));
        if why.is_empty() {
            let (data, bytes) = (backup.data.file.clone(), backup.data.bytes);
            plan.removed.push(Removed { manifest: manifest.file(), data, at: backup.started_at.clone(), bytes });
        } else {
            plan.kept.push(Kept { manifest: manifest.file(), at: backup.started_at.clone(), why });
        }
    }
    plan
}

/// One way to keep: the first of each period that it sees, as long as it has periods left.
struct Rule {
    word: &'static str,
    left: u32,
    period: fn(DateTime<Utc>) -> String,
    seen: BTreeSet<String>,
}

impl Rule {
    const fn new(word: &'static str, left: u32, period: fn(DateTime<Utc>) -> String) -> Self {
        Self { word, left, period, seen: BTreeSet::new() }
    }
    fn keeps(&mut self, at: DateTime<Utc>) -> Option<String> {
        let period = (self.period)(at);
        if self.left == 0 || !self.seen.insert(period.clone()) {
            return None;
        }
        self.left -= 1;
        Some(format!("{} {period}", self.word))
    }
}

impl Target {
    /// Does what a plan says: of each backup the manifest first, so that what is half removed is not listed. Answers how many files went.
    ///
    /// # Errors
    /// `backup.target_failed`; what was removed stays so, and the rest may be removed by another call.
    pub async fn remove(&self, name: &Name, plan: &Plan, now: Millis) -> Result<u64, BackupError> {
        let mut removed = 0;
        for backup in &plan.removed {
            for file in [&backup.manifest, &backup.data] {
                self.delete(file).await?;
                removed += 1;
            }
        }
        for file in &plan.leftovers {
            self.delete(file).await?;
            removed += 1;
        }
        Ok(removed + self.remove_unfinished(name, now - UNFINISHED_MS).await?)
    }
}

#[cfg(test)]
mod tests;
