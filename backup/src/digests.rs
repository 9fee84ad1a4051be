//! Counting and hashing what passes through.

use crate::Sum;
use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};

/// Bytes and their SHA-256 so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summing {
    bytes: u64,
    hash: Sha256,
}

impl Summing {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.hash.update(bytes);
    }
    pub(crate) fn sum(self) -> Sum {
        Sum { bytes: self.bytes, sha256: hex::encode(self.hash.finalize()) }
    }
}

/// Sums what is written.
#[derive(Debug)]
pub(crate) struct SumWriter<W> {
    pub(crate) inner: W,
    pub(crate) summing: Summing,
}

impl<W: Write> SumWriter<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, summing: Summing::default() }
    }
}

impl<W: Write> Write for SumWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.summing.add(&bytes[..written]);
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes down whatever is read through it.
pub(crate) struct Tee<'a, R> {
    pub(crate) inner: R,
    pub(crate) copy: &'a mut dyn Write,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.copy.write_all(&buffer[..read])?;
        Ok(read)
    }
}
