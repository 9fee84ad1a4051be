//! One reader's stream: what it missed while it was away, then what happens, and a heartbeat where nothing does.

use super::{
    away::{Away, Page},
    group::{Mark, Wanted},
    hub::{Entered, over},
    position::Position,
    row::{Parcel, Row},
    seats::Seat,
};
use crate::{jobs, problem::Problem, state::Api, view::JobView};
use bytes::Bytes;
use futures::{Stream, stream};
use longshore_base::{Code, Random, Scope};
use longshore_queue::{BrokerError, Job, JobId};
use serde_json::json;
use std::{collections::VecDeque, convert::Infallible, ops::Range, sync::Arc, time::Duration};
use tokio::sync::watch;

/// Proxies cut connections that are silent for a minute.
const BEAT_EVERY: Duration = Duration::from_secs(15);
/// The first beat comes between these, by chance. Readers often come together, after a restart for one, and each beat looks at a key and
/// writes to a connection: whoever enqueues would wait for a thousand of them every fifteen seconds.
const FIRST_BEAT: Range<Duration> = Duration::from_secs(5)..BEAT_EVERY;
/// How long the hub may take to tell of an end that a beat has found.
const TOLD_WITHIN: Duration = Duration::from_secs(5);
/// After a page that could not be read.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a reader that has caught up waits to be let in.
const ENTER_MAX: Duration = Duration::from_secs(10);
/// How long a browser waits before it comes again.
const HELLO: &str = "retry: 1000\n";

/// Who listens, and to what.
pub(super) struct Listener {
    pub(super) wanted: Wanted,
    /// What the key may see, and the key: a stream ends when it is revoked.
    pub(super) scope: Scope,
    pub(super) key: String,
}

/// A reader on its way.
pub(super) struct Reader {
    api: Arc<Api>,
    listener: Listener,
    /// Kept here until it is let in.
    seat: Option<Seat>,
    /// What is to be sent before anything else.
    say: VecDeque<Bytes>,
    away: Option<Away>,
    live: Option<Live>,
    /// There is nothing to come.
    ended: bool,
    /// At the last beat its job had ended, and that had not been told.
    untold: bool,
    beat_at: Duration,
    stopped: watch::Receiver<bool>,
}

/// Where a reader's events come from.
struct Live {
    row: Arc<Row>,
    mark: Arc<Mark>,
    /// Where it is, until its group is as far as it is.
    own: Option<Position>,
}

impl Live {
    /// How far the reader's group is, if nothing of that waits for the reader any more; where it was ahead of its group ends there. What
    /// waits in its row may be what it has read itself, however far the group has come since: the mark is looked at first, then the row.
    fn meet(&mut self) -> Option<Position> {
        let mark = self.mark.get();
        if !self.row.is_empty() {
            return None;
        }
        self.own.take_if(|own| mark.covers(own));
        Some(mark)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.row.leave();
    }
}

impl Reader {
    fn new(api: &Arc<Api>, listener: Listener) -> Self {
        let (stopped, beat_at) = (api.hub.stopped(), api.clock.elapsed() + first_beat(&*api.random));
        let say = VecDeque::new();
        Self { api: Arc::clone(api), listener, seat: None, say, away: None, live: None, ended: false, untold: false, beat_at, stopped }
    }

    /// A reader that hears everything from now on.
    pub(super) async fn fresh(api: &Arc<Api>, listener: Listener, seat: Seat) -> Result<Self, Problem> {
        let mut reader = Self::new(api, listener);
        let unknown = || Problem::new(Code::Unavailable).detail("the feeds of the queues cannot be read now");
        let position = reader.enter(seat, api.left(api.deadline())).await.ok_or_else(unknown)?.position;
        reader.say.push_back(format!("{HELLO}id: {position}\n\n").into());
        Ok(reader)
    }

    /// A reader that was away.
    pub(super) fn back(api: &Arc<Api>, listener: Listener, seat: Seat, away: Away) -> Self {
        let say = VecDeque::from([format!("{HELLO}\n").into()]);
        Self { seat: Some(seat), away: Some(away), say, ..Self::new(api, listener) }
    }

    /// One that ends with what it has to say.
    pub(super) fn ended(api: &Arc<Api>, listener: Listener) -> Self {
        Self { ended: true, ..Self::new(api, listener) }
    }

    /// Tells how the job stands, and ends if it has ended.
    pub(super) fn show(&mut self, job: Job, position: Option<&Position>) -> Result<(), Problem> {
        self.ended |= job.state.is_ended();
        let view = serde_json::to_string(&JobView::from(job)).map_err(|error| Problem::new(Code::Internal).cause(error.to_string()))?;
        let id = position.map(|position| format!("id: {position}\n")).unwrap_or_default();
        self.say.push_back(format!("{id}event: job\ndata: {view}\n\n").into());
        Ok(())
    }

    /// Where a fresh reader began.
    pub(super) fn position(&self) -> Option<Position> {
        self.live.as_ref().map(|live| live.mark.get())
    }

    /// All that is left to say of a job that has ended. False: there is nothing.
    pub(super) async fn finish(&mut self) -> Result<bool, BrokerError> {
        self.say.clear();
        self.seat = None;
        while let Some(mut away) = self.away.take() {
            self.catch_up(&mut away).await?;
            self.away = Some(away).filter(|away| !away.is_done());
        }
        self.ended = true;
        Ok(!self.say.is_empty())
    }

