//! The small parts that an RDB file is made of: lengths, strings, numbers. A long string is hashed as it passes and never held whole, unless it is
//! compressed.

use super::{digest::Hash, lzf};
use sha1::{Digest, Sha1};
use std::io::{self, Read};

/// Why a file cannot be walked to its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// It is of a form that is not known here; the server may know it.
    Unknown(String),
    /// It ends too early, or its parts do not fit together.
    Cut,
    /// It cannot be read, or its copy not written.
    Io(io::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Cut } else { Self::Io(error) }
    }
}

/// A length, or how a string is written instead.
pub(super) enum Length {
    Of(u64),
    Special(u8),
}

/// No compressed string is longer: Redis takes no value over 512 MB by default.
const PACKED_MAX: u64 = 1 << 30;

/// Reads the parts.
pub(super) struct Parts<R>(pub(super) R);

impl<R: Read> Parts<R> {
    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }
    pub(super) fn byte(&mut self) -> Result<u8, Broken> {
        Ok(self.bytes::<1>()?[0])
    }

    fn length_or_special(&mut self) -> Result<Length, Broken> {
        let head = self.byte()?;
        Ok(match head >> 6 {
            0 => Length::Of(u64::from(head & 0x3f)),
            1 => Length::Of((u64::from(head & 0x3f) << 8) | u64::from(self.byte()?)),
            2 if head == 0x80 => Length::Of(u64::from(u32::from_be_bytes(self.bytes()?))),
            2 if head == 0x81 => Length::Of(u64::from_be_bytes(self.bytes()?)),
            2 => return Err(Broken::Cut),
            _ => Length::Special(head & 0x3f),
        })
    }
    pub(super) fn length(&mut self) -> Result<u64, Broken> {
        match self.length_or_special()? {
            Length::Of(length) => Ok(length),
            Length::Special(_) => Err(Broken::Cut),
        }
    }

    /// The SHA-1 of a string.
    pub(super) fn hash(&mut self) -> Result<Hash, Broken> {
        match self.length_or_special()? {
            Length::Of(mut left) => {
                let (mut hash, mut buffer) = (Sha1::new(), [0; 16 << 10]);
                while left > 0 {
                    let piece = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                    self.0.read_exact(&mut buffer[..piece])?;
                    hash.update(&buffer[..piece]);
                    left -= piece as u64;
                }
                Ok(Hash(hash.finalize().into()))
            }
            Length::Special(how) => Ok(Hash::of(&self.special(how)?)),
        }
    }

    /// A string that is needed whole: a collection in one piece.
    pub(super) fn string(&mut self) -> Result<Vec<u8>, Broken> {
        match self.length_or_special()? {
            Length::Of(length) => self.raw(length),
            Length::Special(how) => self.special(how),
        }
    }
    pub(super) fn skip(&mut self, bytes: u64) -> Result<(), Broken> {
        let skipped = io::copy(&mut self.0.by_ref().take(bytes), &mut io::sink())?;
        if skipped == bytes { Ok(()) } else { Err(Broken::Cut) }
    }
    pub(super) fn skip_string(&mut self) -> Result<(), Broken> {
        match self.length_or_special()? {
            Length::Of(length) => self.skip(length),
            Length::Special(how) => self.special(how).map(drop),
        }
    }

    fn special(&mut self, how: u8) -> Result<Vec<u8>, Broken> {
        let number = |number: i64| Ok(number.to_string().into_bytes());
        match how {
            0 => number(i64::from(i8::from_le_bytes(self.bytes()?))),
            1 => number(i64::from(i16::from_le_bytes(self.bytes()?))),
            2 => number(i64::from(i32::from_le_bytes(self.bytes()?))),
            3 => {
                let (packed, length) = (self.length()?, self.length()?);
                if length > PACKED_MAX {
                    return Err(Broken::Cut);
                }
                let packed = self.raw(packed)?;
                lzf::unpack(&packed, usize::try_from(length).map_err(|_| Broken::Cut)?).ok_or(Broken::Cut)
            }
            other => Err(Broken::Unknown(format!("a string is written in the way {other}"))),
        }
    }

    fn raw(&mut self, length: u64) -> Result<Vec<u8>, Broken> {
        if length > PACKED_MAX {
            return Err(Broken::Cut);
        }
        let mut bytes = Vec::new();
        self.0.by_ref().take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(Broken::Cut) }
    }
}
