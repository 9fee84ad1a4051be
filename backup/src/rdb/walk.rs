//! Through an RDB file from its first byte to its last: how many keys each database has, and the digest of everything.
//! What the numbers mean is in the comments of Redis' `rdb.h`. A file with something that is not known here has no digest; it is a good file all the same.

use super::{
    METHOD,
    digest::{Hash, score},
    listpack::{intset, listpack},
    read::{Broken, Parts},
    stream::stream,
};
use crate::{BackupError, Contents, Table};
use longshore_base::Code;
use std::{
    collections::BTreeMap,
    io::{self, BufReader, Read},
};

/// So much is read at once.
const PIECE: usize = 256 << 10;

/// Reads `from` to its end, whatever it is, and tells what was in it.
pub(crate) fn contents(from: &mut dyn Read) -> Result<Contents, BackupError> {
    let mut parts = Parts(BufReader::with_capacity(PIECE, from));
    let mut walk = Walk::default();
    let (digest, unknown) = match walk.run(&mut parts) {
        Ok(()) => (Some(walk.digest.hex()), None),
        Err(Broken::Unknown(what)) => (None, Some(what)),
        Err(Broken::Io(error)) => return Err(BackupError::local("the data of Redis", &error)),
        Err(Broken::Cut) => return Err(BackupError::transient(Code::BackupSource, "the server's data is cut, or is no RDB file")),
    };
    io::copy(&mut parts.0, &mut io::sink()).map_err(|error| BackupError::local("the data of Redis", &error))?;
    let table = |(number, rows): (u64, u64)| Table { name: format!("db{number}"), rows, hash: None };
    let tables = if unknown.is_some() { Vec::new() } else { walk.keys.into_iter().map(table).collect() };
    Ok(Contents { method: METHOD.into(), tables, digest, unknown, encoding: None })
}

#[derive(Default)]
struct Walk {
    db: u64,
    keys: BTreeMap<u64, u64>,
    digest: Hash,
}

impl Walk {
    fn run(&mut self, parts: &mut Parts<impl Read>) -> Result<(), Broken> {
        let head: [u8; 9] = parts.bytes()?;
        if &head[..5] != b"REDIS" {
            return Err(Broken::Cut);
        }
        let mut expires = false;
        loop {
            match parts.byte()? {
                255 => {
                    parts.skip(8)?;
                    return Ok(());
                }
                254 => self.db = parts.length()?,
                253 => {
                    parts.skip(4)?;
                    expires = true;
                }
                252 => {
                    parts.skip(8)?;
                    expires = true;
                }
                251 => {
                    parts.length()?;
                    parts.length()?;
                }
                // Properties of the file.
                250 => {
                    parts.skip_string()?;
                    parts.skip_string()?;
                }
                // How often and how long ago a key was used.
                249 => parts.skip(1)?,
                248 => drop(parts.length()?),
                247 => module_aux(parts)?,
                245 => parts.skip_string()?,
                244 => (0..3).try_for_each(|_| parts.length().map(drop))?,
                kind => self.key(kind, std::mem::take(&mut expires), parts)?,
            }
        }
    }

    fn key(&mut self, kind: u8, expires: bool, parts: &mut Parts<impl Read>) -> Result<(), Broken> {
        let mut hash = Hash::default();
        hash.chain(parts.hash()?);
        value(kind, parts, &mut hash)?;
        if expires {
            hash.add(Hash::of(b"!!expire!!"));
        }
        let count = self.keys.entry(self.db).or_insert(0);
        if *count == 0 {
            let number = u32::try_from(self.db).map_err(|_| Broken::Cut)?;
            // The number of a database is a part of the digest, chained where its keys are not: it goes before all of them.
            self.digest = before(self.digest, number);
        }
        *count += 1;
        self.digest.add_made(hash);
        Ok(())
    }
}

fn before(mut digest: Hash, number: u32) -> Hash {
    digest.chain(Hash::of(&number.to_be_bytes()));
    digest
}