    /// As the body of an answer.
    pub(super) fn stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut reader| async move { reader.next().await.map(|bytes| (Ok(bytes), reader)) })
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.say.pop_front() {
                return Some(bytes);
            }
            if self.ended || *self.stopped.borrow() {
                return None;
            }
            if self.api.clock.elapsed() >= self.beat_at {
                if !self.beat().await {
                    return None;
                }
                continue;
            }
            if let Some(mut away) = self.away.take() {
                match self.catch_up(&mut away).await {
                    Ok(()) => self.go_on(away).await,
                    Err(error) => {
                        tracing::debug!(%error, "a reader cannot catch up now");
                        self.api.clock.sleep(PAUSE).await;
                        self.say.push_back(Bytes::from_static(b": wait\n\n"));
                        self.away = Some(away);
                    }
                }
                continue;
            }
            let live = self.live.as_mut()?;
            let left = self.beat_at.saturating_sub(self.api.clock.elapsed());
            let parcel = tokio::select! {
                parcel = live.row.take() => parcel?,
                () = over(&mut self.stopped) => return None,
                () = self.api.clock.sleep(left) => continue,
            };
            self.open(parcel).await;
        }
    }

    async fn open(&mut self, parcel: Parcel) {
        let Some(live) = &mut self.live else { return };
        match parcel {
            Parcel::Events(chunk) => {
                let bytes = live.own.as_mut().map_or_else(|| chunk.all(), |own| chunk.after(own));
                live.own.take_if(|own| chunk.position.covers(own));
                self.ended |= chunk.last;
                self.say.extend(Some(bytes).filter(|bytes| !bytes.is_empty()));
            }
            Parcel::Missed(count) => {
                self.say.push_back(format!("event: missed\ndata: {}\n\n", json!({ "reason": "slow", "count": count })).into());
                self.look(None).await;
            }
        }
    }

    /// A sign of life, with the id that it has reached: what others were told in between need not be looked through again. False: the
    /// key is not valid any more.
    async fn beat(&mut self) -> bool {
        self.beat_at = self.api.clock.elapsed() + BEAT_EVERY;
        if matches!(self.api.keys.check(&self.listener.key).await, Ok(None)) {
            return false;
        }
        let mut reached = None;
        if let Some(live) = self.live.as_mut().filter(|_| self.away.is_none()) {
            reached = live.meet().filter(|_| live.own.is_none());
        }
        if let Some(mark) = &reached {
            // An end that is never told, because the server had no room for it, must not leave anybody waiting.
            self.look_for_its_end(mark).await;
        }
        let id = reached.map(|mark| format!("id: {mark}\n")).unwrap_or_default();
        self.say.push_back(format!("{id}: beat\n\n").into());
        true
    }

    async fn catch_up(&mut self, away: &mut Away) -> Result<(), BrokerError> {
        let Page { text, missed, last } = away.page(&self.api.hub, &*self.api.broker, &self.listener.wanted).await?;
        self.say.extend(Some(text).filter(|text| !text.is_empty()).map(Bytes::from));
        self.ended |= last;
        if missed {
            self.look(Some(&away.last)).await;
        }
        Ok(())
    }

    /// Behind a page: to the next one, into the hub, or to what happens.
    async fn go_on(&mut self, away: Away) {
        if !away.is_done() {
            self.away = Some(away);
        } else if let Some(seat) = self.seat.take() {
            match self.enter(seat, ENTER_MAX).await {
                Some(entered) => self.away = Some(away.rest(&entered.queues, &entered.position)),
                // It comes again with the id that it has.
                None => self.ended = true,
            }
        } else if let Some(live) = &mut self.live {
            live.own = Some(away.last);
            live.meet();
        }
    }

    async fn enter(&mut self, seat: Seat, at_most: Duration) -> Option<Entered> {
        let entered = tokio::time::timeout(at_most, self.api.hub.enter(&self.listener.wanted, seat)).await.ok()??;
        self.live = Some(Live { row: Arc::clone(&entered.row), mark: Arc::clone(&entered.mark), own: None });
        Some(entered)
    }

    /// After a gap whoever listens to one job is told how it stands.
    async fn look(&mut self, position: Option<&Position>) {
        if let Some(id) = self.listener.wanted.job {
            match self.find(id).await {
                Some(job) => drop(self.show(job, position)),
                None => self.ended = true,
            }
        }
    }

    async fn look_for_its_end(&mut self, position: &Position) {
        if let Some(id) = self.listener.wanted.job {
            match self.find(id).await {
                Some(job) if job.state.is_ended() && self.live.as_ref().is_some_and(|live| live.row.is_empty()) => {
                    if std::mem::replace(&mut self.untold, true) {
                        drop(self.show(job, Some(position)));
                    } else {
                        // The feed, with all that led there, may be on its way.
                        self.beat_at = self.api.clock.elapsed() + TOLD_WITHIN;
                    }
                }
                Some(_) => {}
                None => self.ended = true,
            }
        }
    }

    /// None: it is not there any more; when that cannot be found out, the stream ends, and whoever listens comes again.
    async fn find(&self, id: JobId) -> Option<Job> {
        jobs::find(&self.api, &self.listener.scope, self.api.deadline(), id).await.ok()
    }
}

fn first_beat(random: &dyn Random) -> Duration {
    FIRST_BEAT.start + (FIRST_BEAT.end - FIRST_BEAT.start).mul_f64(random.unit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use longshore_base::SeededRandom;

    #[test]
    fn readers_that_come_together_do_not_beat_together() {
        let random = SeededRandom::new(1);
        let mut seconds = [0; 15];
        for _ in 0..1_000 {
            let first = first_beat(&*random);
            assert!(FIRST_BEAT.contains(&first), "{first:?}");
            seconds[usize::try_from(first.as_secs()).expect("few")] += 1;
        }
        assert!(seconds[5..].iter().all(|beats| (50..=150).contains(beats)), "{seconds:?}");
    }
}
