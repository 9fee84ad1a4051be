//! Reads go past the writer: a few connections of their own, on blocking threads, each call on one snapshot.

use super::{db::Db, open};
use crate::BrokerError;
use rusqlite::Connection;
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::Semaphore;

type Result<T> = std::result::Result<T, BrokerError>;

/// Connections that are opened when first needed and kept.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Readers {
    pub(super) fn new(path: PathBuf, at_most: usize) -> Arc<Self> {
        Arc::new(Self { path, idle: Mutex::default(), permits: Semaphore::new(at_most.max(1)) })
    }

    /// Runs `look` on one snapshot of the file.
    pub(super) async fn read<T, F>(self: &Arc<Self>, look: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Db<'_>) -> Result<T> + Send + 'static,
    {
        let stopped = |_| BrokerError::Unavailable("the readers have stopped".to_owned());
        let _permit = self.permits.acquire().await.map_err(stopped)?;
        let own = Arc::clone(self);
        let looked = tokio::task::spawn_blocking(move || own.look(look)).await;
        looked.map_err(|fault| BrokerError::Unavailable(format!("a read was broken off: {fault}")))?
    }

    fn look<T>(&self, look: impl FnOnce(Db<'_>) -> Result<T>) -> Result<T> {
        let idle = self.lock().pop();
        let connection = idle.map_or_else(|| open::reader(&self.path), Ok)?;
        let snapshot = connection.unchecked_transaction()?;
        let looked = look(Db(&connection));
        drop(snapshot);
        self.lock().push(connection);
        looked
    }

    /// Closes those that are idle, so that others close the file last.
    pub(super) fn close(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
