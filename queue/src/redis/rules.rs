//! Rules of scopes, and lanes as people see them.

use super::{
    RedisBroker, Result,
    bytes::{self, Reader, Writer},
    keys,
    queues::Queue,
    script::Script,
    value,
};
use crate::{
    BrokerError, BudgetState, Failures, Gate, GateCause, LaneView, Limits, Pause, Period, RuleChange, RuleScope, Scope, ScopeState,
};
use longshore_base::{Code, Millis, Name};
use redis::{Cmd, Value};

/// A reason or a name that comes with a gate is cut to this many bytes.
const SAID_MAX: usize = 256;

impl RedisBroker {
    pub(super) async fn change_rule(
        &self,
        queue: &Name,
        scope: &RuleScope,
        change: &RuleChange,
        expected: Option<u64>,
    ) -> Result<ScopeState> {
        if matches!(change, RuleChange::Scale(_) | RuleChange::Auto(_)) && *scope != RuleScope::Queue {
            return Err(BrokerError::Refused("only a queue can be scaled".to_owned()));
        }
        let queue = self.queue(queue).await?;
        let mut command = self.command(Script::Rule, &queue.meta);
        let (letter, who) = named(scope);
        command.arg(letter).arg(who).arg(expected.map(|n| n.to_string()).unwrap_or_default());
        add(&mut command, change)?;
        match self.call(&queue, Script::Rule, &command).await? {
            Value::Int(revision) => {
                let detail = format!("the revision is {revision}, not {}", expected.unwrap_or_default());
                Err(BrokerError::Conflict { code: Code::RevisionMismatch, detail })
            }
            answer => state(&queue, answer),
        }
    }

    pub(super) async fn rules_of(&self, queue: &Name, scope: &RuleScope) -> Result<ScopeState> {
        let Some(queue) = self.existing(queue).await? else { return Ok(ScopeState::default()) };
        let mut command = self.command(Script::Rules, &queue.meta);
        let (letter, who) = named(scope);
        command.arg(letter).arg(who);
        state(&queue, self.call(&queue, Script::Rules, &command).await?)
    }

    pub(super) async fn lanes_of(&self, scope: &Scope, queue: &Name, limit: usize) -> Result<Vec<LaneView>> {
        let Some(queue) = self.existing(queue).await? else { return Ok(Vec::new()) };
        let mut command = self.command(Script::Lanes, &queue.meta);
        let tenant = match scope {
            Scope::All => "",
            Scope::Tenant(tenant) => tenant.as_str(),
        };
        command.arg(tenant).arg(limit.clamp(1, 1000));
        let answer = value::list(self.call(&queue, Script::Lanes, &command).await?, "lanes")?;
        answer.chunks_exact(7).map(|lane| read_lane(&queue, lane).ok_or_else(|| value::strange("lanes"))).collect()
    }
}

/// A scope as the scripts name it.
fn named(scope: &RuleScope) -> (&'static str, String) {
    match scope {
        RuleScope::Queue => ("q", String::new()),
        RuleScope::Tenant(name) => ("t", name.to_string()),
        RuleScope::Kind(name) => ("k", name.to_string()),
        RuleScope::Key { tenant, key } => ("y", format!("{tenant}/{key}")),
    }
}

/// Back from what the scripts name.
pub(super) fn scope(letter: &[u8], who: &str) -> Option<RuleScope> {
    Some(match letter {
        b"q" => RuleScope::Queue,
        b"t" => RuleScope::Tenant(Name::new(who).ok()?),
        b"k" => RuleScope::Kind(Name::new(who).ok()?),
        _ => {
            let (tenant, key) = who.split_once('/')?;
            RuleScope::Key { tenant: Name::new(tenant).ok()?, key: key.to_owned() }
        }
    })
}

fn add(command: &mut Cmd, change: &RuleChange) -> Result<()> {
    match change {
        RuleChange::Limits(limits) => {
            let json = serde_json::to_vec(limits).map_err(|e| BrokerError::Refused(e.to_string()))?;
            command.arg("limits").arg(numbers(limits)).arg(json);
        }
        RuleChange::Clear => _ = command.arg("clear"),
        RuleChange::Pause(pause) => {
            let until = pause.until.map(|at| at.max(1).to_string()).unwrap_or_default();
            command.arg("pause").arg(until).arg(said(pause.reason.as_deref())).arg(said(pause.by.as_deref()));
        }
        RuleChange::Resume => _ = command.arg("resume"),
        RuleChange::Scale(cap) => _ = command.arg("scale").arg(cap.map(|n| n.to_string()).unwrap_or_default()),
        RuleChange::Auto(auto) => {
            let json = auto.map(|auto| serde_json::to_string(&auto)).transpose().map_err(|e| BrokerError::Refused(e.to_string()))?;
            command.arg("auto").arg(json.unwrap_or_default());
        }
    }
    Ok(())
}

