//! The difference between what is there and what a file wants, field by field.

use super::file::Item;
use serde_json::{Map, Value, json};

/// What a schedule may say, in the order in which it is shown.
const FIELDS: [&str; 18] = [
    "cron",
    "every_ms",
    "timezone",
    "gap",
    "repeated_hour",
    "spread_ms",
    "starts_at",
    "ends_at",
    "kind",
    "args",
    "queue",
    "client",
    "priority",
    "tags",
    "missed",
    "missed_max",
    "overlap",
    "managed_by",
];

/// What becomes of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    New,
    Changed,
    Gone,
    Same,
}

/// One schedule's part of the difference.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) what: What,
    pub(super) tenant: String,
    pub(super) name: String,
    /// What was shown; 0: there was none.
    pub(super) revision: u64,
    /// What is sent.
    pub(super) body: Option<Value>,
    /// Fields with their old and new value; of a new one those that are set.
    fields: Vec<(&'static str, Value, Value)>,
}

impl Change {
    /// From how it is to how the API says that it would be.
    pub(super) fn new(item: &Item, before: Option<Value>, wanted: Value) -> Self {
        let text = |field: &str| wanted[field].as_str().unwrap_or_default().to_owned();
        let was = before.clone().unwrap_or(Value::Null);
        let differs = |(_, old, new): &(&'static str, Value, Value)| old != new;
        let each = FIELDS.iter().map(|field| (*field, was[*field].clone(), wanted[*field].clone()));
        let paused = |state: &Value| Value::from(!state["paused"].is_null());
        // Who paused it and why is not the file's; whether it runs is, where the file says so.
        let pause = item.body.get("paused").map(|_| ("paused", paused(&was), paused(&wanted)));
        let fields: Vec<_> = each.chain(pause).filter(differs).collect();
        let what = match &before {
            None => What::New,
            Some(_) if fields.is_empty() => What::Same,
            Some(_) => What::Changed,
        };
        let revision = was["revision"].as_u64().unwrap_or(0);
        Self { what, tenant: text("tenant"), name: text("name"), revision, body: Some(item.body.clone()), fields }
    }

    /// One that the file does not name any more.
    pub(super) fn gone(state: Value) -> Self {
        let text = |field: &str| state[field].as_str().unwrap_or_default().to_owned();
        let revision = state["revision"].as_u64().unwrap_or(0);
        Self { what: What::Gone, tenant: text("tenant"), name: text("name"), revision, body: None, fields: Vec::new() }
    }

    /// For messages: `tenant/name`.
    pub(super) fn title(&self) -> String {
        format!("{}/{}", self.tenant, self.name)
    }

    /// For people: a sign and the title, and a line for each field.
    pub(super) fn text(&self) -> String {
        let sign = match self.what {
            What::New => '+',
            What::Changed => '~',
            What::Gone => '-',
            What::Same => '=',
        };
        let mut out = format!("{sign} {}\n", self.title());
        for (field, old, new) in &self.fields {
            match self.what {
                What::New => out.push_str(&format!("    {field}: {}\n", show(new))),
                _ => out.push_str(&format!("    {field}: {} → {}\n", show(old), show(new))),
            }
        }
        out
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let change = match self.what {
            What::New => "new",
            What::Changed => "changed",
            What::Gone => "gone",
            What::Same => "unchanged",
        };
        let fields: Map<_, _> =
            self.fields.iter().map(|(field, old, new)| ((*field).to_owned(), json!({ "old": old, "new": new }))).collect();
        json!({ "change": change, "tenant": self.tenant, "name": self.name, "fields": fields })
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::file::Item, Change, What};
    use expect_test::expect;
    use serde_json::{Value, json};

    fn state(more: Value) -> Value {
        let mut state = json!({ "name": "nightly", "tenant": "acme", "cron": "0 3 * * *", "timezone": "UTC", "kind": "demo.echo", "args": {},
            "tags": [], "paused": null, "managed_by": "crontab", "revision": 4, "next_at": "2026-05-02T01:00:00.000Z" });
        for (field, value) in more.as_object().into_iter().flatten() {
            state[field] = value.clone();
        }
        state
    }

    fn change(before: Option<Value>, more: Value, body: Value) -> Change {
        let item = Item { tenant: None, name: "nightly".into(), body };
        Change::new(&item, before, state(more))
    }

    #[test]
    fn a_change_is_told_field_by_field() {
        let more = json!({ "cron": null, "every_ms": 60_000, "args": { "n": 1 }, "next_at": null });
        expect![[r#"
            ~ acme/nightly
                cron: 0 3 * * * → none
                every_ms: none → 60000
                args: {} → {"n":1}
        "#]]
        .assert_eq(&change(Some(state(json!({}))), more, json!({})).text());
    }

    #[test]
    fn a_new_one_is_told_with_all_that_it_says() {
        let new = change(None, json!({ "revision": 0 }), json!({}));
        assert_eq!((new.what, new.revision), (What::New, 0));
        expect![[r#"
            + acme/nightly
                cron: 0 3 * * *
                timezone: UTC
                kind: demo.echo
                args: {}
                tags: []
                managed_by: crontab
        "#]]
        .assert_eq(&new.text());
    }

    #[test]
    fn a_pause_is_a_difference_only_where_the_file_speaks_of_it() {
        let held = || Some(state(json!({ "paused": { "by": "ops", "reason": null } })));
        assert_eq!(change(held(), json!({ "paused": { "by": "ops" } }), json!({})).what, What::Same);
        let resumed = change(held(), json!({}), json!({ "paused": false }));
        assert_eq!((resumed.what, resumed.revision), (What::Changed, 4));
        assert_eq!(resumed.text(), "~ acme/nightly\n    paused: true → false\n");
        assert_eq!(Change::gone(state(json!({}))).text(), "- acme/nightly\n");
    }
}
