//! Why a job is not running: `scripts/explain.lua` asks the lease's own `admit`, this adds what lies outside of the queue's slot.

use super::{RedisBroker, Result, keys, queues::Queue, record, rules, script::Script, value};
use crate::{BrokerError, Child, Explanation, Job, JobId, Obstacle, Scope, State, WaitOn, WorkerState};
use longshore_base::Millis;
use redis::Value;

impl RedisBroker {
    pub(super) async fn explain_job(&self, scope: &Scope, id: JobId) -> Result<Explanation> {
        let queue = self.queue_of(id).await?;
        let Some((job, stored)) = self.with_record(&queue, id).await?.filter(|(job, _)| scope.sees(&job.tenant)) else {
            return Err(BrokerError::NotFound);
        };
        let mut told = Explanation { state: job.state, obstacles: Vec::new(), ahead: 0, estimated_start: None };
        match job.state {
            State::Running => return Ok(told),
            State::Completed | State::Cancelled | State::Dead => {
                told.obstacles.push(Obstacle::Ended { state: job.state, reason: job.reason });
                return Ok(told);
            }
            State::Waiting => {
                told.obstacles.push(self.waits_for(&job, &stored).await?);
                return Ok(told);
            }
            State::Scheduled | State::Retrying | State::Ready => {}
        }
        let mut command = self.command(Script::Explain, &queue.meta);
        command.arg(&keys::short(id));
        let answer = value::list(self.call(&queue, Script::Explain, &command).await?, "explain")?;
        let text = |at: usize| answer.get(at).and_then(value::text).unwrap_or_default();
        let (now, rate): (Millis, f64) = (text(0).parse().unwrap_or(0), text(1).parse().unwrap_or(0.0));
        told.ahead = answer.get(4).and_then(|v| value::int(v, "explain").ok()).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        if let Some(until) = job.due_at.filter(|at| job.state != State::Ready && *at > now) {
            told.obstacles.push(Obstacle::NotDue { until });
        }
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for part in answer.into_iter().skip(5) {
            let part = value::list(part, "explain")?;
            match value::text(part.first().ok_or_else(|| value::strange("explain"))?).unwrap_or_default() {
                "resource" => before.extend(self.resource_obstacle(&queue, &job, &part).await?),
                "suspect" => after.extend(self.suspect_obstacle(&queue, &job, &part).await?),
                "behind" | "turn" => after.push(read(&queue, &job, &part).ok_or_else(|| value::strange("explain"))?),
                _ => before.push(read(&queue, &job, &part).ok_or_else(|| value::strange("explain"))?),
            }
        }
        told.obstacles.append(&mut before);
        told.obstacles.extend(self.worker_obstacle(&job).await?);
        told.obstacles.append(&mut after);
        if told.obstacles.len() > 1 {
            // Turns are told where nothing else is in the way.
            told.obstacles.retain(|obstacle| !matches!(obstacle, Obstacle::Turn { .. }));
        }
        told.estimated_start = estimate(&told, now, rate);
        Ok(told)
    }

    /// No worker takes the queue, or none of those that do knows the kind.
    async fn worker_obstacle(&self, job: &Job) -> Result<Option<Obstacle>> {
        let mut serving = self.live_workers().await?;
        serving.retain(|w| w.state == WorkerState::Active && w.queues.iter().any(|q| q.name == job.queue));
        Ok(if serving.is_empty() {
            Some(Obstacle::NoWorker)
        } else if serving.iter().any(|w| w.kinds.contains(&job.kind)) {
            None
        } else {
            Some(Obstacle::UnknownKind { kind: job.kind.clone() })
        })
    }

    /// `suspect`, then worker and job for each that runs one.
    async fn suspect_obstacle(&self, queue: &Queue, job: &Job, part: &[Value]) -> Result<Option<Obstacle>> {
        let taken: Vec<_> = part.get(1..).unwrap_or_default().chunks_exact(2).collect();
        let workers = self.live_workers().await?;
        let mut able = workers.iter().filter(|w| w.queues.iter().any(|q| q.name == job.queue) && w.kinds.contains(&job.kind));
        let free = able.any(|w| taken.iter().all(|pair| value::text(&pair[0]) != Some(w.id.as_str())));
        let by = taken.iter().filter_map(|pair| value::bytes(&pair[1])).filter_map(|id| keys::long(id, queue.home)).collect();
        Ok((!free && !taken.is_empty()).then_some(Obstacle::Suspect { by }))
    }