/// What makes the hash of a value: its type, then its parts.
fn value(kind: u8, parts: &mut Parts<impl Read>, hash: &mut Hash) -> Result<(), Broken> {
    const STRING: u32 = 0;
    const LIST: u32 = 1;
    const SET: u32 = 2;
    const ZSET: u32 = 3;
    const HASH: u32 = 4;
    const STREAM: u32 = 6;
    let of = |number: u32, hash: &mut Hash| hash.chain(Hash::of(&number.to_be_bytes()));
    match kind {
        0 => {
            of(STRING, hash);
            hash.chain(parts.hash()?);
        }
        1 => {
            of(LIST, hash);
            for _ in 0..parts.length()? {
                hash.chain(parts.hash()?);
            }
        }
        18 => {
            of(LIST, hash);
            (0..parts.length()?).try_for_each(|_| quicklist_node(parts, hash))?;
        }
        2 => {
            of(SET, hash);
            for _ in 0..parts.length()? {
                hash.add(parts.hash()?);
            }
        }
        11 | 20 => {
            of(SET, hash);
            let whole = parts.string()?;
            let members = if kind == 11 { intset(&whole)? } else { listpack(&whole)? };
            members.iter().for_each(|member| hash.add(Hash::of(member)));
        }
        3 | 5 => {
            of(ZSET, hash);
            for _ in 0..parts.length()? {
                let member = parts.hash()?;
                let number = if kind == 5 { f64::from_le_bytes(parts.bytes()?) } else { old_score(parts)? };
                scored(hash, member, number);
            }
        }
        17 => {
            of(ZSET, hash);
            for pair in listpack(&parts.string()?)?.chunks_exact(2) {
                scored(hash, Hash::of(&pair[0]), std::str::from_utf8(&pair[1]).ok().and_then(|text| text.parse().ok()).ok_or(Broken::Cut)?);
            }
        }
        4 => {
            of(HASH, hash);
            for _ in 0..parts.length()? {
                let (field, value) = (parts.hash()?, parts.hash()?);
                paired(hash, field, value);
            }
        }
        16 => {
            of(HASH, hash);
            listpack(&parts.string()?)?.chunks_exact(2).for_each(|pair| paired(hash, Hash::of(&pair[0]), Hash::of(&pair[1])));
        }
        15 | 19 | 21 => {
            of(STREAM, hash);
            stream(parts, stream_form(kind), hash)?;
        }
        other => return Err(Broken::Unknown(format!("a value is of the type {other}"))),
    }
    Ok(())
}

/// How a stream of this type is written; each form says more than the one before.
const fn stream_form(kind: u8) -> u8 {
    match kind {
        15 => 1,
        19 => 2,
        _ => 3,
    }
}

fn quicklist_node(parts: &mut Parts<impl Read>, hash: &mut Hash) -> Result<(), Broken> {
    match parts.length()? {
        // One long element by itself.
        1 => hash.chain(parts.hash()?),
        2 => listpack(&parts.string()?)?.iter().for_each(|element| hash.chain(Hash::of(element))),
        other => return Err(Broken::Unknown(format!("a list's node is of the form {other}"))),
    }
    Ok(())
}

fn scored(hash: &mut Hash, member: Hash, number: f64) {
    let mut pair = Hash::default();
    pair.chain(member);
    pair.chain(Hash::of(score(number).as_bytes()));
    hash.add_made(pair);
}

fn paired(hash: &mut Hash, field: Hash, value: Hash) {
    let mut pair = Hash::default();
    pair.chain(field);
    pair.chain(value);
    hash.add_made(pair);
}

/// A number as text after its length; 253 to 255 are what has no digits.
fn old_score(parts: &mut Parts<impl Read>) -> Result<f64, Broken> {
    match parts.byte()? {
        253 => Ok(f64::NAN),
        254 => Ok(f64::INFINITY),
        255 => Ok(f64::NEG_INFINITY),
        length => {
            let text = (0..length).map(|_| parts.byte()).collect::<Result<Vec<_>, _>>()?;
            std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).ok_or(Broken::Cut)
        }
    }
}

/// What a module keeps beside the keys: values with their types, up to a zero.
fn module_aux(parts: &mut Parts<impl Read>) -> Result<(), Broken> {
    parts.length()?;
    loop {
        match parts.length()? {
            0 => return Ok(()),
            1 | 2 => drop(parts.length()?),
            3 => parts.skip(4)?,
            4 => parts.skip(8)?,
            5 => parts.skip_string()?,
            other => return Err(Broken::Unknown(format!("a module keeps a value of the type {other}"))),
        }
    }
}
