//! The text of an API key: `lsk_` + public id + secret + checksum, in hex. The checksum refuses typing errors and garbage without I/O;
//! the secret has 192 bits, so that its plain SHA-256 is safe at rest.

use longshore_base::{Millis, Random};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// Every key begins so, for scanners that look for leaked secrets.
const PREFIX: &str = "lsk_";
const ID_HEX: usize = 32;
const SECRET_HEX: usize = 48;
const CHECK_HEX: usize = 8;

/// A well-formed key. Prints as `***`; [`KeyText::reveal`] is for telling it once.
#[derive(Clone)]
pub struct KeyText {
    id: Uuid,
    text: String,
}

impl KeyText {
    /// A new key with an id and a secret from `random`.
    #[must_use]
    pub fn generate(now: Millis, random: &dyn Random) -> Self {
        let (mut chance, mut secret) = ([0; 10], [0; SECRET_HEX / 2]);
        random.fill(&mut chance);
        random.fill(&mut secret);
        let id = uuid::Builder::from_unix_timestamp_millis(u64::try_from(now).unwrap_or(0), &chance).into_uuid();
        let body = format!("{PREFIX}{}{}", id.simple(), hex::encode(secret));
        let check = checksum(&body);
        Self { id, text: body + &check }
    }

    /// None when `text` is not one of our keys: wrong length, alphabet or checksum.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex_part = text.strip_prefix(PREFIX)?;
        let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if hex_part.len() != ID_HEX + SECRET_HEX + CHECK_HEX || !hex_part.bytes().all(lower_hex) {
            return None;
        }
        let (body, check) = text.split_at(text.len() - CHECK_HEX);
        let id = Uuid::try_parse(&hex_part[..ID_HEX]).ok()?;
        (checksum(body) == check).then(|| Self { id, text: text.to_owned() })
    }

    /// The public part, by which the key is looked up.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// The whole key. Tell it once; it is stored nowhere.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is stored: SHA-256 of the whole text, in hex.
    pub(crate) fn hash(&self) -> String {
        hex::encode(Sha256::digest(&self.text))
    }

    /// Whether this is the key whose hash was stored, in constant time.
    pub(crate) fn matches(&self, stored: &str) -> bool {
        self.hash().as_bytes().ct_eq(stored.as_bytes()).into()
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyText({}, ***)", self.id)
    }
}

fn checksum(body: &str) -> String {
    hex::encode(&Sha256::digest(body)[..CHECK_HEX / 2])
}
