//! Rules as people type and read them: `100/60s:10`, `1000/day`, `none`.

use crate::{length, print};
use serde_json::{Map, Value, json};

/// A number that is 1 or more, or `none`, which is null.
pub(crate) fn count(text: &str) -> Result<Value, String> {
    or_none(text, "a number from 1 on, or none", |text| text.parse::<u64>().ok().filter(|n| *n > 0).map(Value::from))
}

/// A number above 0, or `none`.
pub(crate) fn part(text: &str) -> Result<Value, String> {
    or_none(text, "a number above 0, or none", |text| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n > 0.0).map(Value::from))
}

/// `COUNT/PERIOD[:BURST]`, or `none`.
pub(crate) fn rate(text: &str) -> Result<Value, String> {
    or_none(text, "COUNT/PERIOD[:BURST], such as 100/60s or 100/60s:10, or none", |text| {
        let (count, rest) = text.split_once('/')?;
        let (period, burst) = rest.split_once(':').map_or((rest, None), |(period, burst)| (period, Some(burst)));
        let mut rate = json!({ "count": count.parse::<u32>().ok()?, "period_ms": length::ms(length::duration(period).ok()?) });
        if let Some(burst) = burst {
            rate["burst"] = burst.parse::<u32>().ok()?.into();
        }
        Some(rate)
    })
}

/// `POINTS/WINDOW`, or `none`.
pub(crate) fn points(text: &str) -> Result<Value, String> {
    or_none(text, "POINTS/WINDOW, such as 1000/60s, or none", |text| {
        let (count, period) = text.split_once('/')?;
        Some(json!({ "count": count.parse::<u64>().ok()?, "period_ms": length::ms(length::duration(period).ok()?) }))
    })
}

/// `UNITS/PERIOD`, or `none`.
pub(crate) fn budget(text: &str) -> Result<Value, String> {
    or_none(text, "UNITS/hour, UNITS/day or UNITS/month, or none", |text| {
        let (units, period) = text.split_once('/')?;
        matches!(period, "hour" | "day" | "month").then_some(())?;
        Some(json!({ "units": units.parse::<u64>().ok()?, "period": period }))
    })
}

/// Where a budget closes its tenant: `true`, `false`, or a number of units.
pub(crate) fn hard(text: &str) -> Result<Value, String> {
    match text {
        "true" => Ok(true.into()),
        "false" => Ok(false.into()),
        text => text.parse::<u64>().map(Value::from).map_err(|_| "allowed: true, false, or a number of units".into()),
    }
}

fn or_none(text: &str, allowed: &str, read: impl FnOnce(&str) -> Option<Value>) -> Result<Value, String> {
    if text == "none" { Ok(Value::Null) } else { read(text).ok_or_else(|| format!("allowed: {allowed}")) }
}

/// The fields of `before` that are rules, with those that are `given`: null takes one away.
pub(crate) fn merged<const N: usize>(before: &Value, given: [(&str, Option<&Value>); N]) -> Map<String, Value> {
    let rule = |(name, value): (&str, Option<&Value>)| (name.to_owned(), value.unwrap_or(&before[name]).clone());
    given.into_iter().map(rule).filter(|(_, value)| !value.is_null()).collect()
}

/// The rules of a document in one line; empty when there are none.
pub(crate) fn line(rules: &Value) -> String {
    let mut told = Vec::new();
    let mut tell = |name: &str, text: Option<String>| told.extend(text.map(|text| format!("{name} {text}")));
    let plain = |field: &str| Some(&rules[field]).filter(|value| !value.is_null()).map(ToString::to_string);
    tell("at most", plain("max_running").map(|n| format!("{n} at once")));
    tell("rate", per(&rules["rate"]));
    tell("points", per(&rules["points"]));
    tell("weight", plain("weight"));
    tell("share at most", plain("max_share"));
    tell("budget", plain("budget").map(|_| spend(&rules["budget"])));
    told.join(" · ")
}

