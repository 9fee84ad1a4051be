//! The figures as a table for people, as JSON for programs, and as a page with plots; with what they depend on, because without it they say nothing.

mod html;

use crate::{figure::Figure, machine::Machine, workload::Measured};
use serde::Serialize;
use std::fmt::Write;

/// Figures, and where they come from.
#[derive(Debug, Serialize)]
pub struct Report {
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    build: &'static str,
    machine: Machine,
    results: Vec<Measured>,
    /// Instead of figures.
    #[serde(skip)]
    said: Option<String>,
}

impl Report {
    pub(crate) fn new(commit: Option<String>, results: Vec<Measured>) -> Self {
        let build = if cfg!(debug_assertions) { "debug" } else { "release" };
        Self { version: env!("CARGO_PKG_VERSION"), commit, build, machine: Machine::here(), results, said: None }
    }
    pub(crate) fn said(text: String) -> Self {
        Self { said: Some(text), ..Self::new(None, Vec::new()) }
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
    /// A page that needs nothing else: tables, and plots as SVG.
    #[must_use]
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// For people, in Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        if let Some(said) = &self.said {
            return said.clone();
        }
        let mut out = String::new();
        for measured in &self.results {
            let _ = writeln!(out, "{}\n", title(measured));
            let compared = measured.figures.iter().any(|figure| figure.other.is_some());
            let more = if compared { " the other | this over the other |" } else { "" };
            let _ = writeln!(out, "| | unit | median | lowest to highest |{more}");
            let _ = writeln!(out, "|---|---|---|---|{}", if compared { "---|---|" } else { "" });
            for figure in &measured.figures {
                let other = figure.other.as_ref().map(|other| format!(" {} | {:.3} |", number(other.median), other.ratio));
                let other = other.unwrap_or_default();
                let _ = writeln!(out, "| {} | {} | {} | {} |{other}", figure.name, figure.unit, number(figure.median), range(figure));
            }
            let _ = writeln!(out, "\n{}\n", measured.line());
        }
        out + &self.foot() + "\n"
    }

    /// What all figures depend on.
    fn foot(&self) -> String {
        let commit = self.commit.as_ref().map(|commit| format!(" of {commit}")).unwrap_or_default();
        format!("Longshore {}, {} build{commit} · {}", self.version, self.build, self.machine.line())
    }
}

impl Measured {
    /// What these figures depend on.
    fn line(&self) -> String {
        let Self { payload, limits, fsync, jobs, concurrency, .. } = self;
        format!(
            "{payload} · {limits} · {fsync} · {jobs} jobs where a workload has no number of its own · {concurrency} at once of each worker"
        )
    }
}

fn title(measured: &Measured) -> String {
    format!(
        "{}, {}",
        measured.workload.name(),
        serde_json::to_value(measured.broker).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    )
}

fn range(figure: &Figure) -> String {
    let least = figure.rounds.iter().copied().fold(f64::INFINITY, f64::min);
    let most = figure.rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if figure.rounds.len() < 2 { "one round".into() } else { format!("{} to {}", number(least), number(most)) }
}

/// With as many digits as say something.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        1_000.0.. => 0,
        100.0.. => 1,
        10.0.. => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::{Report, number};
    use crate::{
        figure::{Curve, Figure, Sample},
        workload::{BrokerKind, Measured, Workload},
    };

    fn report() -> Report {
        let rounds = [vec![Sample::more("drain", "jobs/s", 30_000.4)], vec![Sample::more("drain", "jobs/s", 31_000.0)]];
        let other = [vec![Sample::more("drain", "jobs/s", 15_000.0)], vec![Sample::more("drain", "jobs/s", 15_500.0)]];
        let curve = Curve { name: "<lateness>".into(), unit: "ms", points: vec![(0.0, 0.1), (0.5, 1.0), (1.0, 9.0)] };
        let measured = Measured {
            workload: Workload::Drain,
            broker: BrokerKind::Redis,
            payload: "p",
            limits: "l",
            fsync: "f".into(),
            jobs: 7,
            concurrency: 256,
            figures: Figure::of(&rounds, &other),
            curves: vec![curve],
        };
        Report::new(Some("abc".into()), vec![measured])
    }

    #[test]
    fn a_table_says_what_its_figures_depend_on() {
        let table = report().table();
        assert!(table.contains("| drain | jobs/s | 31000 | 30000 to 31000 | 15500 | 2.000 |"), "{table}");
        assert!(table.contains("p · l · f · 7 jobs") && table.contains("build of abc"), "{table}");
    }

    #[test]
    fn a_page_stands_alone_and_escapes_what_it_shows() {
        let page = report().html();
        assert!(page.contains("<svg") && page.contains("&lt;lateness&gt;") && !page.contains("<lateness>"), "{page}");
        assert!(
            !page.contains("http") || page.matches("http").count() == page.matches("http://www.w3.org/2000/svg").count(),
            "nothing is fetched"
        );
    }

    #[test]
    fn numbers_have_the_digits_that_say_something() {
        assert_eq!([30_123.4, 362.04, 13.519, 1.0281, 0.0].map(number), ["30123", "362.0", "13.52", "1.028", "0.000"]);
    }
}
