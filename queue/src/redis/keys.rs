//! Names of keys. All keys of a queue share the tag `{queue/0}`, so that one slot holds them; what is global has tags of its own.

use crate::{Home, JobId};
use longshore_base::Name;
use sha2::{Digest, Sha256};

/// A job's id inside its queue: without the home, which is the same for the whole queue. Fits a 16-byte allocation.
pub(super) type Short = [u8; 14];

/// A queue's main key; scripts find the others by its prefix.
pub(super) fn meta(prefix: &str, queue: &Name) -> String {
    format!("{prefix}:{{{queue}/0}}:meta")
}

/// Another key of the queue that `meta` belongs to.
pub(super) fn sibling(meta: &str, name: &str) -> String {
    format!("{}{name}", meta.strip_suffix("meta").unwrap_or(meta))
}

/// A key of one job: `x` extras, `c` children, `g` mailbox.
pub(super) fn of_job(meta: &str, what: char, id: JobId) -> String {
    let hex: String = short(id).iter().map(|b| format!("{b:02x}")).collect();
    sibling(meta, &format!("{what}:{hex}"))
}

/// Queue name -> number.
pub(super) fn homes(prefix: &str) -> String {
    format!("{prefix}:{{homes}}")
}

/// Kind name -> version and record.
pub(super) fn kinds(prefix: &str) -> String {
    format!("{prefix}:{{kinds}}")
}

/// An outside quota's main key, in a slot of its own.
pub(super) fn resource(prefix: &str, name: &Name) -> String {
    format!("{prefix}:{{resource/{name}}}:meta")
}

/// Names of outside quotas.
pub(super) fn resources(prefix: &str) -> String {
    format!("{prefix}:{{resources}}")
}

/// Where schedules live: the directory's main key.
pub(super) fn schedules(prefix: &str) -> String {
    format!("{prefix}:{{schedules}}:meta")
}

/// Reports of workers and what they are to be told.
pub(super) fn workers(prefix: &str) -> String {
    format!("{prefix}:{{workers}}")
}

/// What was acknowledged and is not there any more, in numbers.
pub(super) fn losses(prefix: &str) -> String {
    format!("{prefix}:{{losses}}")
}

/// One request under an Idempotency-Key, in a slot of its own.
pub(super) fn request(prefix: &str, tenant: &Name, key: &str) -> String {
    let digest = Sha256::digest([tenant.as_str().as_bytes(), b"/", key.as_bytes()].concat());
    let hex: String = digest[..16].iter().map(|b| format!("{b:02x}")).collect();
    format!("{prefix}:{{request/{hex}}}")
}

/// The id as its queue stores it.
pub(super) fn short(id: JobId) -> Short {
    let mut out = [0; 14];
    out.copy_from_slice(&id.as_bytes()[..14]);
    out
}

/// The whole id again.
pub(super) fn long(short: &[u8], home: Home) -> Option<JobId> {
    let mut bytes = [0; 16];
    bytes[..14].copy_from_slice(short.get(..14)?);
    bytes[14..].copy_from_slice(&home.0.to_be_bytes());
    Some(JobId::from_bytes(bytes))
}

/// The cluster slot of a key: CRC16 (XMODEM) of its tag.
pub(super) fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let bytes = tag.filter(|t| !t.is_empty()).unwrap_or(key).as_bytes();
    let crc = bytes.iter().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    });
    crc % 16384
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(slot("123456789"), 0x31C3);
        assert_eq!(slot("foo{bar}baz"), slot("bar"));
    }

    #[test]
    fn a_short_id_becomes_the_whole_one_again() {
        let id = JobId::derived(1_790_000_000_000, Home(513), b"seed");
        assert_eq!(long(&short(id), Home(513)), Some(id));
    }
}
