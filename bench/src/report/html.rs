//! The page: a table and a plot of rounds for each workload, and a curve where one was taken. Reads on light and dark screens.

use super::{Report, number, range, title};
use crate::{
    figure::{Curve, Figure},
    workload::Measured,
};
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}\
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .8rem;border-bottom:1px solid #ddd;text-align:left}td.n{text-align:right;\
font-variant-numeric:tabular-nums}small{color:#666}svg{max-width:100%;background:#fff}";
const WIDTH: f64 = 640.0;
const LEFT: f64 = 230.0;
const ROW: f64 = 22.0;
const OWN: &str = "#2f6fde";
const OTHER: &str = "#c2571a";

pub(super) fn page(report: &Report) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Longshore: benchmarks</title><style>{STYLE}</style></head><body>\n<h1>Longshore: benchmarks</h1>\n<p><small>{}</small></p>\n",
        escape(&report.foot())
    );
    for measured in &report.results {
        section(measured, &mut out);
    }
    out.push_str("</body></html>\n");
    out
}

fn section(measured: &Measured, out: &mut String) {
    let _ = writeln!(out, "<h2>{}</h2>\n<p><small>{}</small></p>\n<table>", escape(&title(measured)), escape(&measured.line()));
    out.push_str(
        "<tr><th></th><th>unit</th><th>median</th><th>lowest to highest</th><th>the other</th><th>this over the other</th></tr>\n",
    );
    for figure in &measured.figures {
        let (other, ratio) = figure.other.as_ref().map(|other| (number(other.median), format!("{:.3}", other.ratio))).unwrap_or_default();
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{other}</td><td class=\"n\">{ratio}</td></tr>",
            escape(&figure.name),
            escape(figure.unit),
            number(figure.median),
            range(figure)
        );
    }
    out.push_str("</table>\n");
    out.push_str(&dots(&measured.figures));
    measured.curves.iter().for_each(|curve| out.push_str(&quantiles(curve)));
}

/// Each figure a line of its own scale, from 0 to the largest of its rounds; each round a dot.
fn dots(figures: &[Figure]) -> String {
    let high = ROW * figures.len() as f64 + 8.0;
    let mut svg = svg(WIDTH, high);
    for (n, figure) in figures.iter().enumerate() {
        let y = ROW * (n as f64 + 0.5) + 4.0;
        let others = figure.other.as_ref().map_or(&[][..], |other| other.rounds.as_slice());
        let most = figure.rounds.iter().chain(others).copied().fold(f64::EPSILON, f64::max);
        let x = |value: f64| LEFT + (WIDTH - LEFT - 16.0) * (value.max(0.0) / most);
        let _ = write!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", LEFT - 10.0, y + 4.0, escape(&figure.name));
        let _ = write!(svg, "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ccc\"/>", WIDTH - 16.0);
        for (values, colour) in [(others, OTHER), (figure.rounds.as_slice(), OWN)] {
            for value in values {
                let _ = write!(
                    svg,
                    "<circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\" fill-opacity=\"0.7\"><title>{} {}</title></circle>",
                    x(*value),
                    number(*value),
                    escape(figure.unit)
                );
            }
        }
    }
    svg + "</svg>\n"
}

/// The value over the share of all that does not exceed it; the axis of values is logarithmic, as tails are long.
fn quantiles(curve: &Curve) -> String {
    const HIGH: f64 = 220.0;
    let (left, top, bottom) = (60.0, 26.0, 24.0);
    let least = curve.points.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min).max(0.001);
    let most = curve.points.iter().map(|(_, value)| *value).fold(least * 1.1, f64::max);
    // 0, 90, 99, 99.9 and 100 % stand evenly apart: each nine is a step.
    let x = |share: f64| left + (WIDTH - left - 16.0) * ((1.0 / (1.0 - share).max(0.000_1)).log10() / 4.0).clamp(0.0, 1.0);
    let y = |value: f64| top + (HIGH - top - bottom) * (1.0 - (value.max(least) / least).ln() / (most / least).ln());
    let mut svg = svg(WIDTH, HIGH);
    let _ = write!(svg, "<text x=\"{left}\" y=\"16\">{}, {}</text>", escape(&curve.name), escape(curve.unit));
    for (share, name) in [(0.0, "0"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (1.0, "100 %")] {
        let _ = write!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#666\">{name}</text>", x(share), HIGH - 6.0);
    }
    for value in [least, most] {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#666\">{}</text>",
            left - 6.0,
            y(value) + 4.0,
            number(value)
        );
    }
    let points: Vec<String> = curve.points.iter().map(|(share, value)| format!("{:.1},{:.1}", x(*share), y(*value))).collect();
    let _ = write!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"{OWN}\" stroke-width=\"2\"/>", points.join(" "));
    svg + "</svg>\n"
}

fn svg(wide: f64, high: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{wide}\" viewBox=\"0 0 {wide} {high:.0}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
