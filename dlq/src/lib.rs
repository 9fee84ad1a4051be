//! dlq — what went wrong, and what is done about it. *Dead* is a state of the queue, so there is no second store here: this crate says which
//! failures are alike, finds the letters that somebody means, and repeats, takes back and removes them over the [`longshore_queue::Broker`].
//! Read `letters.rs`, `replay.rs`, `search.rs`, in that order.

mod fingerprint;
mod letters;
mod patch;
mod replay;
mod results;
mod search;
mod varies;
mod wanted;

pub use fingerprint::fingerprint;
pub use letters::{DeadLetters, Verdict};
pub use patch::{Difference, diff, merge};
pub use replay::{ArgsFault, CheckArgs};
pub use results::{FirstResult, first_result};
pub use search::{Count, Found, Search};
pub use varies::{SAMPLE, Seen, Varies, Varying, varies};
pub use wanted::{Wanted, WantedFault, time_of};

#[cfg(test)]
mod testing;
