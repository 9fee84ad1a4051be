//! The chores, one file each.

mod advance;
mod files;
mod follow;
mod letters;
mod recur;
mod retain;

pub use advance::Advance;
pub use files::SweepFiles;
pub use follow::Follow;
pub use letters::Letters;
pub use recur::Recur;
pub use retain::Retain;
