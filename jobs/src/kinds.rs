//! The kinds that ship with Longshore, one file each, in a folder per domain. Nobody outside this module can name one.

use crate::Catalog;

mod demo;
mod http;
mod operations;
mod ops;
mod schedules;

/// All of them.
pub(crate) fn register(catalog: Catalog) -> Catalog {
    ops::register(operations::register(schedules::register(http::register(demo::register(catalog)))))
}
