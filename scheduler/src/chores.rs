//! The chores, one file each.

mod advance;
mod follow;
mod retain;

pub use advance::Advance;
pub use follow::Follow;
pub use retain::Retain;