/// A reason or a name, cut to what is kept.
pub(super) fn said(text: Option<&str>) -> &str {
    bytes::cut(text.unwrap_or_default(), SAID_MAX)
}

/// As `include/law.lua` reads a rule, behind its revision.
fn numbers(limits: &Limits) -> Vec<u8> {
    let rate = limits.rate;
    let budget = limits.budget;
    let mut out = Writer::with_capacity(57);
    out.f64(limits.max_running.map_or(0.0, f64::from));
    out.f64(rate.map_or(0.0, |r| r.interval_us())).f64(rate.map_or(0.0, |r| f64::from(r.burst)));
    out.f64(limits.weight_or_default()).f64(limits.max_share.unwrap_or(0.0));
    out.f64(budget.and_then(|b| b.closes_at()).map_or(-1.0, |n| n as f64));
    out.f64(budget.and_then(|b| b.alerts_at()).map_or(-1.0, |n| n as f64));
    out.u8(budget.map_or(0, |b| match b.period {
        Period::Hour => 1,
        Period::Day => 2,
        Period::Month => 3,
    }));
    out.done()
}

/// A gate as the scripts store it.
pub(super) fn gate(stored: &[u8]) -> Option<Gate> {
    let mut r = Reader::new(stored);
    let cause = match r.u8()? {
        1 => GateCause::Person,
        2 => GateCause::Handler,
        _ => GateCause::Failures,
    };
    let until: Millis = r.millis()?;
    let n = r.u16()?;
    let said = |text: String| Some(text).filter(|t| !t.is_empty());
    let reason = said(r.text(n.into())?);
    Some(Gate { pause: Pause { until: Some(until).filter(|at| *at > 0), reason, by: said(r.rest_text()?) }, cause })
}

fn failures(queue: &Queue, stored: &[u8]) -> Option<Failures> {
    let mut r = Reader::new(stored);
    Some(Failures { in_row: r.u32()?, wait_ms: r.u64()?, probe: keys::long(r.rest(), queue.home) })
}

fn state(queue: &Queue, answer: Value) -> Result<ScopeState> {
    let answer = value::list(answer, "a scope")?;
    let part = |at: usize| answer.get(at).and_then(value::bytes);
    let number = |at: usize| answer.get(at).and_then(|v| value::int(v, "a scope").ok()).and_then(|n| u64::try_from(n).ok());
    let strange = || value::strange("a scope");
    let limits = part(1).map(|json| serde_json::from_slice(json).map_err(|_| strange())).transpose()?.unwrap_or_default();
    let budget = number(5).zip(number(6)).map(|(used, resets_at)| BudgetState {
        used,
        resets_at: Millis::try_from(resets_at).unwrap_or(Millis::MAX),
        alert: number(7) == Some(1),
    });
    Ok(ScopeState {
        limits,
        revision: number(0).unwrap_or(0),
        gate: part(2).and_then(gate),
        failures: part(3).and_then(|stored| failures(queue, stored)),
        running: number(4).unwrap_or(0),
        budget,
    })
}

fn read_lane(queue: &Queue, parts: &[Value]) -> Option<LaneView> {
    let mut name = value::text(&parts[0])?.splitn(4, '/');
    let (tenant, kind) = (Name::new(name.next()?).ok()?, Name::new(name.next()?).ok()?);
    let key = name.nth(1)?.to_owned();
    let count = |at: usize| value::int(&parts[at], "lanes").ok().and_then(|n| u64::try_from(n).ok());
    Some(LaneView {
        tenant,
        kind,
        key,
        ready: count(1)?,
        running: count(2)?,
        limits: value::bytes(&parts[3]).and_then(|json| serde_json::from_slice(json).ok()),
        gate: value::bytes(&parts[4]).and_then(gate),
        failures: value::bytes(&parts[5]).and_then(|stored| failures(queue, stored)),
        share: value::text(&parts[6])?.parse().ok()?,
    })
}
