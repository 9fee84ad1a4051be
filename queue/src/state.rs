//! The states of a job and the legal moves between them. docs/lifecycle.md is generated from this table;
//! both brokers are walked at random against it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waits for its time. Promoted by any lease or tick once due.
    Scheduled,
    /// Waits in its lane for a worker.
    Ready,
    /// Leased to a worker.
    Running,
    /// Has failed or crashed, waits for its next attempt.
    Retrying,
    /// Waits for children, a signal or the end of another job, without a slot.
    Waiting,
    /// Ended well. Removed after its retention.
    Completed,
    /// Ended because somebody or its expiry said so. Removed after its retention.
    Cancelled,
    /// Ended badly. Stays until an operator replays or purges it, or an explicit policy prunes it.
    Dead,
}

impl State {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 8] =
        [Self::Scheduled, Self::Ready, Self::Running, Self::Retrying, Self::Waiting, Self::Completed, Self::Cancelled, Self::Dead];

    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Waiting => "waiting",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Dead => "dead",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Completed, Cancelled or Dead: no move leaves it but removal.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Dead)
    }

    /// Whether the table has a move from here to `next`.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        MOVES.iter().any(|m| m.from.contains(&self) && m.to.contains(&next))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One row of the table: what may happen to a job in these states, and where it may go.
#[derive(Debug, Clone, Copy)]
pub struct Move {
    /// Empty: a job that does not exist yet.
    pub from: &'static [State],
    /// What happens, with its guard.
    pub event: &'static str,
    /// Empty: the job is removed.
    pub to: &'static [State],
    /// What else changes in the same step.
    pub effects: &'static str,
}

use State::{Cancelled, Completed, Dead, Ready, Retrying, Running, Scheduled, Waiting};

/// Every legal move.
pub const MOVES: &[Move] = &[
    Move {
        from: &[],
        event: "enqueue",
        to: &[Ready, Scheduled, Waiting],
        effects: "the id is checked first, then the unique key; a duplicate answers the existing job; Waiting: a tick that is held, or \
                  depends-on, until the other job has ended",
    },
    Move {
        from: &[],
        event: "a letter is brought from elsewhere (import)",
        to: &[Dead],
        effects: "enters the dead index and its group, with the history and the end that it had there; an id that is there already \
                  answers its job",
    },
    Move { from: &[Scheduled], event: "due", to: &[Ready], effects: "enters its lane" },
    Move { from: &[Scheduled], event: "replaced, or run_at edited", to: &[Ready, Scheduled], effects: "" },
    Move { from: &[Ready], event: "lease, every scope admits", to: &[Running], effects: "a token; runs + 1" },
    Move { from: &[Ready], event: "replaced (never started), or run_at edited", to: &[Scheduled, Ready], effects: "leaves its lane" },
    Move {
        from: &[Scheduled, Ready],
        event: "expires_at passes (never started)",
        to: &[Cancelled],
        effects: "reason expired; the unique key is freed",
    },
    Move { from: &[Scheduled, Ready, Retrying, Waiting], event: "cancel", to: &[Cancelled], effects: "open children are told" },
    Move {
        from: &[Scheduled, Ready, Retrying],
        event: "move to another queue (no parent, children or followers)",
        to: &[Cancelled],
        effects: "reason moved; the unique key is freed; the new job enters this slot's outbox, from which it is enqueued there",
    },
    Move {
        from: &[Scheduled, Ready, Waiting],
        event: "the replay that made it is taken back (never leased)",
        to: &[Cancelled],
        effects: "reason undone; the unique key is freed; its letter enters the dead index and its group again",
    },
    Move { from: &[Running], event: "Complete", to: &[Completed], effects: "attempts + 1; wins over a cancel request" },
    Move { from: &[Running], event: "Retry, attempts left", to: &[Retrying], effects: "attempts + 1" },
    Move { from: &[Running], event: "Retry with none left, or Fatal", to: &[Dead], effects: "attempts + 1" },
    Move { from: &[Running], event: "Snooze", to: &[Scheduled], effects: "no counter; bounded by runs_max and age_max_ms" },
    Move { from: &[Running], event: "Snooze beyond runs_max or age_max_ms", to: &[Dead], effects: "" },
    Move { from: &[Running], event: "Gate", to: &[Ready], effects: "closes its (tenant, key)" },
    Move { from: &[Running], event: "Gate beyond runs_max", to: &[Dead], effects: "closes its (tenant, key)" },
    Move { from: &[Running], event: "Release", to: &[Ready], effects: "interruptions + 1 if it had started" },
    Move { from: &[Running], event: "Wait, unmet / already met", to: &[Waiting, Ready], effects: "frees the slot; no counter" },
    Move { from: &[Running], event: "lease lost, crashes in a row below crashes_max", to: &[Retrying], effects: "crashes + 1" },
    Move {
        from: &[Running],
        event: "lease lost, crashes in a row = crashes_max, or kind not repeatable",
        to: &[Dead],
        effects: "crashes + 1; reason crashed or outcome_unknown",
    },
    Move {
        from: &[Running],
        event: "kind not repeatable: timeout, panic, Release after start",
        to: &[Dead],
        effects: "reason outcome_unknown; overrides the rows above",
    },
    Move {
        from: &[Running],
        event: "cancel requested, then Cancel or any end that is not final, lost lease included",
        to: &[Cancelled],
        effects: "an unknown outcome still ends Dead",
    },
    Move { from: &[Retrying], event: "due, or retry now", to: &[Ready], effects: "enters its lane" },
    Move { from: &[Retrying], event: "given up", to: &[Dead], effects: "reason given_up" },
    Move {
        from: &[Waiting],
        event: "condition met, or timeout or failed child with policy wake",
        to: &[Ready],
        effects: "a flag tells the handler which; the step that ends a job wakes those that wait for its end",
    },
    Move { from: &[Waiting], event: "timeout or failed child with policy die", to: &[Dead], effects: "" },
    Move { from: &[Completed, Cancelled, Dead], event: "retention, or purge of a dead one", to: &[], effects: "copied to the store first" },
    Move { from: &[Dead], event: "replay", to: &[Dead], effects: "leaves the dead index and the groups; a new job names it" },
    Move {
        from: &[Dead],
        event: "its replay is taken back, or its args or tags are edited (not replayed)",
        to: &[Dead],
        effects: "back in the dead index and its group with the end that it had; an edit leaves it where it is, revision + 1",
    },
];
