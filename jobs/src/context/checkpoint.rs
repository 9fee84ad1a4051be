//! Checkpoints: a cursor and the results of steps, kept over retries and crashes. Long syncs stand on them.

use super::{Context, Inner};
use crate::{Cause, Failure};
use longshore_base::Code;
use longshore_queue::{Json, PAYLOAD_MAX, Saves};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::to_raw_value;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::OnceCell;

/// What earlier attempts kept, read once when it is first asked for, and what this one added.
#[derive(Debug, Default)]
pub(super) struct Checkpoint {
    /// Boxed, because most attempts never ask.
    saved: OnceCell<Box<Kept>>,
}

#[derive(Debug)]
struct Kept {
    cursor: Mutex<Option<Json>>,
    steps: Mutex<HashMap<String, Arc<OnceCell<Json>>>>,
}

impl Context {
    /// Keeps `cursor` in place of the last one, for [`Context::resume`].
    ///
    /// # Errors
    /// [`Failure::Cancelled`] when the lease is lost; Retry when the broker cannot be reached; Fatal when the cursor is
    /// no JSON or larger than [`PAYLOAD_MAX`].
    pub async fn save(&self, cursor: impl Serialize) -> Result<(), Failure> {
        let cursor = json(&cursor, "the cursor")?;
        self.may_save("the cursor", &cursor)?;
        self.inner.save(Saves { cursor: Some(cursor.clone()), steps: Vec::new() }).await?;
        if let Some(kept) = self.inner.checkpoint.saved.get() {
            *kept.cursor.lock().unwrap_or_else(PoisonError::into_inner) = Some(cursor);
        }
        Ok(())
    }

    /// The last cursor that this or an earlier attempt kept.
    ///
    /// # Errors
    /// Retry when the broker cannot be reached; Fatal when the cursor is not of this type.
    pub async fn resume<T: DeserializeOwned>(&self) -> Result<Option<T>, Failure> {
        let cursor = self.kept().await?.cursor.lock().unwrap_or_else(PoisonError::into_inner).clone();
        cursor.map(|cursor| decode(&cursor, "the cursor")).transpose()
    }

    /// Does `f` once for this job, however often it runs: the first result under `key` is kept and answered from then on.
    /// A failure is not kept. Steps may run beside each other; one step must not wait for itself.
    ///
    /// # Errors
    /// The failure of `f`, or as [`Context::save`].
    pub async fn step<T, F>(&self, key: impl Into<String>, f: impl FnOnce() -> F) -> Result<T, Failure>
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = Result<T, Failure>>,
    {
        let (key, kept) = (key.into(), self.kept().await?);
        let cell = Arc::clone(kept.steps.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default());
        let result = cell
            .get_or_try_init(|| async {
                let result = json(&f().await?, "the step's result")?;
                self.may_save("the step's result", &result)?;
                self.inner.save(Saves { cursor: None, steps: vec![(key.clone(), result.clone())] }).await?;
                Ok::<_, Failure>(result)
            })
            .await?;
        decode(result, "the step's result")
    }

    fn may_save(&self, what: &str, value: &Json) -> Result<(), Failure> {
        if self.inner.veil.is_empty() {
            return Ok(());
        }
        let value = serde_json::from_str(value.get()).map_err(|e| Failure::fatal(format!("{what} is no JSON: {e}")))?;
        self.may_keep_json(what, &value)
    }

    async fn kept(&self) -> Result<&Kept, Failure> {
        let inner = &self.inner;
        inner
            .checkpoint
            .saved
            .get_or_try_init(|| async {
                let saves = inner.parts.tools.broker.saved(inner.id()).await.map_err(|e| inner.failure(&e))?;
                let steps = saves.steps.into_iter().map(|(key, result)| (key, Arc::new(OnceCell::new_with(Some(result))))).collect();
                Ok(Box::new(Kept { cursor: Mutex::new(saves.cursor), steps: Mutex::new(steps) }))
            })
            .await
            .map(|kept| &**kept)
    }
}

impl Inner {
    async fn save(&self, saves: Saves) -> Result<(), Failure> {
        self.parts.tools.broker.save(self.id(), self.parts.lease.token, saves).await.map_err(|e| self.failure(&e))
    }
}

fn json(value: &impl Serialize, what: &str) -> Result<Json, Failure> {
    let json = to_raw_value(value).map_err(|e| Failure::fatal(format!("{what} is no JSON: {e}")))?;
    let bytes = json.get().len();
    if bytes > PAYLOAD_MAX {
        return Err(Failure::Fatal(Cause::new(Code::OutputTooLarge, format!("{what} has {bytes} bytes; allowed are {PAYLOAD_MAX}"))));
    }
    Ok(json)
}

fn decode<T: DeserializeOwned>(json: &Json, what: &str) -> Result<T, Failure> {
    serde_json::from_str(json.get()).map_err(|e| Failure::fatal(format!("{what} that was kept is not of this type: {e}")))
}
