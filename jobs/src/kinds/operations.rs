//! operations — work on many jobs at once, begun by calls of the API and by nothing else. Read `course.rs` for how each of them goes.

use crate::Catalog;

mod bulk;
mod course;
mod kept;
mod purge;
mod replay;
mod undo;

pub(super) fn register(catalog: Catalog) -> Catalog {
    catalog.with::<replay::Replay>().with::<undo::Undo>().with::<purge::Purge>().with::<bulk::Bulk>()
}

#[cfg(test)]
mod tests;
