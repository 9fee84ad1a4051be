//! The chores, one file each.

mod advance;
mod retain;

pub use advance::Advance;
pub use retain::Retain;
