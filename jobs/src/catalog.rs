//! The kinds that this process carries, with their types erased: a name leads to a function that decodes and runs.

use crate::{Cause, Context, Failure, Kind, whole};
use futures::future::BoxFuture;
use longshore_base::{Code, Name};
use longshore_queue::{Json, KindRecord, Policy};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, value::to_raw_value};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock},
};

/// What can be done here. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    kinds: Arc<BTreeMap<Name, Carried>>,
    names: Arc<OnceLock<Arc<[Name]>>>,
}

/// One kind, under one of its names.
#[derive(Clone)]
struct Carried {
    record: KindRecord,
    summary: &'static str,
    alias_of: Option<Name>,
    run: for<'a> fn(&'a Context) -> BoxFuture<'a, Result<Json, Failure>>,
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carried").field("name", &self.record.name).field("version", &self.record.version).finish_non_exhaustive()
    }
}

impl Catalog {
    /// No kinds.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }
    /// The kinds that ship with Longshore.
    #[must_use]
    pub fn standard() -> Self {
        crate::kinds::register(Self::empty())
    }
    /// Adds a kind. The last registration of a name holds.
    ///
    /// # Panics
    /// When one of the kind's names is no [`Name`]; such a kind is a fault in the program.
    #[must_use]
    pub fn with<K: Kind>(self) -> Self {
        let mut kinds = Arc::unwrap_or_clone(self.kinds);
        let record = record::<K>();
        for alias in K::ALIASES {
            let record = KindRecord { name: Name::literal(alias), ..record.clone() };
            let alias_of = Some(Name::literal(K::NAME));
            kinds.insert(record.name.clone(), Carried { record, summary: K::SUMMARY, alias_of, run: run::<K> });
        }
        kinds.insert(record.name.clone(), Carried { record, summary: K::SUMMARY, alias_of: None, run: run::<K> });
        Self { kinds: Arc::new(kinds), names: Arc::default() }
    }
    /// Their names, aliases among them, sorted.
    #[must_use]
    pub fn names(&self) -> Arc<[Name]> {
        Arc::clone(self.names.get_or_init(|| self.kinds.keys().cloned().collect()))
    }
    /// Their records, to be registered at start; an alias has one of its own.
    #[must_use]
    pub fn records(&self) -> Vec<KindRecord> {
        self.kinds.values().map(|kind| kind.record.clone()).collect()
    }
    /// One line per kind, for `kinds list` and docs/kinds.md.
    #[must_use]
    pub fn summary(&self, name: &Name) -> Option<&'static str> {
        self.kinds.get(name).map(|kind| kind.summary)
    }
    /// The kind's present name, if `name` is one that it had before.
    #[must_use]
    pub fn alias_of(&self, name: &Name) -> Option<&Name> {
        self.kinds.get(name)?.alias_of.as_ref()
    }
    /// Decodes the args and runs the kind. None: not carried here. Args that do not decode are Fatal (`jobs.args_invalid`).
    pub async fn run(&self, cx: &Context) -> Option<Result<Json, Failure>> {
        let run = self.kinds.get(&cx.job().kind)?.run;
        Some(run(cx).await)
    }
}

fn run<K: Kind>(cx: &Context) -> BoxFuture<'_, Result<Json, Failure>> {
    Box::pin(async move {
        let text = cx.job().args.get();
        let args = serde_json::from_str(text)
            .or_else(|as_written| whole::decode(serde_json::from_str(text)?).map_err(|_| as_written))
            .map_err(|e| Failure::Fatal(Cause::new(Code::ArgsInvalid, format!("the args do not fit {}: {e}", K::NAME))))?;
        let output = K::run(args, cx).await?;
        to_raw_value(&output).map_err(|e| Failure::fatal(format!("the output is no JSON: {e}")))
    })
}

fn record<K: Kind>() -> KindRecord {
    let strings = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    KindRecord {
        schedule: K::schedule(),
        name: Name::literal(K::NAME),
        version: K::VERSION,
        args_schema: schema::<K::Args>(SchemaSettings::draft2020_12().for_deserialize()),
        output_schema: Some(schema::<K::Output>(SchemaSettings::draft2020_12().for_serialize())),
        queue: Name::literal(K::QUEUE),
        policy: Policy {
            attempts_max: K::RETRY.attempts_max,
            crashes_max: K::CRASHES_MAX,
            timeout_ms: u64::try_from(K::TIMEOUT.as_millis()).unwrap_or(u64::MAX),
            repeatable: K::REPEATABLE,
            runs_max: K::RUNS_MAX,
            age_max_ms: K::AGE_MAX.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            backoff: K::RETRY.backoff,
            keep: K::KEEP,
        },
        lane_by: strings(K::LANE_BY),
        cost: K::COST.map(str::to_owned),
        unique_by: strings(K::UNIQUE_BY),
        resources: strings(K::RESOURCES),
        keep: K::KEEP,
        owner: K::OWNER.map(str::to_owned),
        refused: None,
        internal: K::INTERNAL,
        operators: K::OPERATORS,
    }
}

fn schema<T: JsonSchema>(settings: SchemaSettings) -> Value {
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

#[cfg(test)]
mod tests;
