//! The roles, one file each, and what they share: flags, the parts they open.

pub(crate) mod flags;
pub(crate) mod parts;
