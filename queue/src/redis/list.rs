//! Pages of jobs. Each queue is a row of sources, one per index; a cursor names queue, source and place.

use super::{
    RedisBroker, Result, keys, mutable,
    queues::Queue,
    script::Script,
    value::{self, strange},
};
use crate::{BrokerError, Filter, Job, JobId, Page, Scope, State};
use longshore_base::{Millis, Name};
use std::{collections::HashSet, sync::Arc};

/// Jobs looked at for one page at most.
const SCAN_MAX: u64 = 2000;
/// Ids read at once.
const STEP: usize = 100;
/// Tenants whose ended jobs one script reads; those of all are merged into one order.
const TENANTS_EACH: usize = 500;

/// An index of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// A sorted set by that name, by rank.
    Ranked(&'static str),
    /// The lanes, by name.
    Lanes,
    /// Ended jobs in this state, newest first.
    Ended(State),
}

const SOURCES: [Source; 9] = [
    Source::Ranked("run"),
    Source::Lanes,
    Source::Ranked("suspects"),
    Source::Ranked("due"),
    Source::Ranked("waiting"),
    Source::Ended(State::Dead),
    Source::Ended(State::Completed),
    Source::Ended(State::Cancelled),
    REPLAYED,
];
/// Letters that were repeated.
const REPLAYED: Source = Source::Ranked("replayed");

impl Source {
    fn may_hold(self, state: Option<State>, replayed: bool) -> bool {
        if replayed {
            return self == REPLAYED && state.is_none_or(|state| state == State::Dead);
        }
        let Some(state) = state else { return true };
        match self {
            Self::Ranked("run") => state == State::Running,
            Self::Ranked("due") => matches!(state, State::Scheduled | State::Retrying),
            Self::Ranked("waiting") => state == State::Waiting,
            // Letters that were repeated are no dead letters any more, and no others either.
            REPLAYED => false,
            Self::Lanes | Self::Ranked(_) => state == State::Ready,
            Self::Ended(own) => state == own,
        }
    }

    /// Whether a job that was found here and stands like this by now is shown here; otherwise it has moved on to a source that comes later.
    fn shows(self, job: &Job) -> bool {
        let of = |source: &Self| SOURCES.iter().position(|one| one == source);
        let home = SOURCES.iter().position(|source| source.may_hold(Some(job.state), job.replayed));
        home.is_none_or(|home| of(&self).is_none_or(|own| home <= own))
    }
}

/// Where in a source to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Place {
    /// Rank, or how many of the jobs that ended at `at` are behind us.
    rank: u64,
    /// The lane.
    lane: String,
    /// Ended at; None: from the newest.
    at: Option<(Millis, JobId)>,
}

/// Ids with the place behind each, and the place where to go on after them; None: the source is done.
type Step = (Vec<(JobId, Place)>, Option<Place>);

impl RedisBroker {
    pub(super) async fn list_jobs(&self, scope: &Scope, filter: &Filter, limit: usize, cursor: Option<&str>) -> Result<Page> {
        let mut page = Page::default();
        // Jobs move between the indexes while they are read: each is shown where it was met first.
        let mut seen = HashSet::new();
        let tenant = match (scope, &filter.tenant) {
            (Scope::Tenant(own), Some(asked)) if own != asked => return Ok(page),
            (Scope::Tenant(own), _) => Some(own),
            (Scope::All, asked) => asked.as_ref(),
        };
        let queues = match &filter.queue {
            Some(name) => self.existing(name).await?.into_iter().collect(),
            None => self.all_queues().await?,
        };
        let start = cursor.map(read_cursor).transpose()?;
        let (first_queue, mut from) = match start {
            Some((queue, source, place)) => (queue, Some((source, place))),
            None => (String::new(), None),
        };
        for queue in queues.iter().filter(|q| q.name.as_str() >= first_queue.as_str()) {
            let resumed = from.take().filter(|_| queue.name.as_str() == first_queue);
            let first = resumed.as_ref().map_or(0, |(source, _)| *source);
            let mut resumed = resumed.map(|(_, place)| place);
            for (number, source) in SOURCES.iter().enumerate().skip(first) {
                let mut place = resumed.take().unwrap_or_default();
                if !source.may_hold(filter.state, filter.replayed) {
                    continue;
                }
                loop {
                    if page.items.len() >= limit.max(1) || page.scanned >= SCAN_MAX {
                        page.cursor = Some(write_cursor(&queue.name, number, &place));
                        return Ok(page);
                    }
                    let (ids, next) = self.step(queue, *source, tenant, filter, &place).await?;
                    let ids = ids.into_iter().filter(|(id, _)| seen.insert(*id)).collect();
                    let full = self.fill(&mut page, queue, *source, scope, filter, limit, ids, &mut place).await?;
                    match next {
                        _ if full => {}
                        Some(next) => place = next,
                        None => break,
                    }
                }
            }
        }
        Ok(page)
    }

