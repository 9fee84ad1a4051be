//! What people read: aligned tables, times, spans. A closed pipe ends the output, not the command.

use crate::paint::Paint;
use longshore_base::Millis;
use longshore_config::Environment;
use serde_json::Value;
use std::io::{IsTerminal, Write};

/// One line on stdout.
pub(crate) fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// The same. False: nobody reads it any more.
pub(crate) fn put(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).is_ok()
}

/// Text as it is, for a terminal. False: nobody reads it any more.
pub(crate) fn draw(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush()).is_ok()
}

/// One line on stderr.
pub(crate) fn aside(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// A question on stderr; the answer stands on the same line.
pub(crate) fn ask(text: &str) {
    let mut err = std::io::stderr().lock();
    drop(write!(err, "{text}").and_then(|()| err.flush()));
}

/// Whether what is written to `stream` may have colours: on a terminal unless NO_COLOR is set, elsewhere only with CLICOLOR_FORCE.
pub(crate) fn colours(environment: &Environment, stream: &impl IsTerminal) -> bool {
    !environment.plain && (environment.colours || stream.is_terminal())
}

/// A document for programs: one line of JSON.
pub(crate) fn json(value: &Value) {
    line(&value.to_string());
}

/// Rows under a head, columns aligned. A head that begins with `>` is for numbers: aligned at the right.
#[derive(Debug)]
pub(crate) struct Table {
    head: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) const fn new(head: &'static [&'static str]) -> Self {
        Self { head, rows: Vec::new() }
    }
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
    pub(crate) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
    /// Prints the table, or `nothing` if it has no rows.
    pub(crate) fn print(&self, nothing: &str, paint: Paint) {
        line(if self.rows.is_empty() { nothing.to_owned() } else { self.painted(paint) }.trim_end());
    }

    pub(crate) fn text(&self) -> String {
        self.painted(Paint::none())
    }

    /// With colours for the head and for cells that are a state or a grade.
    pub(crate) fn painted(&self, paint: Paint) -> String {
        let head: Vec<_> = self.head.iter().map(|name| name.trim_start_matches('>').to_owned()).collect();
        let lines = || std::iter::once(&head).chain(&self.rows);
        let width = |column: usize| lines().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<_> = (0..head.len()).map(width).collect();
        let mut out = String::new();
        for (at, row) in lines().enumerate() {
            let cell = |column: usize| {
                let (text, last) = (row[column].as_str(), column + 1 == head.len());
                let space = " ".repeat(widths[column] - text.chars().count());
                let shown = if at == 0 { paint.as_head(text) } else { paint.as_what(text, text) };
                match (self.head[column].starts_with('>'), last) {
                    (true, _) => space + &shown,
                    (false, false) => shown + &space,
                    (false, true) => shown,
                }
            };
            let cells: Vec<_> = (0..head.len()).map(cell).collect();
            out.push_str(cells.join("  ").trim_end());
            out.push('\n');
        }
        out
    }
}

/// A field of a document as text; absent and null are `-`.
pub(crate) fn text(value: &Value, field: &str) -> String {
    match &value[field] {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Args or an output as JSON; where they lie in a file and are not there, what they are and why.
pub(crate) fn large(job: &Value, field: &str) -> String {
    let large = &job["large"][field];
    match (&job[field], large["bytes"].as_u64()) {
        (Value::Null, Some(bytes)) => {
            let why = large["fault"].as_str().map_or_else(|| "not shown here".to_owned(), |code| format!("not to be read: {code}"));
            format!("({bytes} bytes in a file, {why})")
        }
        (value, _) => value.to_string(),
    }
}

/// An RFC 3339 time in Unix milliseconds.
pub(crate) fn millis(value: &Value) -> Option<Millis> {
    Some(chrono::DateTime::parse_from_rfc3339(value.as_str()?).ok()?.timestamp_millis())
}

/// How long ago (or ahead) the time in `field` is, such as `3m` or `in 2h`.
pub(crate) fn age(value: &Value, field: &str, now: Millis) -> String {
    millis(&value[field]).map_or_else(|| "-".into(), |at| if at > now { format!("in {}", span(at - now)) } else { span(now - at) })
}

/// A length of time in at most two units: `85 ms`, `1.2 s`, `3m 5s`, `2h 10m`, `4d 1h`, `5m`.
pub(crate) fn span(ms: i64) -> String {
    let (s, m, h) = (ms / 1_000, ms / 60_000, ms / 3_600_000);
    let two = |big: i64, unit: char, small: i64, part: char| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit} {small}{part}") }
    };
    match ms {
        ..1_000 => format!("{ms} ms"),
        1_000..10_000 => format!("{}.{} s", s, ms % 1_000 / 100),
        10_000..60_000 => format!("{s} s"),
        60_000..3_600_000 => two(m, 'm', s % 60, 's'),
        3_600_000..86_400_000 => two(h, 'h', m % 60, 'm'),
        _ => two(h / 24, 'd', h % 24, 'h'),
    }
}

#[cfg(test)]
mod tests {
    use super::{Table, span};
    use crate::paint::Paint;

    #[test]
    fn columns_are_aligned_and_numbers_stand_right() {
        let mut table = Table::new(&["NAME", ">READY", "STATE"]);
        table.row(["default".into(), "5".into(), "open".into()]);
        table.row(["ä".into(), "1200".into(), String::new()]);
        assert_eq!(table.text(), "NAME     READY  STATE\ndefault      5  open\nä         1200\n");
    }

    #[test]
    fn colours_change_no_column() {
        let mut table = Table::new(&["NAME", ">READY", "STATE"]);
        table.row(["a".into(), "5".into(), "dead".into()]);
        table.row(["long".into(), "1200".into(), "open".into()]);
        let painted = table.painted(Paint::always());
        assert!(painted.contains("\u{1b}[31mdead\u{1b}[0m") && painted.contains("\u{1b}[1mREADY\u{1b}[0m"), "{painted:?}");
        let bare = ["\u{1b}[31m", "\u{1b}[1m", "\u{1b}[0m"].iter().fold(painted, |text, code| text.replace(code, ""));
        assert_eq!(bare, table.text());
    }

    #[test]
    fn spans_have_two_units_at_most() {
        let told: Vec<_> = [0, 999, 1_250, 59_999, 61_000, 300_000, 7_260_000, 90_000_000].map(span).into();
        assert_eq!(told, ["0 ms", "999 ms", "1.2 s", "59 s", "1m 1s", "5m", "2h 1m", "1d 1h"]);
    }
}
