//! `dlq import` — letters from JSON lines. Each line stands for itself: a broken one is told, and the others go in.

use crate::{
    client::{Client, Remote},
    host::Host,
    print,
    progress::Progress,
    stop::Stop,
};
use clap::Args as ClapArgs;
use serde_json::{Value, json};
use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
};

/// Which file.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// JSON lines, as `dlq export` writes them; - reads stdin
    file: String,
    #[command(flatten)]
    remote: Remote,
}

/// A call has at most so many bytes, unless one line has more, and at most so many lines.
const BYTES_MOST: usize = 4 << 20;
const LINES_MOST: u64 = 1_000;
const TYPE: &str = "application/x-ndjson";

/// What came of all lines so far.
#[derive(Debug, Default)]
struct Tally {
    lines: u64,
    imported: u64,
    duplicates: u64,
    /// Line and reason.
    refused: Vec<(u64, String)>,
}

pub(super) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.remote)?;
    let unreadable = |error: &std::io::Error| Stop::usage(format!("{} cannot be read: {error}", args.file));
    let input: Box<dyn Read> = match args.file.as_str() {
        "-" => Box::new(std::io::stdin()),
        file => Box::new(File::open(file).map_err(|error| unreadable(&error))?),
    };
    let (mut tally, bar) = (Tally::default(), Progress::of(host, "importing"));
    let mut parts = Parts { input: BufReader::new(input), line: 0, held: None };
    while let Some(part) = parts.next().map_err(|error| unreadable(&error))? {
        let first = part.first;
        if let Err(stop) = send(&client, part, &mut tally).await {
            bar.end();
            if !host.json {
                tally.tell();
                print::aside(&format!("the lines before {first} are done; repeating the command makes no second letter"));
            }
            return Err(stop);
        }
        bar.say(&format!("{} lines", tally.lines));
    }
    bar.end();
    told(&tally, host)
}

fn told(tally: &Tally, host: &Host) -> Result<(), Stop> {
    let (refused, count) = (&tally.refused, tally.refused.len());
    if host.json {
        let lines: Vec<_> = refused.iter().map(|(line, reason)| json!({ "line": line, "reason": reason })).collect();
        print::json(&json!({ "lines": tally.lines, "imported": tally.imported, "duplicates": tally.duplicates, "refused_count": count,
            "refused": lines }));
    } else {
        print::line(&format!("{} imported, {} there before, {count} refused", tally.imported, tally.duplicates));
        tally.tell();
    }
    match count {
        0 => Ok(()),
        1 => Err(Stop::failed("one line was refused; the others are in")),
        n => Err(Stop::failed(format!("{n} lines were refused; the others are in"))),
    }
}

/// Some lines of the file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Part {
    /// The number of its first line, from 1.
    first: u64,
    lines: u64,
    text: String,
}

/// Cuts the input into parts that a call may have.
struct Parts<R> {
    input: BufReader<R>,
    line: u64,
    /// The line that did not fit into the part before.
    held: Option<String>,
}

impl<R: Read> Parts<R> {
    fn next(&mut self) -> std::io::Result<Option<Part>> {
        let mut part = Part { first: self.line + 1, ..Part::default() };
        loop {
            let line = match self.held.take() {
                Some(line) => line,
                None => match self.read()? {
                    Some(line) => line,
                    None => return Ok((part.lines > 0).then_some(part)),
                },
            };
            if part.lines > 0 && (part.text.len() + line.len() > BYTES_MOST || part.lines >= LINES_MOST) {
                self.held = Some(line);
                return Ok(Some(part));
            }
            part.text.push_str(&line);
            part.lines += 1;
            self.line += 1;
        }
    }

    /// One line with its end. What is no UTF-8 is told by the API as what it is: no JSON.
    fn read(&mut self) -> std::io::Result<Option<String>> {
        let mut bytes = Vec::new();
        if self.input.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        if bytes.last() != Some(&b'\n') {
            bytes.push(b'\n');
        }
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

async fn send(client: &Client, part: Part, tally: &mut Tally) -> Result<(), Stop> {
    let (first, lines) = (part.first, part.lines);
    match client.post_text(&["v1", "dead-letters", "import"], TYPE, part.text).await {
        Ok(answer) => {
            tally.add(&answer, first);
            Ok(())
        }
        // A single line that is too large for a call is refused like any other.
        Err(stop) if lines == 1 && stop.problem().is_some_and(|problem| problem["status"] == 413) => {
            tally.lines += 1;
            tally.refused.push((first, stop.message().lines().next().unwrap_or_default().to_owned()));
            Ok(())
        }
        Err(stop) => Err(stop),
    }
}

impl Tally {
    /// Each refused line with its reason.
    fn tell(&self) {
        self.refused.iter().for_each(|(line, reason)| print::aside(&format!("line {line}: {reason}")));
    }

    /// Adds what a call says of its lines, which begin at `first`.
    fn add(&mut self, answer: &Value, first: u64) {
        let number = |field: &str| answer[field].as_u64().unwrap_or(0);
        self.lines += number("lines");
        self.imported += number("imported");
        self.duplicates += number("duplicates");
        for refused in answer["refused"].as_array().into_iter().flatten() {
            self.refused.push((refused["line"].as_u64().unwrap_or(1) + first - 1, print::text(refused, "reason")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES_MOST, Part, Parts, Tally};
    use serde_json::json;
    use std::io::BufReader;

    fn parts(text: &str) -> Vec<Part> {
        let mut parts = Parts { input: BufReader::new(text.as_bytes()), line: 0, held: None };
        std::iter::from_fn(|| parts.next().expect("memory can be read")).collect()
    }

    #[test]
    fn a_file_is_cut_between_lines() {
        assert_eq!(parts(""), []);
        assert_eq!(parts("a\n\nb"), [Part { first: 1, lines: 3, text: "a\n\nb\n".into() }]);
        let many = parts(&"x\n".repeat(1_002));
        assert_eq!(many.iter().map(|part| (part.first, part.lines)).collect::<Vec<_>>(), [(1, 1_000), (1_001, 2)]);
        let large = "y".repeat(BYTES_MOST);
        let cut = parts(&format!("a\n{large}\nb\n"));
        assert_eq!(cut.iter().map(|part| (part.first, part.lines)).collect::<Vec<_>>(), [(1, 1), (2, 1), (3, 1)]);
    }

    #[test]
    fn lines_are_counted_over_all_calls() {
        let mut tally = Tally::default();
        tally.add(&json!({ "lines": 1_000, "imported": 999, "duplicates": 0, "refused": [{ "line": 7, "reason": "it is not JSON" }] }), 1);
        tally.add(&json!({ "lines": 5, "imported": 1, "duplicates": 3, "refused": [{ "line": 2, "reason": "/kind: is missing" }] }), 1_001);
        assert_eq!((tally.lines, tally.imported, tally.duplicates), (1_005, 1_000, 3));
        assert_eq!(tally.refused, [(7, "it is not JSON".to_owned()), (1_002, "/kind: is missing".to_owned())]);
    }
}
