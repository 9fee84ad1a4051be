//! What a record keeps in the place of args or an output that are too large for it: a claim on a file. Brokers never look into it; whoever
//! hands args to a handler or shows them to people asks [`Claim::of`] first.
//!
//! The envelope is versioned, and a program refuses one that says more than it understands. Where the file is follows from the job's queue and id, never
//! from the claim, so that a claim which travels with its text (a replay, a move, a merge) reaches nothing that is not its own job's.

use crate::{BrokerError, Json};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// How every claim begins, to the byte. JSON that begins like this is never kept in a record as it is, so no user can write a claim.
const HEAD: &str = "{\"$claim\":";
const VERSION: u8 = 1;

/// A claim on a file with JSON in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The file's length.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in lower-case hex; also what it is called.
    pub sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outer {
    #[serde(rename = "$claim")]
    claim: Envelope,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    v: u8,
    blob: String,
    bytes: u64,
}

impl Claim {
    /// The claim that stands here; None: this is the value itself.
    ///
    /// # Errors
    /// [`BrokerError::Corrupt`]: a newer program has written it, or nobody has.
    pub fn of(json: &RawValue) -> Result<Option<Self>, BrokerError> {
        if !Self::is(json) {
            return Ok(None);
        }
        let broken = || BrokerError::Corrupt(format!("a claim on a file that this version cannot read: {:.200}", json.get()));
        let Outer { claim } = serde_json::from_str(json.get()).map_err(|_| broken())?;
        let sha256 = claim.blob.strip_prefix("sha256:").filter(|hash| is_hash(hash)).ok_or_else(broken)?.to_owned();
        if claim.v == VERSION { Ok(Some(Self { bytes: claim.bytes, sha256 })) } else { Err(broken()) }
    }

    /// Whether this is kept in the place of a value. A value that begins like a claim goes to a file, however small it is.
    #[must_use]
    pub fn is(json: &RawValue) -> bool {
        json.get().starts_with(HEAD)
    }

    /// The claim as it stands in a record.
    #[must_use]
    pub fn json(&self) -> Json {
        let claim = Envelope { v: VERSION, blob: format!("sha256:{}", self.sha256), bytes: self.bytes };
        serde_json::value::to_raw_value(&Outer { claim }).expect("strings and numbers print as JSON")
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Json {
        RawValue::from_string(text.to_owned()).expect("JSON")
    }

    #[test]
    fn a_claim_comes_back_as_it_was_written() {
        let claim = Claim { bytes: 300_000, sha256: "0a".repeat(32) };
        let text = claim.json();
        assert_eq!(text.get(), format!(r#"{{"$claim":{{"v":1,"blob":"sha256:{}","bytes":300000}}}}"#, "0a".repeat(32)));
        assert_eq!(Claim::of(&text).expect("it is one"), Some(claim));
    }

    #[test]
    fn a_value_is_no_claim_and_a_strange_claim_is_no_value() {
        for value in ["null", "{}", "[]", r#"{"claim":1}"#, r#"{"a":{"$claim":{}}}"#, r#""{\"$claim\":""#] {
            assert_eq!(Claim::of(&raw(value)).expect("a value"), None, "{value}");
        }
        let hash = "0a".repeat(32);
        for strange in [
            r#"{"$claim":1}"#.to_owned(),
            r#"{"$claim":{"v":1}}"#.to_owned(),
            format!(r#"{{"$claim":{{"v":2,"blob":"sha256:{hash}","bytes":1}}}}"#),
            format!(r#"{{"$claim":{{"v":1,"zstd":true,"blob":"sha256:{hash}","bytes":1}}}}"#),
            format!(r#"{{"$claim":{{"v":1,"blob":"sha256:{hash}","bytes":1}},"more":1}}"#),
            r#"{"$claim":{"v":1,"blob":"sha256:../../../etc/passwd","bytes":1}}"#.to_owned(),
        ] {
            assert!(matches!(Claim::of(&raw(&strange)), Err(BrokerError::Corrupt(_))), "{strange}");
        }
    }
}
