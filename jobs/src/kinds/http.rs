//! http — calls to the outside world.

use crate::Catalog;

pub(super) fn register(catalog: Catalog) -> Catalog {
    catalog
}
