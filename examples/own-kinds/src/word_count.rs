//! team.word_count — count the words of a text. Safe to repeat.
//!
//! An empty text can never become right by trying again, so it is a final failure.

use longshore::{Context, Failure, Kind, seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};

/// Counts words.
#[derive(Debug)]
pub(crate) struct WordCount;

/// What to count.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The text.
    text: String,
}

/// The counts.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Counts {
    /// All words.
    words: usize,
    /// Words that differ, upper and lower case being the same.
    distinct: usize,
}

impl Kind for WordCount {
    const NAME: &'static str = "team.word_count";
    const QUEUE: &'static str = "team";
    const TIMEOUT: Duration = seconds(30);
    const OWNER: Option<&'static str> = Some("the team");
    const SUMMARY: &'static str = "count the words of a text";
    type Args = Args;
    type Output = Counts;

    async fn run(args: Args, _: &Context) -> Result<Counts, Failure> {
        let words: Vec<_> = args.text.split_whitespace().map(str::to_lowercase).collect();
        if words.is_empty() {
            return Err(Failure::fatal("the text has no words"));
        }
        Ok(Counts { words: words.len(), distinct: words.iter().collect::<BTreeSet<_>>().len() })
    }
}
