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
use crate::{Alert, BrokerError, Change, FEED_KEPT, FEED_MAX, Feed, FeedEntry, JobId};
use longshore_base::{Millis, Name};

/// The stream is there for so long after the last call.
const STREAM_KEPT_MS: u64 = 600_000;
/// Behind every entry of a line.
const ALL: u16 = u16::MAX;

/// A place: a line, and how many of its entries are behind us. As text it is as long for all, so that places compare as texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Place {
    ms: u64,
    n: u32,
    known: u16,
}

impl Place {
    /// From a line's id.
    fn of(line: &str, known: u16) -> Option<Self> {
        let (ms, n) = line.split_once('-')?;
        Some(Self { ms: ms.parse().ok()?, n: n.parse().ok()?, known })
    }

    fn read(text: &str) -> Option<Self> {
        if text.len() != 24 || !text.is_ascii() {
            return None;
        }
        let part = |from: usize, to: usize| u64::from_str_radix(&text[from..to], 16).ok();
        Some(Self { ms: part(0, 12)?, n: part(12, 20)?.try_into().ok()?, known: part(20, 24)?.try_into().ok()? })
    }

    fn line(self) -> String {
        format!("{}-{}", self.ms, self.n)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:012x}{:08x}{:04x}", self.ms, self.n, self.known)
    }
}

impl RedisBroker {
    pub(super) async fn feed_of(&self, name: &Name, after: Option<&str>, limit: usize) -> Result<Feed> {
        let queue = self.queue(name).await?;
        self.ears.listen(&self.router, queue.slot, &keys::sibling(&queue.meta, "sig"), &queue.signal).await;
        let mark = queue.signal.feed.mark();
        let limit = limit.clamp(1, FEED_MAX);
        // A place that is none of ours is as good as one that is gone.
        let after = after.map(|text| Place::read(text).unwrap_or_default());
        let mut command = self.command(Script::Feed, &queue.meta);
        command.arg(millis(FEED_KEPT)).arg(STREAM_KEPT_MS).arg(limit);
        command.arg(after.map(Place::line).unwrap_or_default()).arg(after.map_or(0, |place| place.known));
        let answer = value::list(self.call(&queue, Script::Feed, &command).await?, "feed")?;
        let [missed, oldest_at, last, lines @ ..] = answer.as_slice() else { return Err(strange("feed")) };
        let missed = value::int(missed, "feed")? == 1;
        let mut entries = Vec::new();
        for pair in lines.chunks_exact(2) {
            let (id, line) = (value::text(&pair[0]), value::bytes(&pair[1]));
            let (place, line) = (id.and_then(|id| Place::of(id, 0)).ok_or_else(|| strange("feed"))?, line.ok_or_else(|| strange("feed"))?);
            let known = after.filter(|after| (after.ms, after.n) == (place.ms, place.n)).map_or(0, |after| after.known);
            read_line(&queue, place, line, known, limit, &mut entries)
                .ok_or_else(|| BrokerError::Corrupt("a line of a feed".to_owned()))?;
        }
        if entries.len() < limit {
            queue.signal.feed.answered(mark);
        }
        let end = value::text(last).and_then(|id| Place::of(id, ALL)).ok_or_else(|| strange("feed"))?;
        let next = match (entries.last(), after) {
            (Some(FeedEntry { place, .. }), _) => place.clone(),
            (None, Some(after)) if !missed => after.to_string(),
            (None, _) => end.to_string(),
        };
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
        let entry = read_entry(queue, &mut r, at, Place { known: number, ..place })?;
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
        assert_eq!(places[3].line(), "10-20");
        for text in ["", "7", "zz0000000000000000000000", "äääääääääääääääääääääääää"] {
            assert_eq!(Place::read(text), None, "{text}");
        }
    }
}
