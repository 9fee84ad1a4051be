//! How far something is that takes long: a bar on stderr where a terminal is, and nothing elsewhere. Output for programs stays as it is.

use crate::{host::Host, print};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::{
    io::IsTerminal,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// Drawn so often at most.
const HERTZ: u8 = 8;
/// The wheel turns so often, so that a wait without news is seen to go on.
const TURN: Duration = Duration::from_millis(120);

/// A bar, or nothing.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    colours: bool,
    /// What it counts is known, and it shows a bar.
    counts: AtomicBool,
}

impl Progress {
    /// One that says what is going on, until it knows how much there is.
    pub(crate) fn of(host: &Host, what: &str) -> Self {
        let shown = !host.json && std::io::stderr().is_terminal();
        let colours = print::colours(&host.environment, &std::io::stderr());
        let bar = shown.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(HERTZ));
            bar.set_style(style("{spinner} {prefix} {elapsed} {msg}", colours));
            bar.set_prefix(what.to_owned());
            bar.enable_steady_tick(TURN);
            bar
        });
        Self { bar, colours, counts: AtomicBool::new(false) }
    }

    /// Whether anybody sees it; who does not is told in lines.
    pub(crate) const fn is_shown(&self) -> bool {
        self.bar.is_some()
    }

    /// So many are done, of so many.
    pub(crate) fn at(&self, done: u64, total: Option<u64>) {
        self.count(done, total, "{spinner} {prefix} {wide_bar} {human_pos}/{human_len} {eta} {msg}");
    }

    /// So many bytes are done, of so many.
    pub(crate) fn bytes(&self, done: u64, total: Option<u64>) {
        self.count(done, total, "{spinner} {prefix} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {msg}");
    }

    fn count(&self, done: u64, total: Option<u64>, template: &str) {
        let Some(bar) = &self.bar else { return };
        if let Some(total) = total.filter(|total| *total > 0) {
            if !self.counts.swap(true, Ordering::AcqRel) {
                bar.set_style(style(template, self.colours));
            }
            bar.set_length(total.max(done));
        }
        bar.set_position(done);
    }

    /// What a job tells of itself, where it does so in a way that is known: {done, total} or {bytes, bytes_total}, and a phase.
    pub(crate) fn told(&self, progress: &Value) {
        let number = |name: &str| progress[name].as_u64();
        if let Some(bytes) = number("bytes") {
            self.bytes(bytes, number("bytes_total"));
        } else if let Some(done) = number("done").or_else(|| number("made")) {
            self.at(done, number("total"));
        }
        if let Some(phase) = progress["phase"].as_str() {
            self.say(phase);
        }
    }

    /// A word at its end.
    pub(crate) fn say(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }

    /// A line above it, on stdout.
    pub(crate) fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| print::line(text)),
            None => print::line(text),
        }
    }

    /// It goes away.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

fn style(template: &str, colours: bool) -> ProgressStyle {
    let template = if colours { template.replace("{wide_bar}", "{wide_bar:.cyan}") } else { template.to_owned() };
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_spinner()).progress_chars("█▉▊▋▌▍▎▏ ")
}

#[cfg(test)]
mod tests {
    use super::style;

    #[test]
    fn every_template_is_one() {
        for template in [
            "{spinner} {prefix} {elapsed} {msg}",
            "{wide_bar} {human_pos}/{human_len} {eta}",
            "{wide_bar} {binary_bytes}/{binary_total_bytes}",
        ] {
            indicatif::ProgressStyle::with_template(&template.replace("{wide_bar}", "{wide_bar:.cyan}")).expect("a template");
            let _ = style(template, true);
        }
    }
}
