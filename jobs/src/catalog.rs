//! The kinds that this process carries, with their types erased: a name leads to a closure that decodes and runs.

use crate::{Context, Failure, Kind};
use longshore_base::Name;
use longshore_queue::{Json, KindRecord};
use std::sync::Arc;

/// What can be done here.
#[derive(Debug, Clone, Default)]
pub struct Catalog {}

impl Catalog {
    /// No kinds.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }
    /// The kinds that ship with Longshore.
    #[must_use]
    pub fn standard() -> Self {
        todo!()
    }
    /// Adds a kind. The last registration of a name holds.
    #[must_use]
    pub fn with<K: Kind>(self) -> Self {
        todo!()
    }
    /// Their names, sorted.
    #[must_use]
    pub fn names(&self) -> Arc<[Name]> {
        todo!()
    }
    /// Their records, to be registered at start.
    #[must_use]
    pub fn records(&self) -> Vec<KindRecord> {
        todo!()
    }
    /// One line per kind, for `kinds list` and docs/kinds.md.
    #[must_use]
    pub fn summary(&self, _name: &Name) -> Option<&'static str> {
        todo!()
    }
    /// Decodes the args and runs the kind. None: not carried here. Args that do not decode are Fatal (`jobs.args_invalid`).
    pub async fn run(&self, _cx: &Context) -> Option<Result<Json, Failure>> {
        todo!()
    }
}
