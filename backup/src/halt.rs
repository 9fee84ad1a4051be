//! How threads that work for an attempt learn that it is over: they look at a flag, which the attempt raises when it is dropped.

use crate::BackupError;
use longshore_base::Code;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Seen by the threads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Halt(Arc<AtomicBool>);

/// Held by the attempt.
#[derive(Debug)]
pub(crate) struct Halts(Halt);

impl Halt {
    /// A flag, and what raises it when it is dropped.
    pub(crate) fn pair() -> (Self, Halts) {
        let halt = Self::default();
        (halt.clone(), Halts(halt))
    }
    /// An error as soon as the attempt is over.
    pub(crate) fn look(&self) -> Result<(), BackupError> {
        if self.0.load(Ordering::Acquire) { Err(BackupError::transient(Code::BackupSource, "the attempt was stopped")) } else { Ok(()) }
    }
}

impl Drop for Halts {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Release);
    }
}

/// Work of a thread, for an attempt that may be dropped before it ends.
pub(crate) async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce(&Halt) -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    let (halt, halts) = Halt::pair();
    let done = tokio::task::spawn_blocking(move || work(&halt)).await;
    drop(halts);
    done.unwrap_or_else(|panic| Err(BackupError::fatal(Code::Internal, format!("a thread of the backup panicked: {panic}"))))
}
