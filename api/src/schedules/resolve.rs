//! From what somebody says to a whole schedule: the defaults, the kind's own schedule, and every fault at once.

use super::{
    body::{MissedWord, Read, ScheduleBody, when},
    target::Target,
};
use crate::{
    auth::Principal,
    calls::{Deadline, Repeat},
    intake,
    problem::Problem,
    state::Api,
};
use longshore_base::{Code, Millis};
use longshore_jobs::{FieldFault, RequestError};
use longshore_queue::{KindRecord, KindSchedule, Missed, Priority, Schedule, Timetable, Timing, TimingFault, When, json};
use serde_json::Value;

/// How many missed ticks are made up for when `missed` is all and nothing else is said.
const MISSED_MAX: u32 = 100;
/// Stands for the timing that is missing, so that the rest of it is checked.
const DAY_MS: u64 = 86_400_000;

/// A checked schedule.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) schedule: Schedule,
    /// What `paused` says.
    pub(super) paused: Option<bool>,
}

/// Checks a body and fills in what it does not say.
pub(super) async fn resolve(api: &Api, caller: &Principal, deadline: Deadline, target: &Target, value: Value) -> Result<Wanted, Problem> {
    let mut read = Read::new(value);
    let Some(body) = read.body.take() else { return Err(Problem::faults(read.faults)) };
    // The code of the answer when everything that is wrong came from one place.
    let mut code = if read.faults.is_empty() { None } else { Some(Code::RequestInvalid) };
    let mut told = |read: &mut Read, found: Code, faults: Vec<FieldFault>| {
        let before = read.faults.len();
        read.add(faults);
        if read.faults.len() > before {
            code = Some(code.filter(|code| *code != found).map_or(found, |_| Code::RequestInvalid));
        }
    };

    let record = match &body.kind {
        None => None,
        Some(kind) => match api.call(deadline, Repeat::Read, || api.checker.record(kind)).await {
            Ok(record) => Some(record),
            Err(RequestError::Faults { code, faults }) => {
                told(&mut read, code, faults);
                None
            }
            Err(error) => return Err(error.into()),
        },
    };
    let own = record.as_ref().and_then(|record| record.schedule.clone());
    let mut faults = Vec::new();
    let timing = timing(&body, own.as_ref(), record.is_some(), &read, &mut faults);
    faults.extend(timing_faults(target, &timing, api.clock.now()));
    let missed = missed(&body, &mut faults);
    let args = body.args.clone().or(own.and_then(|own| own.args));
    // A kind that is not known might have brought them.
    if args.is_none() && record.is_some() {
        faults.push(FieldFault::new("/args", "the field is missing", "what the kind is called with; {} if nothing"));
    }
    told(&mut read, Code::RequestInvalid, faults);

    let Some(record) = record else { return Err(Problem::new(code.unwrap_or(Code::RequestInvalid)).with(read.faults)) };
    let without_args = args.is_none();
    let paused = body.paused;
    let schedule = build(body, &record, target, timing, missed, args);
    if let Err(problem) = intake::may_name(api, caller, deadline, &schedule.queue).await {
        let (found, faults) = problem.into_faults()?;
        told(&mut read, found, faults);
    }
    match api.call(deadline, Repeat::Read, || api.checker.check_schedule(&schedule, caller.is_tenant())).await {
        Ok(()) => {}
        Err(RequestError::Faults { code: found, mut faults }) => {
            faults.retain(|fault| !(without_args && fault.pointer.starts_with("/args")));
            told(&mut read, found, faults);
        }
        Err(error) if read.faults.is_empty() => return Err(error.into()),
        Err(_) => {}
    }
    match code {
        None => Ok(Wanted { schedule, paused }),
        Some(code) => Err(Problem::new(code).with(read.faults)),
    }
}

/// The timing, with one that stands for it where the body says none.
fn timing(body: &ScheduleBody, own: Option<&KindSchedule>, kind_known: bool, read: &Read, faults: &mut Vec<FieldFault>) -> Timing {
    let said = when("", body.cron.clone(), body.every_ms).unwrap_or_else(|fault| {
        faults.push(fault);
        body.cron.clone().map(When::Cron)
    });
    let base = own.filter(|_| said.is_none()).map(|own| own.timing.clone());
    let unread = read.bad.contains("cron") || read.bad.contains("every_ms");
    if said.is_none() && base.is_none() && kind_known && !unread {
        let detail = "the schedule says neither cron nor every_ms, and its kind has no schedule of its own";
        faults.push(FieldFault::new("/cron", detail, "one of cron and every_ms"));
    }
    let base = base.unwrap_or_else(|| Timing {
        when: said.unwrap_or(When::EveryMs(DAY_MS)),
        timezone: "UTC".to_owned(),
        gap: Default::default(),
        repeated_hour: Default::default(),
        spread_ms: 0,
        starts_at: None,
        ends_at: None,
    });
    Timing {
        when: base.when,
        timezone: body.timezone.clone().unwrap_or(base.timezone),
        gap: body.gap.unwrap_or(base.gap),
        repeated_hour: body.repeated_hour.unwrap_or(base.repeated_hour),
        spread_ms: body.spread_ms.unwrap_or(base.spread_ms),
        starts_at: body.starts_at.map(|time| time.0).or(base.starts_at),
        ends_at: body.ends_at.map(|time| time.0).or(base.ends_at),
    }
}

fn timing_faults(target: &Target, timing: &Timing, now: Millis) -> impl Iterator<Item = FieldFault> + use<> {
    let faults = Timetable::new(timing, &target.tenant, &target.name, now).err().unwrap_or_default();
    faults.into_iter().map(|TimingFault { pointer, detail, allowed }| FieldFault::new(pointer, detail, allowed))
}

fn missed(body: &ScheduleBody, faults: &mut Vec<FieldFault>) -> Missed {
    if body.missed_max.is_some() && body.missed != Some(MissedWord::All) {
        faults.push(FieldFault::new("/missed_max", "the field does not go with this `missed`", "missed all"));
    }
    match body.missed {
        Some(MissedWord::Skip) => Missed::Skip,
        Some(MissedWord::Latest) | None => Missed::Latest,
        Some(MissedWord::All) => Missed::All(body.missed_max.unwrap_or(MISSED_MAX)),
    }
}

fn build(body: ScheduleBody, record: &KindRecord, target: &Target, timing: Timing, missed: Missed, args: Option<Value>) -> Schedule {
    Schedule {
        name: target.name.clone(),
        tenant: target.tenant.clone(),
        timing,
        kind: record.name.clone(),
        args: json(&args.unwrap_or_default()),
        queue: body.queue.unwrap_or_else(|| record.queue.clone()),
        client: body.client,
        priority: body.priority.and_then(Priority::new),
        tags: body.tags,
        missed,
        overlap: body.overlap.unwrap_or_default(),
        managed_by: body.managed_by,
    }
}
