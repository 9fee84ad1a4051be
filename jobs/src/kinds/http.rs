//! http — calls to the outside world.

use crate::Catalog;

mod answer;
mod request;
mod sign;

pub(super) fn register(catalog: Catalog) -> Catalog {
    catalog.with::<request::Request>()
}
