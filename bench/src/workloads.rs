//! One file for each workload: what it does, and what it finds.

pub(crate) mod bare;
pub(crate) mod big;
pub(crate) mod deep;
pub(crate) mod delayed;
pub(crate) mod drain;
pub(crate) mod events;
pub(crate) mod fair;
pub(crate) mod idle;
pub(crate) mod lanes;
pub(crate) mod memory;
pub(crate) mod pickup;
pub(crate) mod retry;
pub(crate) mod single;
pub(crate) mod steady;

pub use events::{ReadersArgs, readers};
