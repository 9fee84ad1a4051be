//! What a filter can tell from a job's narrow row: whoever fails here is passed over without its history, body and args.

use super::{codec, db::Db, row::Row, tx::DEAD};
use crate::{BrokerError, Filter, Scope};
use longshore_base::Name;
use std::collections::BTreeMap;

type Result<T> = std::result::Result<T, BrokerError>;

/// One list call's filter, and the names that it has looked up.
pub(super) struct Sieve<'f> {
    db: Db<'f>,
    scope: &'f Scope,
    filter: &'f Filter,
    queue: Option<u16>,
    /// Whether the jobs of a tenant, and those of a lane, are asked for.
    tenants: BTreeMap<i64, bool>,
    lanes: BTreeMap<i64, bool>,
}

impl<'f> Sieve<'f> {
    /// `queue` is the number of the filter's queue.
    pub(super) const fn new(db: Db<'f>, scope: &'f Scope, filter: &'f Filter, queue: Option<u16>) -> Self {
        Self { db, scope, filter, queue, tenants: BTreeMap::new(), lanes: BTreeMap::new() }
    }

    /// False: the filter does not match, or the scope does not see it. True: [`Filter::matches`] decides.
    pub(super) fn passes(&mut self, job: &Row) -> Result<bool> {
        let filter = self.filter;
        let at = job.ended_at.unwrap_or(job.created_at);
        let plain = self.queue.is_none_or(|queue| queue == job.queue)
            && filter.state.is_none_or(|state| state == job.state())
            && filter.from.is_none_or(|from| at >= from)
            && filter.to.is_none_or(|to| at < to)
            // A dead letter's row has the fingerprint of its last error; that of one that was repeated has none.
            && (job.state != DEAD || filter.fingerprint.as_ref().is_none_or(|asked| job.fingerprint.as_ref() == Some(asked)));
        Ok(plain && self.sees(job.turn)? && self.wants(job.lane)?)
    }

    fn sees(&mut self, turn: i64) -> Result<bool> {
        if let Some(seen) = self.tenants.get(&turn) {
            return Ok(*seen);
        }
        let name: String = self.db.must("job.tenant", [turn], |row| row.get(0))?;
        let tenant: Name = codec::name(&name)?;
        let seen = self.scope.sees(&tenant) && self.filter.tenant.as_ref().is_none_or(|asked| *asked == tenant);
        self.tenants.insert(turn, seen);
        Ok(seen)
    }

    fn wants(&mut self, lane: i64) -> Result<bool> {
        let Some(asked) = &self.filter.kind else { return Ok(true) };
        if let Some(wanted) = self.lanes.get(&lane) {
            return Ok(*wanted);
        }
        let kind: String = self.db.must("job.kind", [lane], |row| row.get(0))?;
        let wanted = kind == asked.as_str();
        self.lanes.insert(lane, wanted);
        Ok(wanted)
    }
}
