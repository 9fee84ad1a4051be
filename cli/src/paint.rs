//! Colours of what people read: states, grades, levels of the log, the heads of tables. Where there are none, text stays as it is.

use crate::{host::Host, print};

/// Whether there are colours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(bool);

const BOLD: u8 = 1;

impl Paint {
    /// For stdout; see [`print::colours`]. Documents for programs have none.
    pub(crate) fn of(host: &Host) -> Self {
        Self(!host.json && print::colours(&host.environment, &std::io::stdout()))
    }
    /// Text stays as it is.
    pub(crate) const fn none() -> Self {
        Self(false)
    }
    /// Whatever it is for.
    pub(crate) const fn always() -> Self {
        Self(true)
    }

    pub(crate) const fn is_any(self) -> bool {
        self.0
    }

    /// `text` in the colour of `what`: a state, a level of the log, the grade of a finding, or the name of an event.
    pub(crate) fn as_what(self, what: &str, text: &str) -> String {
        let colour = match what {
            "completed" | "ok" => 32,
            "dead" | "error" | "alert" | "fault" | "unreachable" | "damaged" => 31,
            "retrying" | "warn" | "missed" | "stop asked" | "note" | "paused" => 33,
            "running" => 36,
            "scheduled" | "waiting" | "cancelled" | "debug" | "trace" => 90,
            _ => return text.to_owned(),
        };
        self.put(colour, text)
    }

    /// The head of a table.
    pub(crate) fn as_head(self, text: &str) -> String {
        self.put(BOLD, text)
    }

    fn put(self, colour: u8, text: &str) -> String {
        if self.0 { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