    async fn waits_for(&self, job: &Job, stored: &[u8]) -> Result<Obstacle> {
        let inbox = self.inbox_of(job.id).await?;
        let mut by = inbox.children.iter().filter(|child: &&Child| child.outcome.is_none()).map(|child| child.id).collect::<Vec<_>>();
        let queue = self.queue_of(job.id).await?;
        let newest = self.extras(&queue, job.id).await?.into_iter().find(|(field, _)| field == b"w");
        let wait = match newest {
            Some((_, stored)) => record::decode_wait(&stored),
            None => record::decode(stored)?.wait,
        };
        let what = match wait.map(|wait| wait.on) {
            Some(WaitOn::Signal(name)) => format!("the signal {name}"),
            Some(WaitOn::Job(id)) => {
                by = vec![id];
                format!("the end of the job {id}")
            }
            Some(WaitOn::AnyChild) => "any of its children".to_owned(),
            Some(WaitOn::AllChildren) => "its children".to_owned(),
            None if by.is_empty() => "a signal".to_owned(),
            None => "its children".to_owned(),
        };
        Ok(Obstacle::Waiting { what, by, until: job.due_at })
    }
}

fn read(queue: &Queue, job: &Job, part: &[Value]) -> Option<Obstacle> {
    let text = |at: usize| part.get(at).and_then(value::text);
    let number = |at: usize| part.get(at).and_then(|v| value::int(v, "explain").ok());
    let id = |v: &Value| value::bytes(v).and_then(|id| keys::long(id, queue.home));
    let scope = || rules::scope(part.get(1).and_then(value::bytes)?, text(2)?);
    Some(match text(0)? {
        "gate" => Obstacle::Gated { scope: scope()?, gate: rules::gate(part.get(3).and_then(value::bytes)?)? },
        "limit" => {
            let rule = match text(4)? {
                "scale" => "scale",
                "max_share" => "max_share",
                _ => "max_running",
            };
            let by = part.get(5..)?.iter().filter_map(id).take(10).collect();
            Obstacle::Limit { scope: scope()?, max: u64::try_from(number(3)?).ok()?, rule, by }
        }
        "rate" => Obstacle::Rate { scope: scope()?, until: number(3)? },
        "budget" => Obstacle::Budget {
            tenant: job.tenant.clone(),
            used: u64::try_from(number(1)?).ok()?,
            units: u64::try_from(number(2)?).ok()?,
            until: number(3)?,
        },
        "probe" => Obstacle::Probe { by: part.get(1).and_then(id) },
        "behind" => Obstacle::Behind { ahead: u64::try_from(number(1)?).ok()?, first: id(part.get(2)?)? },
        "turn" => Obstacle::Turn { behind_ms: text(1)?.parse().ok()? },
        _ => return None,
    })
}

/// When everything whose end is known is over, and those ahead have started at the queue's rate; None where that cannot be told.
fn estimate(told: &Explanation, now: Millis, rate: f64) -> Option<Millis> {
    let mut at = now;
    for obstacle in &told.obstacles {
        at = at.max(match obstacle {
            Obstacle::NotDue { until } | Obstacle::Rate { until, .. } | Obstacle::Budget { until, .. } => Some(*until),
            Obstacle::Gated { gate, .. } => gate.pause.until,
            Obstacle::Resource { until, gate, .. } => gate.as_ref().map_or(*until, |gate| gate.pause.until),
            Obstacle::Behind { .. } | Obstacle::Turn { .. } => Some(now),
            _ => None,
        }?);
    }
    #[expect(clippy::cast_possible_truncation, reason = "an estimate in milliseconds")]
    let queueing = if told.ahead == 0 {
        0
    } else if rate > 0.0 {
        (told.ahead as f64 * 1_000.0 / rate) as Millis
    } else {
        return None;
    };
    Some(at.saturating_add(queueing))
}
