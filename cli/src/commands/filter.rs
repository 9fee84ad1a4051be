//! `--kind`, `--queue`, `--arg /pointer=value` and the like: which jobs or dead letters a command is about.

use crate::{length, stop::Stop};
use clap::Args;
use serde_json::{Map, Value};

/// Which jobs. What is not given is any.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Filter {
    /// Of this kind
    #[arg(long, help_heading = "Filter")]
    kind: Option<String>,
    /// In this queue
    #[arg(long, help_heading = "Filter")]
    queue: Option<String>,
    /// Of this tenant, with an operator's key
    #[arg(long, help_heading = "Filter")]
    tenant: Option<String>,
    /// For this client
    #[arg(long, help_heading = "Filter")]
    client: Option<String>,
    /// With this tag
    #[arg(long, help_heading = "Filter")]
    tag: Option<String>,
    /// That died (living jobs: that were enqueued) at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = length::time, help_heading = "Filter")]
    from: Option<String>,
    /// That died (were enqueued) before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = length::time, help_heading = "Filter")]
    to: Option<String>,
    /// With this text in the last error or in the args, upper and lower case the same
    #[arg(long, help_heading = "Filter")]
    text: Option<String>,
    /// With this value at this place of the args, such as /account=7; JSON, or else text; may be repeated
    #[arg(long = "arg", value_name = "/POINTER=VALUE", value_parser = place, help_heading = "Filter")]
    args: Vec<(String, Value)>,
    /// Of the group with this fingerprint
    #[arg(long, value_name = "FINGERPRINT", alias = "fingerprint", help_heading = "Filter")]
    group: Option<String>,
}

impl Filter {
    /// The filter as the body of a call.
    pub(crate) fn body(&self) -> Result<Map<String, Value>, Stop> {
        let mut body: Map<_, _> = self.texts().map(|(name, text)| (name.to_owned(), Value::from(text.clone()))).collect();
        if !self.args.is_empty() {
            body.insert("args".into(), Value::Object(self.places()?));
        }
        Ok(body)
    }

    /// The same as the query of a read.
    pub(crate) fn query(&self) -> Result<Vec<(&'static str, String)>, Stop> {
        let mut query: Vec<_> = self.texts().map(|(name, text)| (name, text.clone())).collect();
        if !self.args.is_empty() {
            query.push(("args", Value::Object(self.places()?).to_string()));
        }
        Ok(query)
    }

    /// Nothing is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.args.is_empty() && self.texts().next().is_none()
    }

    fn texts(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let named = [
            ("kind", &self.kind),
            ("queue", &self.queue),
            ("tenant", &self.tenant),
            ("client", &self.client),
            ("tag", &self.tag),
            ("from", &self.from),
            ("to", &self.to),
            ("text", &self.text),
            ("fingerprint", &self.group),
        ];
        named.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?)))
    }

    fn places(&self) -> Result<Map<String, Value>, Stop> {
        let mut places = Map::new();
        for (pointer, value) in &self.args {
            if places.insert(pointer.clone(), value.clone()).is_some_and(|other| other != *value) {
                return Err(Stop::usage(format!("--arg {pointer} is given twice; a place has one value")));
            }
        }
        Ok(places)
    }
}

/// `/a/b=7`. What is not JSON is text, so that ids and names need no quotes.
fn place(text: &str) -> Result<(String, Value), String> {
    let (pointer, value) = text.split_once('=').ok_or("allowed: /POINTER=VALUE, such as /account=7")?;
    if !pointer.starts_with('/') {
        return Err("the pointer begins with /, such as /account=7".into());
    }
    Ok((pointer.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))))
}

#[cfg(test)]
mod tests {
    use super::{Filter, place};
    use serde_json::{Value, json};

    #[test]
    fn a_place_has_a_pointer_and_a_value() {
        let read = |text: &str| place(text).ok();
        let want = |pointer: &str, value: Value| Some((pointer.to_owned(), value));
        assert_eq!(read("/account=7"), want("/account", json!(7)));
        assert_eq!(read("/account=\"7\""), want("/account", json!("7")));
        assert_eq!(read("/a/b=acme"), want("/a/b", json!("acme")));
        assert_eq!(read("/a=b=c"), want("/a", json!("b=c")));
        assert_eq!(read("/a="), want("/a", json!("")));
        assert_eq!(read("/a=null"), want("/a", Value::Null));
        assert_eq!((read("/a"), read("a=1"), read("=1")), (None, None, None));
    }

    #[test]
    fn flags_become_fields() {
        let filter = Filter {
            kind: Some("k".into()),
            group: Some("f".into()),
            args: vec![("/a".into(), json!(1)), ("/a".into(), json!(1))],
            ..Filter::default()
        };
        assert_eq!(filter.body().map(Value::Object).ok(), Some(json!({ "kind": "k", "fingerprint": "f", "args": { "/a": 1 } })));
        let query: Vec<_> = [("kind", "k"), ("fingerprint", "f"), ("args", r#"{"/a":1}"#)].map(|(n, v)| (n, v.to_owned())).into();
        assert_eq!(filter.query().ok(), Some(query));
        assert!(!filter.is_empty() && Filter::default().is_empty());
        let twice = Filter { args: vec![("/a".into(), json!(1)), ("/a".into(), json!(2))], ..Filter::default() };
        assert!(twice.body().is_err());
    }
}
