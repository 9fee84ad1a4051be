//! Checks keys on every request, from a small cache: a key that was revoked anywhere is refused here within [`KeyRing::FRESH`].

use crate::{ApiKey, KeyText, Store, StoreError};
use longshore_base::{Clock, Millis};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use uuid::Uuid;

/// The keys seen lately.
#[derive(Debug)]
pub struct KeyRing {
    store: Store,
    clock: Arc<dyn Clock>,
    seen: Mutex<HashMap<Uuid, Seen>>,
}

/// What the store said of an id, and when.
#[derive(Debug, Clone)]
struct Seen {
    at: Duration,
    key: Option<(ApiKey, String)>,
}

impl KeyRing {
    /// How long an answer of the store is believed.
    pub const FRESH: Duration = Duration::from_secs(2);
    /// Ids kept at most, so that made-up ones cannot fill the memory.
    const MAX: usize = 10_000;
    /// `last_used_at` is written at most this often for a key.
    const TOUCH_MS: Millis = 60_000;

    /// A ring on this store.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, seen: Mutex::default() }
    }

    /// The key that `text` is, if it is one, is known, and is not revoked. Garbage costs no I/O.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store had to be asked and did not answer.
    pub async fn check(&self, text: &str) -> Result<Option<ApiKey>, StoreError> {
        let Some(text) = KeyText::parse(text) else { return Ok(None) };
        let known = match self.cached(text.id()) {
            Some(seen) => seen.key,
            None => self.ask(text.id()).await?,
        };
        Ok(known.filter(|(key, hash)| text.matches(hash) && key.revoked_at.is_none()).map(|(key, _)| key))
    }

    /// Forgets a key, so that a revocation through this process holds at once here.
    pub fn forget(&self, id: Uuid) {
        self.lock().remove(&id);
    }

    fn cached(&self, id: Uuid) -> Option<Seen> {
        let now = self.clock.elapsed();
        self.lock().get(&id).filter(|seen| now.saturating_sub(seen.at) < Self::FRESH).cloned()
    }

    async fn ask(&self, id: Uuid) -> Result<Option<(ApiKey, String)>, StoreError> {
        // The time before the question: a revocation during it must not be hidden for longer than FRESH.
        let at = self.clock.elapsed();
        let key = self.store.find_key(id).await?;
        if let Some((key, _)) = &key {
            self.touch(key).await;
        }
        let mut seen = self.lock();
        if seen.len() >= Self::MAX {
            seen.clear();
        }
        seen.insert(id, Seen { at, key: key.clone() });
        Ok(key)
    }

    /// A failure here must not refuse the caller.
    async fn touch(&self, key: &ApiKey) {
        let now = self.clock.now();
        if key.last_used_at.is_none_or(|last| last < now - Self::TOUCH_MS)
            && let Err(error) = self.store.touch_key(key.id, now).await
        {
            tracing::warn!(%error, key = %key.id, "the use of key {} could not be noted", key.id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