/// `100/1m, burst 10`.
pub(crate) fn per(rate: &Value) -> Option<String> {
    let burst = rate["burst"].as_u64().filter(|burst| *burst > 1).map(|burst| format!(", burst {burst}")).unwrap_or_default();
    Some(format!("{}/{}{burst}", rate["count"].as_u64()?, print::span(rate["period_ms"].as_i64()?)))
}

fn spend(budget: &Value) -> String {
    let soft = budget["soft"].as_f64().map(|soft| format!(", alert at {soft}")).unwrap_or_default();
    let hard = match &budget["hard"] {
        Value::Bool(true) => ", closes".to_owned(),
        Value::Number(at) => format!(", closes at {at}"),
        _ => String::new(),
    };
    format!("{}/{}{soft}{hard}", budget["units"], print::text(budget, "period"))
}

/// `paused by x until t: why`, or nothing while it is open.
pub(crate) fn gate(gate: &Value) -> String {
    if gate.is_null() {
        return String::new();
    }
    let part = |name: &str, field: &str| gate[field].as_str().map(|text| format!("{name}{text}")).unwrap_or_default();
    let what = match gate["cause"].as_str() {
        Some("handler") => "closed by a job's code",
        Some("failures") => "closed by failures",
        _ => "paused",
    };
    format!("{what}{}{}{}", part(" by ", "by"), part(" until ", "until"), part(": ", "reason"))
}

#[cfg(test)]
mod tests {
    use super::{budget, count, gate, hard, line, merged, part, points, rate};
    use serde_json::{Value, json};

    #[test]
    fn rules_are_typed() {
        assert_eq!(rate("100/60s"), Ok(json!({ "count": 100, "period_ms": 60_000 })));
        assert_eq!(rate("5/1m:10"), Ok(json!({ "count": 5, "period_ms": 60_000, "burst": 10 })));
        assert_eq!(points("1000/60s"), Ok(json!({ "count": 1000, "period_ms": 60_000 })));
        assert_eq!(budget("1000/day"), Ok(json!({ "units": 1000, "period": "day" })));
        assert_eq!((hard("true"), hard("900")), (Ok(json!(true)), Ok(json!(900))));
        assert_eq!((count("3"), part("0.5")), (Ok(json!(3)), Ok(json!(0.5))));
        assert!([count("none"), part("none"), rate("none"), points("none"), budget("none")].iter().all(|told| *told == Ok(Value::Null)));
        assert!(
            [
                count("0"),
                part("0"),
                part("NaN"),
                rate("100"),
                rate("x/60s"),
                rate("1/60s:x"),
                rate("1/60w"),
                points("5"),
                budget("5/week"),
                hard("x")
            ]
            .iter()
            .all(Result::is_err)
        );
    }

    #[test]
    fn what_is_not_given_stays() {
        let before = json!({ "max_running": 5, "weight": 2.0, "revision": 7 });
        let given = merged(
            &before,
            [("max_running", Some(&Value::Null)), ("rate", Some(&json!({ "count": 1 }))), ("weight", None), ("budget", None)],
        );
        assert_eq!(Value::from(given), json!({ "rate": { "count": 1 }, "weight": 2.0 }));
    }

    #[test]
    fn rules_read_well() {
        let rules = json!({ "max_running": 5, "rate": { "count": 100, "period_ms": 60_000, "burst": 10 }, "weight": 2.5,
            "budget": { "units": 1000, "period": "day", "hard": true, "soft": 0.8 } });
        assert_eq!(line(&rules), "at most 5 at once · rate 100/1m, burst 10 · weight 2.5 · budget 1000/day, alert at 0.8, closes");
        assert_eq!(line(&json!({ "max_running": null })), "");
        let closed = json!({ "by": "ops", "until": "2026-05-01T10:00:00.000Z", "reason": "deploy", "cause": "person" });
        assert_eq!(gate(&closed), "paused by ops until 2026-05-01T10:00:00.000Z: deploy");
        assert_eq!(gate(&Value::Null), "");
    }
}
