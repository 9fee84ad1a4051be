//! What a command shows: once, or with `--watch` again and again. On a terminal the same place is drawn anew; elsewhere each change is told in plain lines.

use crate::{host::Host, paint::Paint, print, print::Table, stop::Stop};
use clap::Args;
use serde_json::Value;
use std::{io::IsTerminal, time::Duration};
use tokio::signal::unix::{SignalKind, signal};

/// One look, for programs and for people.
#[derive(Debug)]
pub(crate) struct View {
    document: Value,
    text: String,
    /// The same with colours, if it has any.
    painted: Option<String>,
    /// What to do next; told beside the text, once.
    hint: Option<String>,
}

impl View {
    pub(crate) fn new(document: Value, text: impl Into<String>) -> Self {
        Self { document, text: text.into(), painted: None, hint: None }
    }
    /// A table, or `nothing` if it has no rows.
    pub(crate) fn table(document: Value, table: &Table, nothing: &str) -> Self {
        if table.is_empty() {
            return Self::new(document, nothing);
        }
        Self { painted: Some(table.painted(Paint::always())), ..Self::new(document, table.text()) }
    }
    /// As people see it, where there are colours and where there are none.
    fn shown(&self, colours: bool) -> &str {
        self.painted.as_deref().filter(|_| colours).unwrap_or(&self.text).trim_end()
    }
    pub(crate) fn hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }
}

/// Whether to look again.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Watch {
    /// Look again every SECONDS until Ctrl-C [default when given: 2]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "2", value_parser = seconds)]
    watch: Option<Duration>,
}

/// An API that restarts is waited for this long.
const PATIENCE: Duration = Duration::from_secs(30);

impl Watch {
    /// Shows what `look` finds.
    pub(crate) async fn show(&self, host: &Host, look: impl AsyncFn() -> Result<View, Stop>) -> Result<(), Stop> {
        let Some(every) = self.watch else {
            once(&look().await?, host);
            return Ok(());
        };
        let (mut screen, mut seen) = (Screen::of(host), None);
        // Whoever watches has seen enough; that is no failure.
        let mut enough = signal(SignalKind::interrupt()).map_err(|error| Stop::failed(format!("signals cannot be received: {error}")))?;
        loop {
            let looked = tokio::select! {
                looked = look() => looked,
                _ = enough.recv() => return Ok(()),
            };
            let open = match looked {
                Ok(view) => {
                    seen = Some(host.clock.elapsed());
                    screen.put(&view, &longshore_base::rfc3339(host.clock.now()))
                }
                Err(stop) if stop.is_unreachable() && seen.is_some_and(|seen| host.clock.elapsed() < seen + PATIENCE) => true,
                Err(stop) => return Err(stop),
            };
            if !open {
                return Ok(());
            }
            tokio::select! {
                () = host.clock.sleep(every) => {}
                _ = enough.recv() => return Ok(()),
            }
        }
    }
}

fn once(view: &View, host: &Host) {
    if host.json {
        return print::json(&view.document);
    }
    print::line(view.shown(Paint::of(host).is_any()));
    if let Some(hint) = &view.hint {
        print::aside(hint);
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "allowed are 0.5 to 3600 seconds".to_owned())?;
    if (0.5..=3_600.0).contains(&number) { Ok(Duration::from_secs_f64(number)) } else { Err("allowed are 0.5 to 3600 seconds".to_owned()) }
}

/// Where looks are shown.
#[derive(Debug)]
enum Screen {
    /// Drawn anew each time.
    Terminal { drawn: bool, colours: bool },
    /// Each change, in lines.
    Lines { last: String, colours: bool },
    /// Each change, as a document.
    Documents { last: Value },
}

impl Screen {
    fn of(host: &Host) -> Self {
        if host.json {
            return Self::Documents { last: Value::Null };
        }
        let colours = Paint::of(host).is_any();
        if std::io::stdout().is_terminal() {
            Self::Terminal { drawn: false, colours }
        } else {
            Self::Lines { last: String::new(), colours }
        }
    }

