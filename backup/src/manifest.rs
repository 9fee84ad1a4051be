//! What a backup says of itself: a small JSON file beside the data, written last, so that a backup without one does not exist.
//!
//! It is sealed with a hash of itself: a flipped bit in it is found like one in the data. It is not encrypted, because prune must read it
//! without an identity; it names tables and counts, never rows.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Grows when an older program could not read a manifest.
const FORMAT: u32 = 1;

/// A backup that is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it says.
    pub backup: Draft,
    /// SHA-256 (hex) of the JSON of `backup`, as it is written here.
    pub seal: String,
}

/// A backup whose data is written, and whose manifest is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// The version of this form.
    pub format: u32,
    /// Whose backup it is, among others of the same target.
    pub name: String,
    /// Which one of that name.
    pub run: String,
    /// The job that made it.
    pub job: String,
    /// What it is a copy of.
    pub engine: Engine,
    /// The source's version, as it tells it.
    pub engine_version: String,
    /// When the work began, RFC 3339 in UTC. The snapshot is a little later.
    pub started_at: String,
    /// The same in Unix milliseconds.
    pub started_at_ms: i64,
    /// How long it took.
    pub duration_ms: u64,
    /// Where the data is, below the target, and what it is as it lies there.
    pub data: Stored,
    /// What it is after age and zstd.
    pub plain: Sum,
    /// The age recipients; one of their identities opens it.
    pub encrypt_to: Vec<String>,
    /// Versions of everything that had a hand in it.
    pub tools: BTreeMap<String, String>,
    /// What is in it, counted and hashed in its own snapshot.
    pub contents: Contents,
}

/// What a backup is a copy of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// A database file.
    Sqlite,
    /// A dump of pg_dump in its custom format.
    Postgres,
    /// An RDB file.
    Redis,
}

/// Bytes and their hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sum {
    /// How many.
    pub bytes: u64,
    /// In hex.
    pub sha256: String,
}

/// A file of the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Its name below the target.
    pub file: String,
    /// How many bytes.
    pub bytes: u64,
    /// In hex.
    pub sha256: String,
}

/// What is in a backup. Two copies with equal contents hold the same data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// How hashes are made; docs/backups.md says for each how to make it by hand.
    pub method: String,
    /// Tables of a database, sorted; numbered databases of Redis.
    pub tables: Vec<Table>,
    /// One hash over everything, where the method has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Why there is no hash, where there is none: the data is of a form that is not known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// The database's encoding, for a restore (PostgreSQL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// With its schema, where the database has schemas.
    pub name: String,
    /// Rows, or keys.
    pub rows: u64,
    /// By the method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

impl Draft {
    /// The version that this program writes.
    pub(crate) const FORMAT: u32 = FORMAT;

    /// The manifest that makes it a backup.
    #[must_use]
    pub fn sealed(self) -> Manifest {
        let seal = seal(&self);
        Manifest { backup: self, seal }
    }
}

impl Manifest {
    /// As it is written: one JSON document that people can read, too.
    pub(crate) fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it: not JSON, of a newer form, or not what was sealed.
    pub(crate) fn from_text(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Newer {
            backup: Form,
        }
        #[derive(Deserialize)]
        struct Form {
            format: u32,
        }
        let manifest: Result<Self, _> = serde_json::from_slice(text);
        let manifest = manifest.map_err(|error| match serde_json::from_slice::<Newer>(text) {
            Ok(newer) if newer.backup.format > FORMAT => format!("it was written by a newer program (format {})", newer.backup.format),
            _ => format!("it is no manifest: {error}"),
        })?;
        if manifest.seal != seal(&manifest.backup) {
            return Err("its seal does not fit: it was changed after it was written".into());
        }
        Ok(manifest)
    }
}

fn seal(draft: &Draft) -> String {
    hex::encode(Sha256::digest(serde_json::to_vec(draft).unwrap_or_default()))
}

impl Contents {
    /// How `other`, taken from a restored copy, differs; None: not at all.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        let by_name = |contents: &Self| contents.tables.iter().map(|table| (table.name.clone(), table.clone())).collect::<BTreeMap<_, _>>();
        let (ours, theirs) = (by_name(self), by_name(other));
        let mut told: Vec<String> = Vec::new();
        for (name, table) in &ours {
            match theirs.get(name) {
                None => told.push(format!("{name} is missing")),
                Some(found) if found.rows != table.rows => told.push(format!("{name} has {} rows instead of {}", found.rows, table.rows)),
                Some(found) if table.hash.is_some() && found.hash != table.hash => told.push(format!("{name} has other contents")),
                Some(_) => {}
            }
        }
        told.extend(theirs.keys().filter(|name| !ours.contains_key(*name)).map(|name| format!("{name} is new")));
        if self.digest.is_some() && self.digest != other.digest {
            told.push("the digest of everything differs".into());
        }
        (!told.is_empty()).then(|| {
            let (first, rest) = told.split_at(told.len().min(10));
            let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            format!("{}{more}", first.join(", "))
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
