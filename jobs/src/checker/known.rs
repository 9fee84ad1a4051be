//! The kinds' records with their compiled schemas, cached.

use longshore_base::{Clock, Name};
use longshore_queue::{Broker, BrokerError, KindRecord};
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
    time::Duration,
};

/// Records older than this are read again; a newer version of a kind is seen that late at most.
const FRESH: Duration = Duration::from_secs(3);

/// One kind, ready to check args.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) record: KindRecord,
    /// Or why there is none.
    pub(super) validator: Result<jsonschema::Validator, String>,
}

impl Known {
    fn new(record: KindRecord) -> Self {
        let validator = compile(&record.args_schema);
        Self { record, validator }
    }
}

/// A schema, compiled. It can load nothing from outside, and its patterns run in linear time.
pub(super) fn compile(schema: &Value) -> Result<jsonschema::Validator, String> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .offline()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .should_validate_formats(true)
        .build(schema)
        .map_err(|error| format!("{}: {error}", error.instance_path()))
}

#[derive(Debug)]
pub(super) struct Kinds {
    broker: Arc<dyn Broker>,
    clock: Arc<dyn Clock>,
    cache: RwLock<Cache>,
    /// Held while reading from the broker; counts the reads that have begun.
    refresh: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Cache {
    kinds: HashMap<Name, Arc<Known>>,
    /// When the last read began; None before the first.
    read_at: Option<Duration>,
    /// How many reads have begun.
    reads: u64,
}

impl Kinds {
    pub(super) fn new(broker: Arc<dyn Broker>, clock: Arc<dyn Clock>) -> Self {
        Self { broker, clock, cache: RwLock::default(), refresh: tokio::sync::Mutex::default() }
    }

    /// The kind, if any process has registered it. A broker that cannot be reached is no reason to refuse known kinds.
    pub(super) async fn get(&self, name: &Name) -> Result<Option<Arc<Known>>, BrokerError> {
        let (known, fresh, reads) = {
            let cache = self.read();
            let fresh = cache.read_at.is_some_and(|at| self.clock.elapsed().saturating_sub(at) < FRESH);
            (cache.kinds.get(name).cloned(), fresh, cache.reads)
        };
        match known {
            Some(known) if fresh => Ok(Some(known)),
            Some(known) => {
                // One caller looks whether there is something new; the others go on with what there is.
                let looked = match self.refresh.try_lock() {
                    Ok(_refreshing) => self.load().await,
                    Err(_) => Ok(()),
                };
                if let Err(error) = looked {
                    tracing::debug!(kind = %name, "kinds are checked by older records: {error}");
                }
                Ok(Some(self.read().kinds.get(name).cloned().unwrap_or(known)))
            }
            None => {
                let _refreshing = self.refresh.lock().await;
                // A read that began after this call did sees what this call must see: many unknown kinds cost few reads.
                if self.read().reads == reads || self.read().read_at.is_none() {
                    self.load().await?;
                }
                Ok(self.read().kinds.get(name).cloned())
            }
        }
    }

    /// Every record, read now.
    pub(super) async fn all(&self) -> Result<Vec<KindRecord>, BrokerError> {
        let _refreshing = self.refresh.lock().await;
        self.load().await?;
        Ok(self.read().kinds.values().map(|known| known.record.clone()).collect())
    }

    /// Up to three names like `name`, or all if there are few.
    pub(super) fn nearest(&self, name: &Name) -> String {
        let cache = self.read();
        let mut scored: Vec<_> = cache
            .kinds
            .iter()
            .filter(|(_, known)| !known.record.internal)
            .map(|(known, _)| (strsim::jaro_winkler(known.as_str(), name.as_str()), known.as_str()))
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        let near: Vec<_> = scored.iter().filter(|(score, _)| *score > 0.7).take(3).map(|(_, known)| *known).collect();
        if near.is_empty() { "a kind that is registered".to_owned() } else { format!("did you mean {}?", near.join(", ")) }
    }

    async fn load(&self) -> Result<(), BrokerError> {
        {
            let mut cache = self.write();
            cache.reads += 1;
            // Counted also when it fails, so that a broker that is down is asked once in a while and not by every call.
            cache.read_at = cache.read_at.map(|_| self.clock.elapsed());
        }
        let began = self.clock.elapsed();
        let records = self.broker.kinds().await?;
        let old = self.read().kinds.clone();
        let kinds = records.into_iter().map(|record| match old.get(&record.name) {
            Some(known) if known.record == record => (record.name, Arc::clone(known)),
            _ => (record.name.clone(), Arc::new(Known::new(record))),
        });
        let kinds = kinds.collect();
        let mut cache = self.write();
        cache.kinds = kinds;
        cache.read_at = Some(began);
        Ok(())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Cache> {
        self.cache.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Cache> {
        self.cache.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
