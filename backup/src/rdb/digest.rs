//! The hash of a data set as `DEBUG DIGEST` makes it, by the rule that Redis documents with that command's code: what has no order is combined by
//! exclusive or of SHA-1, what has an order is chained. Two servers with equal digests hold the same keys, values and times of expiry.

use sha1::{Digest, Sha1};

/// SHA-1 of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Hash(pub(super) [u8; 20]);

impl Hash {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(Sha1::digest(bytes).into())
    }

    /// Adds something whose place does not matter, by its hash.
    pub(super) fn add(&mut self, hash: Self) {
        self.0.iter_mut().zip(hash.0).for_each(|(own, other)| *own ^= other);
    }
    /// Adds something whose place matters, by its hash.
    pub(super) fn chain(&mut self, hash: Self) {
        self.add(hash);
        *self = Self::of(&self.0);
    }
    /// Adds what was made by chaining.
    pub(super) fn add_made(&mut self, made: Self) {
        self.add(Self::of(&made.0));
    }
    pub(super) fn hex(self) -> String {
        hex::encode(self.0)
    }
}

/// A score as C's `%.17g` writes it: 17 digits at most, no zeros at the end, an exponent where that is shorter.
pub(super) fn score(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if number.is_nan() {
        return if number.is_sign_negative() { "-nan".into() } else { "nan".into() };
    }
    let scientific = format!("{number:.16e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: String| if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    if (-4..17).contains(&exponent) {
        let places = usize::try_from(16 - exponent).unwrap_or(0);
        return trimmed(format!("{number:.places$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(digits.to_owned()), exponent.abs())
}
