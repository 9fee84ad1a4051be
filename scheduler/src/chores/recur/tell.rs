//! What operators learn of fired schedules: metrics with few labels, and a warning with the schedule's name where a tick came late.

use longshore_queue::{BrokerError, LATE_MS, Schedule, TickOutcome, TickRecord, TimingFault};
use metrics::{counter, histogram};

/// What came of a decision that this process carried out. Answers which of its ticks were late, for people.
pub(super) fn fired(schedule: &Schedule, records: &[TickRecord]) -> Option<String> {
    let (name, tenant, queue) = (&schedule.name, &schedule.tenant, &schedule.queue);
    let (mut late, mut latest_ms) = (0, 0);
    for record in records {
        let (outcome, late_ms, count) = (record.outcome.as_str(), record.late_ms(), u64::from(record.count));
        let missed = record.outcome == TickOutcome::Missed;
        counter!("longshore_schedule_ticks_total", "outcome" => outcome).increment(count);
        if !missed {
            histogram!("longshore_schedule_lateness_seconds").record(late_ms as f64 / 1_000.0);
        }
        let (job, detail) = (record.job.map(|job| job.to_string()), record.detail.as_deref());
        if missed || late_ms > LATE_MS.unsigned_abs() {
            counter!("longshore_schedule_late_total").increment(count);
            (late, latest_ms) = (late + count, latest_ms.max(late_ms));
            let what = if missed { "ticks were missed and are not made up for" } else { "a tick was carried out late" };
            tracing::warn!(schedule = %name, %tenant, %queue, outcome, late_ms, ticks = count, at = record.at, job, detail, "{what}");
        } else if record.outcome == TickOutcome::Refused {
            tracing::warn!(schedule = %name, %tenant, %queue, outcome, at = record.at, detail, "a tick made no job");
        } else {
            tracing::debug!(schedule = %name, %tenant, %queue, outcome, late_ms, at = record.at, job, detail, "a tick was carried out");
        }
    }
    (late > 0).then(|| format!("{name}: {late} late or missed, by up to {} s", latest_ms / 1_000))
}

/// Another scheduler was faster, or somebody has just changed the schedule.
pub(super) fn lost(schedule: &Schedule) {
    counter!("longshore_schedule_looks_lost_total").increment(1);
    tracing::debug!(schedule = %schedule.name, tenant = %schedule.tenant, "the schedule has moved on meanwhile");
}

/// The broker refused a decision; it is made again.
pub(super) fn failed(schedule: &Schedule, error: &BrokerError) {
    tracing::warn!(schedule = %schedule.name, tenant = %schedule.tenant, queue = %schedule.queue, %error, "a schedule could not be fired; it will be tried again");
}

/// The timing was written by another version, or names a zone that is gone.
pub(super) fn unreadable(schedule: &Schedule, faults: &[TimingFault]) {
    let faults: Vec<_> = faults.iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail)).collect();
    let faults = faults.join("; ");
    tracing::error!(schedule = %schedule.name, tenant = %schedule.tenant, queue = %schedule.queue, faults, "the schedule's timing cannot be read; it does not tick until it is put again");
}
