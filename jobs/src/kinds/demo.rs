//! demo — kinds to try the engine with.

use crate::Catalog;

mod echo;
mod fail;
mod sleep;

pub(super) fn register(catalog: Catalog) -> Catalog {
    catalog.with::<echo::Echo>().with::<fail::Fail>().with::<sleep::Sleep>()
}

#[cfg(test)]
mod tests;