    /// Adds what the filter matches; true when the page was full before all were looked at, with `place` behind the last.
    #[expect(clippy::too_many_arguments, reason = "the state of one page, used in one place")]
    async fn fill(
        &self,
        page: &mut Page,
        queue: &Arc<Queue>,
        source: Source,
        scope: &Scope,
        filter: &Filter,
        limit: usize,
        ids: Vec<(JobId, Place)>,
        place: &mut Place,
    ) -> Result<bool> {
        let asked: Vec<JobId> = ids.iter().map(|(id, _)| *id).collect();
        let jobs = self.stored(queue, &asked).await?;
        for ((_, behind), job) in ids.into_iter().zip(jobs) {
            if page.items.len() >= limit.max(1) {
                return Ok(true);
            }
            page.scanned += 1;
            *place = behind;
            page.items.extend(job.filter(|job| source.shows(job) && scope.sees(&job.tenant) && filter.matches(job)));
        }
        Ok(false)
    }

    async fn step(&self, queue: &Queue, source: Source, tenant: Option<&Name>, filter: &Filter, place: &Place) -> Result<Step> {
        match source {
            Source::Ranked(key) => self.ranked(queue, key, place).await,
            Source::Lanes => self.in_lanes(queue, tenant, place).await,
            Source::Ended(state) => self.ended(queue, state, tenant, filter, place).await,
        }
    }

    async fn ranked(&self, queue: &Queue, key: &str, place: &Place) -> Result<Step> {
        let ids = self.ids(queue, &[key, &place.rank.to_string(), &STEP.to_string()]).await?;
        let rank = |n: usize| Place { rank: place.rank + n as u64, ..Place::default() };
        let next = (ids.len() == STEP).then(|| rank(STEP));
        Ok((ids.into_iter().enumerate().map(|(n, id)| (id, rank(n + 1))).collect(), next))
    }

    async fn in_lanes(&self, queue: &Queue, tenant: Option<&Name>, place: &Place) -> Result<Step> {
        let mut command = self.command(Script::List, &queue.meta);
        command.arg("lanes").arg(tenant.map_or("", Name::as_str));
        let mut lanes = value::texts(self.call(queue, Script::List, &command).await?, "list")?;
        lanes.sort();
        lanes.dedup();
        let mut ids = Vec::new();
        for lane in lanes.iter().filter(|lane| lane.as_str() >= place.lane.as_str()) {
            let from = if *lane == place.lane { place.rank } else { 0 };
            let behind = |n: usize| Place { rank: from + n as u64, lane: lane.clone(), at: None };
            let some = self.ids(queue, &["lane", lane, &from.to_string(), &STEP.to_string()]).await?;
            let more = some.len() == STEP;
            ids.extend(some.into_iter().enumerate().map(|(n, id)| (id, behind(n + 1))));
            if more || ids.len() >= STEP {
                let next = ids.last().map(|(_, place)| place.clone());
                return Ok((ids, next));
            }
        }
        Ok((ids, None))
    }

