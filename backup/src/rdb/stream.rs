//! Streams: their entries lie in listpacks that share a master entry; groups and consumers follow, which have no part in the digest.

use super::{
    digest::Hash,
    listpack::listpack,
    read::{Broken, Parts},
};
use std::io::Read;

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// The hash of a stream's entries, chained to what is there. `version` 1 is of Redis 5, 2 of 7.0, 3 of 7.2.
pub(super) fn stream(parts: &mut Parts<impl Read>, version: u8, hash: &mut Hash) -> Result<(), Broken> {
    for _ in 0..parts.length()? {
        let id = parts.string()?;
        let half = |at: usize| id.get(at..at + 8).and_then(|raw| raw.try_into().ok()).map(u64::from_be_bytes).ok_or(Broken::Cut);
        node((half(0)?, half(8)?), &listpack(&parts.string()?)?, hash)?;
    }
    // Length and last id; first id, greatest deleted id and the number of entries ever added.
    for _ in 0..if version >= 2 { 8 } else { 3 } {
        parts.length()?;
    }
    for _ in 0..parts.length()? {
        group(parts, version)?;
    }
    Ok(())
}

fn node(master: (u64, u64), elements: &[Vec<u8>], hash: &mut Hash) -> Result<(), Broken> {
    let mut next = elements.iter();
    let mut take = || next.next().ok_or(Broken::Cut);
    let entries = number(take()?)? + number(take()?)?;
    let fields = (0..number(take()?)?).map(|_| take()).collect::<Result<Vec<_>, _>>()?;
    take()?;
    for _ in 0..entries {
        let flags = number(take()?)?;
        let (ms, seq) = (number(take()?)?, number(take()?)?);
        let id = format!("{}.{}", master.0.wrapping_add_signed(ms), master.1.wrapping_add_signed(seq));
        let pairs = if flags & SAME_FIELDS == 0 {
            (0..number(take()?)?).map(|_| Ok((take()?, take()?))).collect::<Result<Vec<_>, Broken>>()?
        } else {
            fields.iter().map(|field| Ok((*field, take()?))).collect::<Result<Vec<_>, Broken>>()?
        };
        take()?;
        if flags & DELETED != 0 {
            continue;
        }
        hash.chain(Hash::of(id.as_bytes()));
        for (field, value) in pairs {
            hash.chain(Hash::of(field));
            hash.chain(Hash::of(value));
        }
    }
    Ok(())
}

fn group(parts: &mut Parts<impl Read>, version: u8) -> Result<(), Broken> {
    const ID: u64 = 16;
    const TIME: u64 = 8;
    parts.skip_string()?;
    for _ in 0..if version >= 2 { 3 } else { 2 } {
        parts.length()?;
    }
    for _ in 0..parts.length()? {
        parts.skip(ID + TIME)?;
        parts.length()?;
    }
    for _ in 0..parts.length()? {
        parts.skip_string()?;
        parts.skip(if version >= 3 { 2 * TIME } else { TIME })?;
        let pending = parts.length()?;
        parts.skip(ID.saturating_mul(pending))?;
    }
    Ok(())
}

fn number(text: &[u8]) -> Result<i64, Broken> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Broken::Cut)
}
