//! What an operation keeps between its runs: the jobs that come next, the counts, and the jobs it made whose first result is open.

use super::course::Course;
use crate::{
    Context, Failure,
    decide::cut,
    operations::{RefusedJob, Tally},
};
use longshore_base::Millis;
use longshore_dlq::{FirstResult, Found, Verdict};
use longshore_queue::JobId;
use serde::{Deserialize, Serialize};

/// Jobs that it made whose results it waits for; beyond that, results are not looked at until some of these have theirs.
const OPEN_MAX: usize = 2_000;
/// Refused jobs that are told, and bytes of each reason.
const REFUSED_MAX: usize = 200;
const DETAIL_MAX: usize = 200;

#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) tally: Tally,
    /// The jobs that come next, oldest first.
    #[serde(with = "ids")]
    part: Vec<JobId>,
    /// The last of those that were ever in `part`.
    place: Option<Found>,
    /// Times that part the jobs after `place` into pieces of about [`Course::PART`]; found piece by piece, so that no run reads them all.
    marks: Vec<Millis>,
    /// Jobs it made without a first result yet.
    #[serde(with = "ids")]
    open: Vec<JobId>,
    /// It has waited for the last results.
    pub(super) rested: bool,
}

impl Kept {
    /// Finds the jobs, and keeps the first of them.
    pub(super) async fn begin<C: Course>(course: &C, cx: &Context) -> Result<Self, Failure> {
        let found = cx.find(course.search()).await?;
        let mut tally = Tally { total: found.len() as u64, ..Tally::default() };
        *course.count(&mut tally) = Some(0);
        if C::FOLLOWS {
            (tally.well, tally.failing) = (Some(0), Some(0));
        }
        let mut marks = Vec::new();
        if found.len() > C::PART {
            marks.extend(found.iter().skip(2 * C::PART).step_by(C::PART).map(|found| found.at));
            marks.push(Millis::MAX);
            marks.dedup();
        }
        let mut kept = Self { tally, part: Vec::new(), place: None, marks, open: Vec::new(), rested: false };
        kept.take::<C>(found);
        cx.save(&kept).await?;
        Ok(kept)
    }

    /// Makes sure that there is a next job if there is any left.
    pub(super) async fn fill<C: Course>(&mut self, course: &C, cx: &Context) -> Result<(), Failure> {
        if !self.part.is_empty() || self.marks.is_empty() {
            return Ok(());
        }
        while self.part.is_empty()
            && let Some(to) = self.marks.first().copied()
        {
            let mut found = cx.find(&course.search().between(self.place.map_or(0, |place| place.at), to)).await?;
            found.retain(|found| Some(*found) > self.place);
            if found.is_empty() {
                self.marks.remove(0);
            }
            self.take::<C>(found);
        }
        cx.save(&*self).await
    }

    fn take<C: Course>(&mut self, mut found: Vec<Found>) {
        found.truncate(C::PART);
        self.place = found.last().copied().or(self.place);
        self.part = found.into_iter().map(|found| found.id).collect();
    }

    /// The next jobs, at most `most`.
    pub(super) fn batch(&self, most: usize) -> Vec<JobId> {
        self.part.iter().take(most.max(1)).copied().collect()
    }

    /// Counts what became of a batch.
    pub(super) fn settle<C: Course>(&mut self, course: &C, batch: &[JobId], verdicts: Vec<Verdict>) {
        for (id, verdict) in batch.iter().zip(verdicts) {
            let tally = &mut self.tally;
            tally.done += 1;
            match verdict {
                Verdict::Done(led_to) => {
                    *course.count(tally).get_or_insert(0) += 1;
                    if C::FOLLOWS && self.open.len() < OPEN_MAX {
                        self.open.push(led_to);
                    }
                }
                Verdict::Skipped => tally.skipped += 1,
                Verdict::Refused(detail) => {
                    tally.refused_count += 1;
                    if tally.refused.len() < REFUSED_MAX {
                        tally.refused.push(RefusedJob { id: *id, detail: cut(&detail, DETAIL_MAX).to_owned() });
                    }
                }
            }
        }
        self.part.drain(..batch.len().min(self.part.len()));
        self.tally.total = self.tally.total.max(self.tally.done);
    }

    /// Counts the first results that have come.
    pub(super) async fn look(&mut self, cx: &Context) -> Result<(), Failure> {
        if self.open.is_empty() {
            return Ok(());
        }
        let results = cx.first_results(&self.open).await?;
        let (mut well, mut failing, mut open) = (0, 0, Vec::new());
        for (id, result) in self.open.iter().zip(results) {
            match result {
                FirstResult::Well => well += 1,
                FirstResult::Failing => failing += 1,
                FirstResult::Open => open.push(*id),
                FirstResult::Never => {}
            }
        }
        self.open = open;
        *self.tally.well.get_or_insert(0) += well;
        *self.tally.failing.get_or_insert(0) += failing;
        Ok(())
    }

    /// Whether it waits for results.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether there is nothing left to act on.
    pub(super) fn is_through(&self) -> bool {
        self.part.is_empty() && self.marks.is_empty()
    }
}

/// Ids as one text of base64: a third of their length as people write them.
mod ids {
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
    use longshore_queue::JobId;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(ids: &[JobId], to: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| *id.as_bytes()).collect();
        to.serialize_str(&STANDARD_NO_PAD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<JobId>, D::Error> {
        let bytes = STANDARD_NO_PAD.decode(String::deserialize(from)?).map_err(D::Error::custom)?;
        let id = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).map(JobId::from_bytes).map_err(D::Error::custom);
        bytes.chunks(16).map(id).collect()
    }
}