    async fn ended(&self, queue: &Queue, state: State, tenant: Option<&Name>, filter: &Filter, place: &Place) -> Result<Step> {
        let number = mutable::state_number(state).to_string();
        let tenants = match tenant {
            Some(tenant) => vec![tenant.to_string()],
            None => {
                let mut command = self.command(Script::List, &queue.meta);
                command.arg("tenants").arg(&number);
                value::texts(self.call(queue, Script::List, &command).await?, "list")?
            }
        };
        // Only the time that is asked for is walked.
        let last = place.at.map(|(at, _)| at).into_iter().chain(filter.to.map(|to| to.saturating_sub(1))).min();
        let at_most = last.map_or_else(|| "+inf".to_owned(), |at| at.to_string());
        let at_least = filter.from.map_or_else(|| "-inf".to_owned(), |at| at.to_string());
        let count = STEP + usize::try_from(place.rank).unwrap_or(0);
        let mut found = Vec::new();
        for tenants in tenants.chunks(TENANTS_EACH) {
            let mut command = self.command(Script::List, &queue.meta);
            command.arg("ended").arg(&number).arg(&at_most).arg(&at_least).arg(count).arg(tenants);
            for pair in value::list(self.call(queue, Script::List, &command).await?, "list")?.chunks_exact(2) {
                let id = value::bytes(&pair[0]).and_then(|id| keys::long(id, queue.home));
                found.push((value::score(&pair[1]).ok_or_else(|| strange("list"))?, id.ok_or_else(|| strange("list"))?));
            }
            found.sort_unstable_by(|a, b| b.cmp(a));
            found.retain(|one| place.at.is_none_or(|behind| *one < behind));
            found.truncate(STEP + 1);
        }
        let more = found.len() > STEP;
        found.truncate(STEP);
        let (mut last, mut same) = (place.at.map(|(at, _)| at), place.rank);
        let ids: Vec<_> = found
            .into_iter()
            .map(|(at, id)| {
                same = if last == Some(at) { same + 1 } else { 1 };
                last = Some(at);
                (id, Place { rank: same, lane: String::new(), at: Some((at, id)) })
            })
            .collect();
        let next = if more || ids.len() == STEP { ids.last().map(|(_, place)| place.clone()) } else { None };
        Ok((ids, next))
    }

    async fn ids(&self, queue: &Queue, args: &[&str]) -> Result<Vec<JobId>> {
        let mut command = self.command(Script::List, &queue.meta);
        for arg in args {
            command.arg(*arg);
        }
        let answer = value::list(self.call(queue, Script::List, &command).await?, "list")?;
        // The index of running jobs ends with an entry that is no job; it is longer than an id.
        let ids = answer.iter().map(|v| value::bytes(v).unwrap_or_default()).filter(|id| id.len() == size_of::<keys::Short>());
        ids.map(|id| keys::long(id, queue.home).ok_or_else(|| strange("list"))).collect()
    }
}

/// Hex, since a lane's key may be any text.
fn write_cursor(queue: &Name, source: usize, place: &Place) -> String {
    let (at, id) = place.at.map_or((String::new(), String::new()), |(at, id)| (at.to_string(), id.to_string()));
    let text = format!("{queue}~{source}~{}~{at}~{id}~{}", place.rank, place.lane);
    text.bytes().map(|b| format!("{b:02x}")).collect()
}

fn read_cursor(text: &str) -> Result<(String, usize, Place)> {
    let read = || -> Option<(String, usize, Place)> {
        let digits = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        let plain = String::from_utf8(digits.collect::<Option<Vec<u8>>>()?).ok()?;
        let mut parts = plain.splitn(6, '~');
        let (queue, source) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
        let rank = parts.next()?.parse().ok()?;
        let (at, id) = (parts.next()?, parts.next()?);
        let at = if at.is_empty() { None } else { Some((at.parse().ok()?, id.parse().ok()?)) };
        Some((queue, source, Place { rank, lane: parts.next()?.to_owned(), at }))
    };
    read().ok_or_else(|| BrokerError::Cursor(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let place = Place { rank: 7, lane: "t/k/a~ü".to_owned(), at: Some((5, JobId::derived(1, crate::Home(2), b"x"))) };
        let name = Name::literal("mail");
        assert_eq!(read_cursor(&write_cursor(&name, 3, &place)).unwrap(), ("mail".to_owned(), 3, place));
        assert!(read_cursor("zz").is_err());
    }
}
