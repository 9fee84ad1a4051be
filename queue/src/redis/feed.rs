//! A queue's feed: lines that the scripts append while somebody listens (`include/signals.lua`), read here.

use super::{
    RedisBroker, Result, attempt,
    bytes::{self, Reader},
    keys, mutable,
    queues::Queue,
    record::millis,
    script::Script,
    value::{self, strange},
};
use crate::{Alert, BrokerError, Change, FEED_BYTES_MAX, FEED_KEPT, FEED_MAX, Feed, FeedEntry, JobId};
use longshore_base::{Millis, Name};

/// The stream is there for so long after the last call.
const STREAM_KEPT_MS: u64 = 600_000;
/// Behind every entry of a line.
const ALL: u16 = u16::MAX;

/// A place: a line, by the time at which its stream began and its number there, and how many of its entries are behind us. As text it is as
/// long for all, so that places compare as texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    began: u64,
    line: u64,
    known: u16,
}

impl Place {
    /// From a line's id.
    fn of(id: &str, known: u16) -> Option<Self> {
        let (began, line) = id.split_once('-')?;
        Some(Self { began: began.parse().ok()?, line: line.parse().ok()?, known })
    }

    fn read(text: &str) -> Option<Self> {
        if text.len() != 28 || !text.is_ascii() {
            return None;
        }
        let part = |from: usize, to: usize| u64::from_str_radix(&text[from..to], 16).ok();
        Some(Self { began: part(0, 12)?, line: part(12, 24)?, known: part(24, 28)?.try_into().ok()? })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:012x}{:012x}{:04x}", self.began, self.line, self.known)
    }
}

/// What whoever asks knows.
#[derive(Debug, Clone, Copy)]
enum After {
    /// Everything that has happened.
    Now,
    /// Nothing.
    Nothing,
    /// What is up to there.
    Place(Place),
}

impl After {
    fn read(after: Option<&str>) -> Self {
        match after {
            None => Self::Now,
            Some("") => Self::Nothing,
            // A text that is no place is as good as a place that is gone.
            Some(text) => Self::Place(Place::read(text).unwrap_or(Place { began: 0, line: 0, known: 0 })),
        }
    }

    fn add(self, command: &mut redis::Cmd) {
        match self {
            Self::Now => command.arg("").arg(0).arg(0),
            Self::Nothing => command.arg("-").arg(0).arg(0),
            Self::Place(place) => command.arg(place.began).arg(place.line).arg(place.known),
        };
    }

    /// How many entries of this line are known.
    fn known(self, of: Place) -> u16 {
        match self {
            Self::Place(place) if (place.began, place.line) == (of.began, of.line) => place.known,
            _ => 0,
        }
    }
}

impl RedisBroker {
    pub(super) async fn feed_of(&self, name: &Name, after: Option<&str>, limit: usize) -> Result<Feed> {
        let Some(queue) = self.existing(name).await? else { return Ok(Feed::of_nobody(after)) };
        self.ears.listen(&self.router, queue.slot, &keys::sibling(&queue.meta, "sig"), &queue.signal).await;
        let mark = queue.signal.feed.mark();
        let (after, limit) = (After::read(after), limit.clamp(1, FEED_MAX));
        let mut command = self.command(Script::Feed, &queue.meta);
        command.arg(millis(FEED_KEPT)).arg(STREAM_KEPT_MS).arg(self.options.feed_steps).arg(FEED_BYTES_MAX).arg(limit);
        after.add(&mut command);
        let answer = value::list(self.call(&queue, Script::Feed, &command).await?, "feed")?;
        let [missed, oldest_at, last, lines @ ..] = answer.as_slice() else { return Err(strange("feed")) };
        let missed = value::int(missed, "feed")? == 1;
        let mut entries = Vec::new();
        for pair in lines.chunks_exact(2) {
            let (id, line) = (value::text(&pair[0]), value::bytes(&pair[1]));
            let (place, line) = (id.and_then(|id| Place::of(id, 0)).ok_or_else(|| strange("feed"))?, line.ok_or_else(|| strange("feed"))?);
            let known = if missed { 0 } else { after.known(place) };
            read_line(&queue, place, line, known, limit, &mut entries)
                .ok_or_else(|| BrokerError::Corrupt("a line of a feed".to_owned()))?;
        }
        let end = value::text(last).and_then(|id| Place::of(id, ALL)).ok_or_else(|| strange("feed"))?.to_string();
        let next = match (entries.last(), after) {
            (Some(FeedEntry { place, .. }), _) => place.clone(),
            (None, After::Place(after)) if !missed => after.to_string(),
            (None, _) => end.clone(),
        };
        if next == end {
            queue.signal.feed.answered(mark);
        } else {
            // More is there than was asked for, or than one answer holds: nobody waits for it.
            queue.signal.feed.ring();
        }
        Ok(Feed { entries, next, missed, oldest_at: Some(value::int(oldest_at, "feed")?) })
    }

