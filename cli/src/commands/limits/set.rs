//! `limits set` — some of a scope's rules; the others stay. Somebody else's change in between is refused, not overwritten.

use super::show;
use crate::{
    client::Remote,
    commands::{rule, scope::Scope},
    host::Host,
    print,
    stop::Stop,
};
use clap::Args as ClapArgs;
use reqwest::Method;
use serde_json::{Map, Value, json};

/// Which scope, and what may run there. `none` takes a rule away.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    scope: Scope,
    /// At most so many at once, over all workers
    #[arg(long, value_name = "N", value_parser = rule::count)]
    max_running: Option<Value>,
    /// Starts per period, such as 100/60s, or 100/60s:10 with a burst
    #[arg(long, value_name = "COUNT/PERIOD[:BURST]", value_parser = rule::rate)]
    rate: Option<Value>,
    /// A tenant's share of slot-time against the others'; 1 when nothing is said
    #[arg(long, value_name = "W", value_parser = rule::part)]
    weight: Option<Value>,
    /// At most this part of the queue's slots for a tenant, such as 0.5
    #[arg(long, value_name = "PART", value_parser = rule::part)]
    max_share: Option<Value>,
    /// Units that a tenant may use per hour, day or month (UTC)
    #[arg(long, value_name = "UNITS/PERIOD", value_parser = rule::budget)]
    budget: Option<Value>,
    /// Where the budget raises an alert: a part of it such as 0.8, or a number of units
    #[arg(long, value_name = "PART|UNITS", value_parser = rule::part)]
    soft: Option<Value>,
    /// Where the budget closes the tenant: true (at its units), false (never), or a number of units [default: true, false with --soft]
    #[arg(long, value_name = "WHERE", num_args = 0..=1, default_missing_value = "true", value_parser = rule::hard)]
    hard: Option<Value>,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let path = args.scope.path("limits")?;
    if args.is_empty() {
        return Err(Stop::usage(format!("nothing to set; `{} limits set --help` lists the rules", host.name)));
    }
    let client = host.client(&args.remote)?;
    let before = client.get(&path, &[]).await?;
    let body = args.body(&before)?;
    let headers = [("If-Match", format!("\"{}\"", print::text(&before, "revision")))];
    let rules = client.send(Method::PUT, &path, &[], Some(Value::Object(body)), &headers).await?;
    if host.json {
        print::json(&rules);
    } else {
        print::line(show::page(&args.scope.name(), &rules).trim_end());
    }
    Ok(())
}

impl Args {
    fn is_empty(&self) -> bool {
        let given = [&self.max_running, &self.rate, &self.weight, &self.max_share, &self.budget, &self.soft, &self.hard];
        given.iter().all(|value| value.is_none())
    }

    /// The rules as they shall be.
    fn body(&self, before: &Value) -> Result<Map<String, Value>, Stop> {
        let budget = self.budget(&before["budget"])?;
        Ok(rule::merged(
            before,
            [
                ("max_running", self.max_running.as_ref()),
                ("rate", self.rate.as_ref()),
                ("weight", self.weight.as_ref()),
                ("max_share", self.max_share.as_ref()),
                ("budget", budget.as_ref()),
            ],
        ))
    }

    /// The budget with its thresholds; None: it stays.
    fn budget(&self, before: &Value) -> Result<Option<Value>, Stop> {
        let thresholds = self.soft.is_some() || self.hard.is_some();
        let mut budget = match &self.budget {
            Some(Value::Null) if thresholds => return Err(Stop::usage("--soft and --hard need a budget")),
            Some(Value::Null) => return Ok(Some(Value::Null)),
            Some(budget) => budget.clone(),
            None if !thresholds => return Ok(None),
            None if before.is_null() => return Err(Stop::usage("--soft and --hard need a budget: name one with --budget UNITS/PERIOD")),
            None => json!({ "units": before["units"], "period": before["period"] }),
        };
        let usual = || if before["hard"].is_null() { json!(self.soft.as_ref().is_none_or(Value::is_null)) } else { before["hard"].clone() };
        budget["hard"] = self.hard.clone().unwrap_or_else(usual);
        let soft = self.soft.as_ref().unwrap_or(&before["soft"]);
        if !soft.is_null() {
            budget["soft"] = soft.clone();
        }
        Ok(Some(budget))
    }
}

#[cfg(test)]
mod tests {
    use super::Args;
    use clap::Parser;
    use serde_json::{Value, json};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn body(before: &Value, flags: &[&str]) -> Result<Value, String> {
        let line = Line::try_parse_from(["set", "q"].iter().chain(flags)).map_err(|error| error.to_string())?;
        line.args.body(before).map(Value::from).map_err(|stop| stop.message().to_owned())
    }

    #[test]
    fn what_is_not_named_stays() {
        let before = json!({ "revision": 2, "max_running": 5, "weight": 2.0 });
        assert_eq!(
            body(&before, &["--rate", "10/1s"]),
            Ok(json!({ "max_running": 5, "weight": 2.0, "rate": { "count": 10, "period_ms": 1000 } }))
        );
        assert_eq!(body(&before, &["--max-running", "none"]), Ok(json!({ "weight": 2.0 })));
    }

    #[test]
    fn a_budget_has_its_thresholds() {
        let none = json!({ "revision": 0 });
        let budget = |flags: &[&str]| body(&none, flags).map(|body| body["budget"].clone());
        assert_eq!(budget(&["--budget", "9/day"]), Ok(json!({ "units": 9, "period": "day", "hard": true })));
        assert_eq!(budget(&["--budget", "9/day", "--soft", "0.5"]), Ok(json!({ "units": 9, "period": "day", "hard": false, "soft": 0.5 })));
        assert_eq!(
            budget(&["--budget", "9/day", "--soft", "5", "--hard"]),
            Ok(json!({ "units": 9, "period": "day", "hard": true, "soft": 5.0 }))
        );
        assert_eq!(budget(&["--budget", "9/day", "--hard", "8"]), Ok(json!({ "units": 9, "period": "day", "hard": 8 })));
        assert!(budget(&["--soft", "0.5"]).is_err() && budget(&["--budget", "none", "--hard"]).is_err());
        let there = json!({ "budget": { "units": 9, "period": "day", "hard": 8, "soft": 0.5 } });
        assert_eq!(
            body(&there, &["--budget", "20/day"]),
            Ok(json!({ "budget": { "units": 20, "period": "day", "hard": 8, "soft": 0.5 } }))
        );
        assert_eq!(body(&there, &["--soft", "none"]), Ok(json!({ "budget": { "units": 9, "period": "day", "hard": 8 } })));
        assert_eq!(body(&there, &["--budget", "none"]), Ok(json!({})));
    }
}
