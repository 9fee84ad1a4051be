//! `dlq …` — dead letters, the jobs that failed for good: what they have in common, what is wrong with one, and what is done about many.

mod edit;
mod editor;
mod export;
mod groups;
mod import;
mod list;
mod note;
mod purge;
mod replay;
mod show;
mod undo;

use crate::{commands::filter::Filter, host::Host, stop::Stop};
use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Map, Value, json};

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List groups of letters with like errors: how many, since when, and how many in each hour
    Groups(groups::Args),
    /// List letters that match a filter
    List(list::Args),
    /// Show one letter: every attempt's error, duration and worker, and what varies in the args of its group
    Show(show::Args),
    /// Change the args that a letter will be replayed with; shows the difference
    Edit(edit::Args),
    /// Repeat letters as new jobs, at a rate
    Replay(Box<replay::Args>),
    /// Take a replay, or a bulk change of priority or due time, back as far as it has not begun
    Undo(undo::Args),
    /// Remove letters for good
    Purge(Box<purge::Args>),
    /// Write a note on a group, or mark it as known
    Note(note::Args),
    /// Write letters out as JSON lines
    Export(Box<export::Args>),
    /// Put letters in from JSON lines
    Import(import::Args),
}

pub(crate) async fn run(command: Command, host: &Host) -> Result<(), Stop> {
    match command {
        Command::Groups(args) => groups::run(args, host).await,
        Command::List(args) => list::run(args, host).await,
        Command::Show(args) => show::run(args, host).await,
        Command::Edit(args) => edit::run(args, host).await,
        Command::Replay(args) => replay::run(*args, host).await,
        Command::Undo(args) => undo::run(args, host).await,
        Command::Purge(args) => purge::run(*args, host).await,
        Command::Note(args) => note::run(args, host).await,
        Command::Export(args) => export::run(*args, host).await,
        Command::Import(args) => import::run(args, host).await,
    }
}

/// Which letters: by name, or by what they have in common.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Which {
    /// The letters' ids
    ids: Vec<String>,
    /// Every letter that this key may see
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    #[command(flatten)]
    filter: Filter,
}

impl Which {
    /// `ids` or `filter`, as the calls want them.
    fn body(&self) -> Result<Map<String, Value>, Stop> {
        match (self.ids.is_empty(), self.filter.is_empty()) {
            (false, false) => Err(Stop::usage("name ids or a filter, not both")),
            (true, true) if !self.all => Err(Stop::usage("which letters? name ids or a filter, or say --all")),
            (false, true) => Ok(Map::from_iter([("ids".to_owned(), json!(self.ids))])),
            (true, _) => Ok(Map::from_iter([("filter".to_owned(), Value::Object(self.filter.body()?))])),
        }
    }
}

/// The last error of a letter, in a line.
fn last_error(letter: &Value) -> String {
    let error = letter["errors"].as_array().and_then(|errors| errors.last());
    error.map(|error| line(&format!("{} {}", text(error, "code"), text(error, "message")))).unwrap_or_default()
}

/// At most this many characters of an error in a table.
const WIDE: usize = 80;

/// A text in one line, cut.
fn line(text: &str) -> String {
    let one = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match one.char_indices().nth(WIDE) {
        Some((at, _)) => format!("{}…", &one[..at]),
        None => one,
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Filter, Which, last_error, line};
    use serde_json::{Value, json};

    #[test]
    fn letters_are_named_one_way() {
        let which = |ids: &[&str], all: bool, filter: Filter| {
            let which = Which { ids: ids.iter().map(|id| (*id).to_owned()).collect(), all, filter };
            which.body().map(Value::Object).map_err(|stop| stop.message().to_owned())
        };
        assert_eq!(which(&["a", "b"], false, Filter::default()), Ok(json!({ "ids": ["a", "b"] })));
        assert_eq!(which(&[], true, Filter::default()), Ok(json!({ "filter": {} })));
        assert!(which(&[], false, Filter::default()).is_err_and(|told| told.contains("--all")), "nothing named is not everything");
    }

    #[test]
    fn an_error_is_told_in_a_line() {
        assert_eq!(
            last_error(&json!({ "errors": [{ "code": "a" }, { "code": "http.status", "message": "503\n of x" }] })),
            "http.status 503 of x"
        );
        assert_eq!(last_error(&json!({ "errors": [] })), "");
        assert_eq!(line(&"ä".repeat(81)), format!("{}…", "ä".repeat(80)));
    }
}