    pub(super) async fn announce_alert(&self, name: &Name, alert: &Alert) -> Result<()> {
        let Some(queue) = self.existing(name).await? else { return Ok(()) };
        let mut command = self.command(Script::Alert, &queue.meta);
        command.arg(serde_json::to_vec(alert).map_err(|e| BrokerError::Refused(e.to_string()))?);
        self.call(&queue, Script::Alert, &command).await.map(drop)
    }
}

/// Adds what a line tells behind its first `known` entries, up to `limit` in all.
fn read_line(queue: &Queue, place: Place, line: &[u8], known: u16, limit: usize, entries: &mut Vec<FeedEntry>) -> Option<()> {
    let mut r = Reader::new(line);
    let (at, count) = (r.millis()?, r.u16()?);
    for number in 1..=count {
        if entries.len() >= limit {
            break;
        }
        let behind = if number == count { ALL } else { number };
        let entry = read_entry(queue, &mut r, at, Place { known: behind, ..place })?;
        if number > known {
            entries.push(entry);
        }
    }
    Some(())
}

fn read_entry(queue: &Queue, r: &mut Reader<'_>, at: Millis, place: Place) -> Option<FeedEntry> {
    let short = r.take(size_of::<keys::Short>())?;
    let id: Option<JobId> = if short.iter().all(|b| *b == 0) { None } else { keys::long(short, queue.home) };
    let (what, run) = (r.u8()?, r.u32()?);
    let what = match what {
        b'E' => Change::Edited,
        b'K' => Change::CancelRequested,
        b'N' => told(Reader::new(more(r)?))?,
        b'A' => Change::Alert(serde_json::from_slice(more(r)?).ok()?),
        state => Change::State { state: mutable::state(state.into()).ok()?, run },
    };
    Some(FeedEntry { place: place.to_string(), at, id, what })
}

/// Bytes behind their length.
fn more<'a>(r: &mut Reader<'a>) -> Option<&'a [u8]> {
    let n = r.u32()?;
    r.take(usize::try_from(n).ok()?)
}

fn told(mut r: Reader<'_>) -> Option<Change> {
    let (progress, output) = (more(&mut r)?, more(&mut r)?);
    let progress = if progress.is_empty() { None } else { Some(bytes::json(progress)?) };
    let output = if output.is_empty() { None } else { Some(String::from_utf8(output.to_vec()).ok()?) };
    let mut logs = Vec::new();
    while !r.rest().is_empty() {
        logs.push(attempt::line(more(&mut r)?)?);
    }
    Some(Change::Told { progress, logs, output })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_were_written_and_grow_as_text() {
        let places = [("9-0", 0), ("10-3", 1), ("10-3", 2), ("10-20", 1), ("1790000000000-0", 1), ("1790000000000-1", ALL)];
        let places = places.map(|(line, known)| Place::of(line, known).expect("a line's id"));
        for place in places {
            assert_eq!(Place::read(&place.to_string()), Some(place));
        }
        assert!(places.map(|place| place.to_string()).is_sorted());
        for text in ["", "7", "zz00000000000000000000000000", "ääääääääääääää"] {
            assert_eq!(Place::read(text), None, "{text}");
        }
    }
}
