//! Limits as they come in and go out, and everything that can be wrong with them.

use super::gate::{FailuresView, GateView};
use super::place::Place;
use crate::{body::shaped, time::Time};
use longshore_base::Name;
use longshore_jobs::FieldFault;
use longshore_queue::{Budget, Hard, Limits, Period, Rate, RuleScope, ScopeState};
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::schema::{AnyOfBuilder, Object, ObjectBuilder, Schema, Type},
};

/// What may run in a scope. All rules are replaced together: what is absent is not limited.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Limits)]
pub(crate) struct LimitsBody {
    /// At most so many leases at once, exact over all workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 4_294_967_295_u32)]
    max_running: Option<u32>,
    /// Starts per period.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, inline)]
    rate: Option<RateBody>,
    /// Tenants only: the share of slot-time against the other tenants'; 1 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0.001, maximum = 1000)]
    weight: Option<f64>,
    /// Tenants only: at most this part of the queue's slots at once; one slot is always allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, exclusive_minimum = 0, maximum = 1)]
    max_share: Option<f64>,
    /// Tenants only: units per period of the calendar, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, inline)]
    budget: Option<BudgetBody>,
}
shaped!(LimitsBody);

/// Starts per period: in any time t at most burst + t · count / period_ms.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rate)]
pub(crate) struct RateBody {
    #[schema(minimum = 1, maximum = 4_294_967_295_u32)]
    count: u32,
    /// At most a year.
    #[schema(minimum = 1, maximum = 31_622_400_000_u64)]
    period_ms: u64,
    /// Starts that may come at once after a rest; 1 when absent.
    #[serde(default = "one")]
    #[schema(required = false, minimum = 1, maximum = 4_294_967_295_u32)]
    burst: u32,
}

const fn one() -> u32 {
    1
}

/// Units that a tenant may use in a period.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Budget)]
pub(crate) struct BudgetBody {
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    units: u64,
    #[schema(schema_with = period)]
    period: Period,
    #[schema(schema_with = hard)]
    hard: Hard,
    /// What is used raises an alert: below 1 a part of units, from 1 on a number of units.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, exclusive_minimum = 0)]
    soft: Option<f64>,
}

fn period() -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["hour", "day", "month"])).build()
}

/// true: closes the tenant at units · a number: at so many · false: never.
fn hard() -> Schema {
    let yes = ObjectBuilder::new().schema_type(Type::Boolean);
    AnyOfBuilder::new().item(yes).item(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1))).build().into()
}

impl LimitsBody {
    /// The limits of `scope`, or every fault that the schema cannot see.
    pub(super) fn checked(self, place: &Place) -> Result<Limits, Vec<FieldFault>> {
        let mut faults = Vec::new();
        if !matches!(place.scope, RuleScope::Tenant(_)) {
            let given = [("weight", self.weight.is_some()), ("max_share", self.max_share.is_some()), ("budget", self.budget.is_some())];
            for (field, _) in given.into_iter().filter(|(_, given)| *given) {
                let allowed = format!("/v1/queues/{}/tenants/{{tenant}}/limits", place.queue);
                faults.push(FieldFault::new(format!("/{field}"), format!("`{field}` is a rule of tenants"), allowed));
            }
        }
        if let Some(budget) = &self.budget {
            budget.check(&mut faults);
        }
        let budget = self.budget.map(|BudgetBody { units, period, hard, soft }| Budget { units, period, hard, soft });
        let limits = Limits {
            max_running: self.max_running,
            rate: self.rate.map(Rate::from),
            weight: self.weight,
            max_share: self.max_share,
            budget,
        };
        if faults.is_empty() { Ok(limits) } else { Err(faults) }
    }
}

impl BudgetBody {
    fn check(&self, faults: &mut Vec<FieldFault>) {
        let mut fault =
            |field: &str, detail: String, allowed: String| faults.push(FieldFault::new(format!("/budget/{field}"), detail, allowed));
        if let Hard::Units(at) = self.hard
            && at > self.units
        {
            fault("hard", format!("{at} is more than the budget"), format!("true, false, or 1..={}", self.units));
        }
        let Some(soft) = self.soft.filter(|soft| *soft >= 1.0) else { return };
        if soft > self.units as f64 || soft.fract() != 0.0 {
            fault(
                "soft",
                format!("{soft} is no number of units of this budget"),
                format!("above 0 and below 1 (a part), or 1..={}", self.units),
            );
        }
    }
}

impl From<RateBody> for Rate {
    fn from(RateBody { count, period_ms, burst }: RateBody) -> Self {
        Self { count, period_ms, burst }
    }
}
impl From<Rate> for RateBody {
    fn from(Rate { count, period_ms, burst }: Rate) -> Self {
        Self { count, period_ms, burst }
    }
}

impl From<Limits> for LimitsBody {
    fn from(Limits { max_running, rate, weight, max_share, budget }: Limits) -> Self {
        let budget = budget.map(|Budget { units, period, hard, soft }| BudgetBody { units, period, hard, soft });
        Self { max_running, rate: rate.map(RateBody::from), weight, max_share, budget }
    }
}

/// The rules of a scope, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rules)]
pub(super) struct RulesView {
    #[schema(schema_with = crate::view::name)]
    queue: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    tenant: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    kind: Option<Name>,
    /// The lane key; empty by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// At most so many leases at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_running: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    rate: Option<RateBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_share: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    budget: Option<BudgetBody>,
    /// For If-Match; 0: the limits were never set.
    revision: u64,
    /// Leases now.
    running: u64,
    /// Set while closed.
    gate: Option<GateView>,
    /// Set while the last attempts of a lane key failed.
    failures: Option<FailuresView>,
    /// Where there is a budget.
    budget_state: Option<BudgetView>,
}

/// A budget as it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BudgetState)]
struct BudgetView {
    /// Used and reserved in this period.
    used: u64,
    /// What is left of units.
    left: u64,
    #[schema(schema_with = crate::view::time)]
    resets_at: Time,
    /// The soft threshold is reached.
    alert: bool,
}

impl RulesView {
    pub(super) fn new(place: &Place, state: ScopeState) -> Self {
        let (tenant, kind, key) = match place.scope.clone() {
            RuleScope::Queue => (None, None, None),
            RuleScope::Tenant(tenant) => (Some(tenant), None, None),
            RuleScope::Kind(kind) => (None, Some(kind), None),
            RuleScope::Key { tenant, key } => (Some(tenant), None, Some(key)),
        };
        let units = state.limits.budget.map_or(0, |budget| budget.units);
        let budget_state = state.budget.map(|now| BudgetView {
            used: now.used,
            left: units.saturating_sub(now.used),
            resets_at: Time(now.resets_at),
            alert: now.alert,
        });
        let LimitsBody { max_running, rate, weight, max_share, budget } = state.limits.into();
        let (gate, failures) = (state.gate.map(GateView::from), state.failures.map(FailuresView::from));
        let (queue, revision, running) = (place.queue.clone(), state.revision, state.running);
        Self { queue, tenant, kind, key, max_running, rate, weight, max_share, budget, revision, running, gate, failures, budget_state }
    }
}