    /// False: nobody reads it any more.
    fn put(&mut self, view: &View, now: &str) -> bool {
        match self {
            Self::Documents { last } if *last == view.document => true,
            Self::Documents { last } => {
                last.clone_from(&view.document);
                print::put(&view.document.to_string())
            }
            Self::Lines { last, .. } if *last == view.text => true,
            Self::Lines { last, colours } => {
                last.clone_from(&view.text);
                print::put(&format!("-- {now}\n{}", view.shown(*colours)))
            }
            Self::Terminal { drawn, colours } => {
                // One that tells no size (a recorded session, a serial line) gets everything.
                let size = terminal_size::terminal_size().map(|(width, height)| (usize::from(width.0), usize::from(height.0)));
                let size = size.filter(|(width, height)| *width > 0 && *height > 0).unwrap_or((usize::MAX, usize::MAX));
                print::draw(&frame(view.shown(*colours), now, size, !std::mem::replace(drawn, true)))
            }
        }
    }
}

/// What a terminal is sent for one look: never more than fits, so that nothing scrolls.
fn frame(text: &str, now: &str, (width, height): (usize, usize), first: bool) -> String {
    let room = height.saturating_sub(2).max(1);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let shown = if lines.len() > room { room - 1 } else { lines.len() };
    let mut out = String::from(if first { "\u{1b}[2J\u{1b}[H" } else { "\u{1b}[H" });
    let mut put = |line: &str| {
        out.push_str(&cut(line, width));
        // The rest of what stood there goes.
        out.push_str("\u{1b}[K\n");
    };
    put(&format!("{now}  Ctrl-C ends"));
    lines.iter().take(shown).for_each(|line| put(line));
    if shown < lines.len() {
        put(&format!("… and {} more lines", lines.len() - shown));
    }
    out.push_str("\u{1b}[J");
    out
}

/// The first `width` characters that are seen; colours are not, and all of them stay, so that the last one ends.
fn cut(line: &str, width: usize) -> String {
    let (mut out, mut seen, mut colour) = (String::new(), 0, false);
    for c in line.chars() {
        colour |= c == '\u{1b}';
        if colour || seen < width {
            out.push(c);
        }
        seen += usize::from(!colour);
        colour &= c != 'm';
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{cut, frame, seconds};

    fn lines(frame: &str) -> Vec<String> {
        let bare = frame.replace("\u{1b}[2J", "").replace("\u{1b}[H", "").replace("\u{1b}[K", "").replace("\u{1b}[J", "");
        bare.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_frame_is_never_larger_than_the_terminal() {
        let text = (1..=100).map(|n| format!("line {n} {}\n", "x".repeat(200))).collect::<String>();
        for (width, height) in [(80, 24), (10, 5), (200, 3), (1, 1)] {
            let drawn = lines(&frame(&text, "10:00", (width, height), true));
            assert!(drawn.iter().all(|line| line.chars().count() <= width), "{width}x{height}");
            assert!(drawn.len() <= height.max(2), "{} lines in {width}x{height}", drawn.len());
        }
        assert_eq!(lines(&frame(&text, "10:00", (80, 24), false)).last().map(String::as_str), Some("… and 79 more lines"));
    }

    #[test]
    fn colours_take_no_room() {
        let line = "\u{1b}[31mdead\u{1b}[0m  and more";
        assert_eq!(cut(line, 3), "\u{1b}[31mdea\u{1b}[0m");
        assert_eq!(cut(line, 6), "\u{1b}[31mdead\u{1b}[0m  ");
        assert_eq!(cut(line, usize::MAX), line);
    }

    #[test]
    fn a_frame_is_drawn_over_the_one_before() {
        let (first, next) = (frame("a\nb", "10:00", (20, 10), true), frame("a", "10:01", (20, 10), false));
        assert!(first.starts_with("\u{1b}[2J\u{1b}[H"), "the terminal is cleared once");
        assert!(next.starts_with("\u{1b}[H") && next.ends_with("\u{1b}[J"), "what is below goes");
        assert_eq!(lines(&next), ["10:01  Ctrl-C ends", "a"]);
    }

    #[test]
    fn looks_are_neither_too_many_nor_too_few() {
        assert_eq!(seconds("0.5").map(|every| every.as_millis()), Ok(500));
        for text in ["0", "0.1", "3601", "-1", "x", "NaN", "inf"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
