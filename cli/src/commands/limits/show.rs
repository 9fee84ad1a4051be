//! `limits show` — the rules of a scope, and how they stand.

use crate::{
    client::Remote,
    commands::{rule, scope::Scope},
    host::Host,
    print,
    stop::Stop,
};
use clap::Args as ClapArgs;
use serde_json::Value;

/// Which scope.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let path = args.scope.path("limits")?;
    let rules = host.client(&args.remote)?.get(&path, &[]).await?;
    if host.json {
        print::json(&rules);
    } else {
        print::line(page(&args.scope.name(), &rules).trim_end());
    }
    Ok(())
}

/// The rules as a page.
pub(super) fn page(name: &str, rules: &Value) -> String {
    let mut out = String::new();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            out.push_str(&format!("{name:<10}{value}\n"));
        }
    };
    let limits = rule::line(rules);
    row("rules of", name.to_owned());
    row("limits", if limits.is_empty() { "none".into() } else { limits });
    row("running", print::text(rules, "running"));
    row("gate", if rules["gate"].is_null() { "open".into() } else { rule::gate(&rules["gate"]) });
    row("failures", failures(&rules["failures"]));
    row("budget", budget(&rules["budget_state"]));
    row("revision", print::text(rules, "revision"));
    out
}

fn failures(failures: &Value) -> String {
    let Some(in_row) = failures["in_row"].as_u64() else { return String::new() };
    let probe = failures["probe"].as_str().map(|id| format!("; job {id} tries")).unwrap_or_default();
    let wait = failures["wait_ms"].as_i64().filter(|ms| *ms > 0).map(|ms| format!(", last closed for {}", print::span(ms)));
    format!("{in_row} in a row{}{probe}", wait.unwrap_or_default())
}

fn budget(state: &Value) -> String {
    let Some(used) = state["used"].as_u64() else { return String::new() };
    let alert = if state["alert"] == true { "; the alert is raised" } else { "" };
    format!("{used} used, {} left, a new period at {}{alert}", print::text(state, "left"), print::text(state, "resets_at"))
}

#[cfg(test)]
mod tests {
    use super::page;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn rules_are_a_page() {
        let rules = json!({ "queue": "default", "tenant": "acme", "max_running": 5, "budget": { "units": 100, "period": "day", "hard": true }, "revision": 3,
            "running": 2, "gate": { "until": null, "reason": "too dear", "by": "ops", "cause": "person" }, "failures": { "in_row": 12, "wait_ms": 20_000, "probe": null },
            "budget_state": { "used": 90, "left": 10, "resets_at": "2026-05-02T00:00:00.000Z", "alert": true } });
        expect![[r#"
            rules of  tenant acme in default
            limits    at most 5 at once · budget 100/day, closes
            running   2
            gate      paused by ops: too dear
            failures  12 in a row, last closed for 20 s
            budget    90 used, 10 left, a new period at 2026-05-02T00:00:00.000Z; the alert is raised
            revision  3
        "#]]
        .assert_eq(&page("tenant acme in default", &rules));
    }
}
