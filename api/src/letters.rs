//! Dead letters over HTTP: what failed for good, what it has in common, and what is done about it. Read `one.rs` for a letter, `groups.rs` for
//! what letters share, `many.rs` for the calls that begin operations, `line.rs` for how a letter is written down to be taken elsewhere.

mod export;
mod groups;
mod import;
mod line;
mod list;
mod many;
mod one;
mod view;

pub(crate) use export::{__path_export, export};
pub(crate) use groups::{__path_groups, __path_say, groups, say};
pub(crate) use import::{__path_import, import};
pub(crate) use list::{__path_list, list};
pub(crate) use many::{__path_purge, __path_replay, __path_undo, purge, replay, undo};
pub(crate) use one::{__path_edit, __path_get, edit, get};
