//! schedules — what is to be done about schedules besides firing them.

use crate::Catalog;

mod backfill;

pub(super) fn register(catalog: Catalog) -> Catalog {
    catalog.with::<backfill::Backfill>()
}

#[cfg(test)]
mod tests;
