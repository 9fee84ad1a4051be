//! The kinds that tell when they ran. No process carries them but those that a benchmark starts.

mod lane;
mod mark;

use longshore_jobs::Catalog;

pub(crate) fn register(catalog: Catalog) -> Catalog {
    catalog.with::<mark::Mark>().with::<lane::Lane>()
}
