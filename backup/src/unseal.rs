//! The way back: the stored bytes are fetched and hashed, decrypted, decompressed, hashed again and read by a sink on a thread of its own.
//!
//! A sink sees the end of the data only when the data was what the manifest says: the last piece is held back until the hash over everything
//! is known. A database that applies what it reads at the end (`pg_restore --single-transaction`) therefore never applies anything else.

use crate::{BackupError, Identities, Manifest, Sum, Tell, digests::Summing, halt::Halt, means::SILENCE_MAX};
use bytes::Bytes;
use longshore_base::Code;
use longshore_store::{FileReader, Files, FilesError};
use std::io::{self, BufReader, Read};
use tokio::sync::mpsc;

const PIECES: usize = 8;
/// What is held back, and read at once.
const PIECE: usize = 64 << 10;

/// Lets `sink` read the data of a backup. An error of the data goes before one of the sink, which is then a consequence.
pub(crate) async fn unseal<T: Send + 'static>(
    manifest: &Manifest,
    identities: Identities,
    files: &Files,
    tell: &Tell,
    sink: impl FnOnce(&mut dyn Read, &Halt) -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    let backup = &manifest.backup;
    identities.check(&backup.encrypt_to)?;
    let mut file = open(manifest, files).await?;
    let (pieces, arriving) = mpsc::channel::<Bytes>(PIECES);
    let (halt, halts) = Halt::pair();
    let (plain, of) = (backup.plain.clone(), backup.data.bytes);
    let thread = tokio::task::spawn_blocking(move || run(arriving, &identities, plain, &halt, sink));
    let (mut stored, mut done) = (Summing::default(), 0);
    let fetched: Result<(), BackupError> = loop {
        let piece = match tokio::time::timeout(SILENCE_MAX, file.next()).await {
            Ok(Ok(Some(piece))) => piece,
            Ok(Ok(None)) => break Ok(()),
            Ok(Err(error)) => break Err(BackupError::target(&error)),
            Err(_) => break Err(BackupError::transient(Code::BackupTarget, format!("the target is silent for {SILENCE_MAX:?}"))),
        };
        stored.add(&piece);
        done += piece.len() as u64;
        tell.tell("read", done, Some(of));
        // A sink that has failed takes no more; the rest is read all the same, because its hash tells why.
        drop(pieces.send(piece).await);
    };
    drop(pieces);
    if fetched.is_err() {
        drop(halts);
        fetched?;
        return Err(BackupError::fatal(Code::Internal, "the data was not fetched"));
    }
    let result = thread.await.unwrap_or_else(|panic| Err(BackupError::fatal(Code::Internal, format!("the thread panicked: {panic}"))));
    drop(halts);
    if stored.sum().sha256 != backup.data.sha256 {
        return Err(damaged(manifest, "its SHA-256 is not the manifest's"));
    }
    result
}

/// The data's length is known before a byte of it is read.
async fn open(manifest: &Manifest, files: &Files) -> Result<FileReader, BackupError> {
    let data = &manifest.backup.data;
    let file = files.get(&data.file).await.map_err(|error| match error {
        FilesError::Missing { .. } => damaged(manifest, "it is gone"),
        error => BackupError::target(&error),
    })?;
    let found = file.bytes();
    if found < data.bytes {
        let told = format!("{} is cut: it has {found} bytes of {}", data.file, data.bytes);
        return Err(BackupError::fatal(Code::BackupTruncated, told));
    }
    if found > data.bytes {
        return Err(damaged(manifest, format!("it has {found} bytes instead of {}", data.bytes)));
    }
    Ok(file)
}

fn damaged(manifest: &Manifest, why: impl std::fmt::Display) -> BackupError {
    BackupError::fatal(Code::BackupDamaged, format!("{} is damaged: {why}", manifest.backup.data.file))
}

/// The thread.
fn run<T>(
    arriving: mpsc::Receiver<Bytes>,
    identities: &Identities,
    plain: Sum,
    halt: &Halt,
    sink: impl FnOnce(&mut dyn Read, &Halt) -> Result<T, BackupError>,
) -> Result<T, BackupError> {
    let damaged = |why: String| BackupError::fatal(Code::BackupDamaged, format!("the data cannot be opened: {why}"));
    let arriving = BufReader::with_capacity(PIECE, Arriving { arriving, piece: Bytes::new() });
    let opened = age::Decryptor::new_buffered(arriving).and_then(|file| file.decrypt(identities.each()));
    let opened = opened.map_err(|error| damaged(error.to_string()))?;
    let unpacked = zstd::Decoder::new(opened).map_err(|error| damaged(error.to_string()))?;
    let mut checked =
        Checked { inner: unpacked, expected: plain, summing: Summing::default(), ready: Vec::new(), at: 0, next: None, failed: None };
    let result = sink(&mut checked, halt);
    // A sink may stop where it has all that it wants; what it did not read is still looked at.
    let rest = io::copy(&mut checked, &mut io::sink());
    match (checked.failed.take(), rest) {
        (Some(why), _) => Err(damaged(why)),
        (None, Err(error)) => Err(damaged(error.to_string())),
        (None, Ok(_)) => result,
    }
}

/// Pieces as they arrive.
struct Arriving {
    arriving: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.arriving.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let taken = buffer.len().min(self.piece.len());
        buffer[..taken].copy_from_slice(&self.piece.split_to(taken));
        Ok(taken)
    }
}

/// Hands out a piece when the one after it was read, and the last one when the hash over everything is right.
struct Checked<R> {
    inner: R,
    expected: Sum,
    summing: Summing,
    ready: Vec<u8>,
    at: usize,
    /// Read, and not to be handed out yet. None: nothing was read so far, or everything was handed out.
    next: Option<Vec<u8>>,
    failed: Option<String>,
}

impl<R: Read> Checked<R> {
    /// Moves the next piece to where it is read from. False: that was all.
    fn advance(&mut self) -> Result<bool, String> {
        if self.next.is_none() && self.at == 0 && self.ready.is_empty() {
            self.next = Some(self.fetch()?);
        }
        let Some(next) = self.next.take() else { return Ok(false) };
        let after = if next.is_empty() { Vec::new() } else { self.fetch()? };
        if after.is_empty() {
            let found = std::mem::take(&mut self.summing).sum();
            if found != self.expected {
                let Sum { bytes, sha256 } = &self.expected;
                return Err(format!(
                    "it opens to {} bytes with the SHA-256 {}, and should to {bytes} with {sha256}",
                    found.bytes, found.sha256
                ));
            }
        } else {
            self.next = Some(after);
        }
        let some = !next.is_empty();
        (self.ready, self.at) = (next, 0);
        Ok(some)
    }

    fn fetch(&mut self) -> Result<Vec<u8>, String> {
        let mut piece = Vec::with_capacity(PIECE);
        self.inner.by_ref().take(PIECE as u64).read_to_end(&mut piece).map_err(|error| error.to_string())?;
        self.summing.add(&piece);
        Ok(piece)
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(why) = &self.failed {
            return Err(io::Error::new(io::ErrorKind::InvalidData, why.clone()));
        }
        if self.at == self.ready.len() {
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(why) => {
                    self.failed = Some(why.clone());
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
            }
        }
        let taken = buffer.len().min(self.ready.len() - self.at);
        buffer[..taken].copy_from_slice(&self.ready[self.at..self.at + taken]);
        self.at += taken;
        Ok(taken)
    }
}
