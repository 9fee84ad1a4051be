//! SIGTERM and SIGINT: the first asks a role to end well, the second ends it at once.

use crate::stop::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Both signals, from the moment this is made.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn new() -> Result<Self, Stop> {
        let listen = |kind| signal(kind).map_err(|error| Stop::failed(format!("signals cannot be received: {error}")));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for the next one; answers its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
