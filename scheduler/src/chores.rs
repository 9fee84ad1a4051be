//! The chores, one file each.

mod advance;
mod follow;
mod letters;
mod recur;
mod retain;

pub use advance::Advance;
pub use follow::Follow;
pub use letters::Letters;
pub use recur::Recur;
pub use retain::Retain;
