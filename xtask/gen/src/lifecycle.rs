//! docs/lifecycle.md from the table of legal moves.

use longshore_queue::{MOVES, Move, State};
use std::{collections::BTreeSet, fmt::Write};

const INTRO: &str = "\
# The life of a job

Generated from `queue/src/state.rs` by `cargo xtask gen`; do not edit.

A job is in one of eight states. Completed, cancelled and dead are ends: only retention or a purge removes an ended job,
and a replay makes a new one. Both brokers are walked at random against this table, and no other move is possible.
";

pub(crate) fn page() -> String {
    let mut page = String::from(INTRO);
    page.push_str("\n```mermaid\nstateDiagram-v2\n");
    for (from, to) in arrows() {
        let _ = writeln!(page, "    {from} --> {to}");
    }
    page.push_str("```\n\n| from | what happens | to | what else changes in the same step |\n|---|---|---|---|\n");
    for Move { from, event, to, effects } in MOVES {
        let _ = writeln!(page, "| {} | {event} | {} | {effects} |", words(from, "–"), words(to, "removed"));
    }
    page
}

/// Each pair once.
fn arrows() -> BTreeSet<(String, String)> {
    let mut arrows = BTreeSet::new();
    for one in MOVES {
        let from: Vec<String> = if one.from.is_empty() { vec!["[*]".into()] } else { one.from.iter().map(ToString::to_string).collect() };
        let to: Vec<String> = if one.to.is_empty() { vec!["[*]".into()] } else { one.to.iter().map(ToString::to_string).collect() };
        arrows.extend(from.iter().flat_map(|from| to.iter().map(move |to| (from.clone(), to.clone()))));
    }
    arrows
}

fn words(states: &[State], none: &str) -> String {
    if states.is_empty() { none.into() } else { states.iter().map(|state| state.as_str()).collect::<Vec<_>>().join(" · ") }
}
