//! Backups on real servers: taken while others write, verified, restored by hand as docs/backups.md says with Debian's tools, and by `restore`;
//! broken in every way that a disk, a network or a person can break them.

mod faults;
mod guards;
mod house;
mod kills;
mod large;
mod postgres;
mod prune;
mod redis;
mod sqlite;

use house::House;
