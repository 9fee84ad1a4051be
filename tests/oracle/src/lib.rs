//! oracle — ticks compared with those of somebody else: cronsim, in Python, on the same release of the time zones.
//!
//! Read `lists.rs` for what is compared, `compare.rs` for how, `differs.rs` for where the two may disagree, `python.rs` for the other side.
//! `cargo xtask oracle` compares everything; the suite compares a part.

mod compare;
mod differs;
mod lists;
mod python;

pub use compare::{Figures, Part, compare};
pub use lists::{suite, whole};
