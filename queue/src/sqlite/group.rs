//! Dead letters with like errors, counted at each death: how many, since when, and in which hours they came.

use super::{codec, history, row::Row, tx::Tx};
use crate::{BrokerError, ErrorInfo, GROUP_HOURS, Hour};
use longshore_base::Millis;
use rusqlite::params;

type Result<T> = std::result::Result<T, BrokerError>;

const HOUR_MS: Millis = 3_600_000;

/// Hours as they are stored: begin and count, oldest first.
type Hours = Vec<(Millis, u64)>;

/// A letter that died at `at` joins its group, by `error` or else by the last one of its history; the caller writes its row. `newly`: it
/// counts in that hour; one that comes back was counted when it died.
pub(super) fn join(tx: &Tx<'_>, job: &mut Row, error: Option<&ErrorInfo>, at: Millis, newly: bool) -> Result<()> {
    let last = match error {
        Some(error) => Some(error.clone()),
        None => history::last_error(tx.db, job.seq)?,
    };
    let Some(error) = last else { return Ok(()) };
    let kind: String = tx.db.must("job.kind", [job.lane], |row| row.get(0))?;
    let found = tx.db.one("group.hours", params![job.turn, kind, error.fingerprint], |row| row.get::<_, Option<Vec<u8>>>(0))?;
    let mut hours = found.flatten();
    if newly {
        hours = Some(codec::pack(&counted(stored(hours.as_deref())?, at))?);
    }
    tx.db.exec("group.add", params![job.turn, kind, error.fingerprint, codec::pack(&error)?, at, hours])?;
    job.fingerprint = Some(error.fingerprint);
    Ok(())
}

/// Takes a letter out of its group; one that is empty is gone, with its hours.
pub(super) fn leave(tx: &Tx<'_>, job: &mut Row) -> Result<()> {
    if let Some(fingerprint) = job.fingerprint.take() {
        let kind: String = tx.db.must("job.kind", [job.lane], |row| row.get(0))?;
        tx.db.exec("group.take", params![job.turn, kind, fingerprint])?;
        tx.db.exec("group.drop_empty", params![job.turn, kind, fingerprint])?;
    }
    Ok(())
}

/// A group's hours as its column says. Groups of before there were hours have none.
pub(super) fn hours(column: Option<&[u8]>) -> Result<Vec<Hour>> {
    Ok(stored(column)?.into_iter().map(|(at, count)| Hour { at, count }).collect())
}

fn stored(column: Option<&[u8]>) -> Result<Hours> {
    column.map_or_else(|| Ok(Hours::new()), codec::unpack)
}

/// One more in the hour of `at`; only the newest hours are kept.
fn counted(mut hours: Hours, at: Millis) -> Hours {
    let begin = at - at.rem_euclid(HOUR_MS);
    match hours.iter_mut().find(|(hour, _)| *hour == begin) {
        Some((_, count)) => *count += 1,
        None => {
            hours.insert(hours.partition_point(|(hour, _)| *hour < begin), (begin, 1));
            hours.drain(..hours.len().saturating_sub(GROUP_HOURS));
        }
    }
    hours
}

#[cfg(test)]
mod tests {
    use super::{GROUP_HOURS, HOUR_MS, Millis, counted};

    #[test]
    fn the_newest_hours_stay_in_their_order() {
        let at = |hour: usize| HOUR_MS * Millis::try_from(hour).expect("small");
        let mut hours = Vec::new();
        for hour in [3, 1, 2, 3] {
            hours = counted(hours, at(hour) + 59);
        }
        assert_eq!(hours, [(at(1), 1), (at(2), 1), (at(3), 2)]);
        for hour in 4..=GROUP_HOURS + 1 {
            hours = counted(hours, at(hour));
        }
        assert_eq!((hours.len(), hours[0]), (GROUP_HOURS, (at(2), 1)));
        // One older than everything that is kept leaves no trace.
        let before = hours.clone();
        assert_eq!(counted(hours, at(0)), before);
    }
}
