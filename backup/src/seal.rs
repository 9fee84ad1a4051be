//! The way out: what a source writes is hashed, compressed, encrypted, hashed again and sent to the target, in pieces, so that memory stays
//! flat however large it is. The source runs on a thread of its own; the target is written from here.

use crate::{
    BackupError, Recipients, Sum, Tell,
    digests::{SumWriter, Summing},
    error::chain,
    halt::Halt,
    means::SILENCE_MAX,
};
use longshore_base::Code;
use longshore_store::Files;
use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::mpsc;

/// A good ratio for databases at several hundred MB/s.
const LEVEL: i32 = 3;
/// One piece on its way, and how many may wait.
const PIECE: usize = 256 << 10;
const PIECES: usize = 8;

/// What was written, before and after.
#[derive(Debug)]
pub(crate) struct Sums {
    pub(crate) plain: Sum,
    pub(crate) stored: Sum,
}

/// Where a file goes.
pub(crate) struct Way<'a> {
    pub(crate) files: &'a Files,
    /// The file's name below the target.
    pub(crate) file: &'a str,
    pub(crate) recipients: &'a Recipients,
    pub(crate) tell: &'a Tell,
    /// How many plain bytes are expected.
    pub(crate) of: Option<u64>,
}

/// Lets `source` write, on a thread, and stores what it wrote. The file exists only when this answers Ok. Dropping the future stops everything,
/// provided that `source` looks at its halt or reads from something that ends with the attempt.
pub(crate) async fn seal<T: Send + 'static>(
    way: Way<'_>,
    source: impl FnOnce(&mut dyn Write, &Halt) -> Result<T, BackupError> + Send + 'static,
) -> Result<(T, Sums), BackupError> {
    let encryptor = way.recipients.encryptor()?;
    let mut file = way.files.writer(way.file).map_err(|error| BackupError::target(&error))?;
    let (pieces, mut arriving) = mpsc::channel::<Vec<u8>>(PIECES);
    let (halt, halts) = Halt::pair();
    let passed = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&passed);
    let thread = tokio::task::spawn_blocking(move || run(encryptor, pieces, &counted, &halt, source));
    let mut last = 0;
    let stored = loop {
        match tokio::time::timeout(SILENCE_MAX, arriving.recv()).await {
            Ok(Some(piece)) => {
                if let Err(error) = file.write(&piece).await {
                    break Err(BackupError::target(&error));
                }
                way.tell.tell("write", passed.load(Ordering::Relaxed), way.of);
            }
            Ok(None) => break Ok(()),
            // Zeros by the gigabyte come out as next to nothing: what counts is whether anything goes in.
            Err(_) if passed.load(Ordering::Relaxed) > last => {}
            Err(_) => break Err(BackupError::transient(Code::BackupSource, format!("the source is silent for {SILENCE_MAX:?}"))),
        }
        last = passed.load(Ordering::Relaxed);
    };
    drop((arriving, halts));
    // A thread that waits for a silent tool ends with the tool, and nobody waits for it.
    let done = match &stored {
        Ok(()) => {
            thread.await.unwrap_or_else(|panic| Err(BackupError::fatal(Code::Internal, format!("the backup's thread panicked: {panic}"))))
        }
        Err(_) => Err(BackupError::fatal(Code::Internal, "it was stopped")),
    };
    match (stored, done) {
        (Ok(()), Ok(done)) => {
            file.finish().await.map_err(|error| BackupError::target(&error))?;
            Ok(done)
        }
        (Err(error), _) | (Ok(()), Err(error)) => {
            if let Err(left) = file.abort().await {
                tracing::warn!("an upload could not be taken back, the target's own rules will: {}", chain(&left));
            }
            Err(error)
        }
    }
}

/// The thread.
fn run<T>(
    encryptor: age::Encryptor,
    pieces: mpsc::Sender<Vec<u8>>,
    passed: &AtomicU64,
    halt: &Halt,
    source: impl FnOnce(&mut dyn Write, &Halt) -> Result<T, BackupError>,
) -> Result<(T, Sums), BackupError> {
    let failed = |error: io::Error| BackupError::local("the data could not be passed on", &error);
    let stored = SumWriter::new(Pieces { pieces, piece: Vec::with_capacity(PIECE) });
    let encrypted = encryptor.wrap_output(stored).map_err(failed)?;
    let compressed = zstd::Encoder::new(encrypted, LEVEL).map_err(failed)?;
    let mut plain = Counted { inner: SumWriter::new(compressed), passed };
    let result = source(&mut plain, halt)?;
    let SumWriter { inner: compressed, summing: plain } = plain.inner;
    let encrypted = compressed.finish().map_err(failed)?;
    let mut stored = encrypted.finish().map_err(failed)?;
    stored.flush().map_err(failed)?;
    Ok((result, Sums { plain: Summing::sum(plain), stored: stored.summing.sum() }))
}

/// Sends what it is given, in pieces of one size. An error says that nobody takes them any more.
struct Pieces {
    pieces: mpsc::Sender<Vec<u8>>,
    piece: Vec<u8>,
}

impl Pieces {
    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.pieces.blocking_send(piece).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE {
            self.send()?;
        }
        Ok(taken)
    }
    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() { Ok(()) } else { self.send() }
    }
}

/// Tells the other side how much went in.
struct Counted<'a, W> {
    inner: W,
    passed: &'a AtomicU64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.passed.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests;
