//! A job's id: a UUIDv7 that says where its job lives.

use longshore_base::{Millis, Random};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// The permanent number of a queue (and, later, shard), from the broker's registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Home(pub u16);

/// A UUIDv7 (RFC 9562 section 5.7) whose last 16 random bits are its queue's [`Home`], so that a job is found without a search.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(Uuid);

impl JobId {
    /// A fresh id for a job of the queue that lives at `home`.
    #[must_use]
    pub fn new(now: Millis, home: Home, random: &dyn Random) -> Self {
        let mut chance = [0; 10];
        random.fill(&mut chance);
        Self::build(now, home, chance)
    }

    /// An id that the same `seed` always gives, so that whoever repeats a call makes no second job.
    #[must_use]
    pub fn derived(time: Millis, home: Home, seed: &[u8]) -> Self {
        let digest = Sha256::digest(seed);
        let mut chance = [0; 10];
        chance.copy_from_slice(&digest[..10]);
        Self::build(time, home, chance)
    }

    fn build(time: Millis, home: Home, chance: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&time.max(0).to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&chance);
        bytes[6] = (bytes[6] & 0x0f) | 0x70;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        bytes[14..].copy_from_slice(&home.0.to_be_bytes());
        Self(Uuid::from_bytes(bytes))
    }

    /// The queue's number.
    #[must_use]
    pub fn home(self) -> Home {
        let bytes = self.0.as_bytes();
        Home(u16::from_be_bytes([bytes[14], bytes[15]]))
    }

    /// When the id was made, in Unix milliseconds by its maker's clock.
    #[must_use]
    pub fn time(self) -> Millis {
        let bytes = self.0.as_bytes();
        bytes[..6].iter().fold(0, |time, byte| time << 8 | Millis::from(*byte))
    }

    /// The 16 bytes, as stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Back from [`JobId::as_bytes`].
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
impl FromStr for JobId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Ok(Self(Uuid::try_parse(text)?))
    }
}
