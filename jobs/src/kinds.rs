//! The kinds that ship with Longshore, one file each, in a folder per domain. Nobody outside this module can name one.

use crate::Catalog;

mod demo;
mod http;

/// All of them.
pub(crate) fn register(catalog: Catalog) -> Catalog {
    http::register(demo::register(catalog))
}
