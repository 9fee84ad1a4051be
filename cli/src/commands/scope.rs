//! `--tenant`, `--kind` and `--key`: which part of a queue a command is about.

use crate::stop::Stop;
use clap::Args;

/// A queue, or a part of it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Scope {
    /// The queue's name
    pub(crate) queue: String,
    /// Only this tenant
    #[arg(long, value_name = "TENANT", conflicts_with_all = ["kind", "key"])]
    tenant: Option<String>,
    /// Only this kind
    #[arg(long, value_name = "KIND", conflicts_with = "key")]
    kind: Option<String>,
    /// Only this tenant's lane key, over all kinds; TENANT/ is the empty key
    #[arg(long, value_name = "TENANT/KEY")]
    key: Option<String>,
}

impl Scope {
    /// The path of something of this scope, such as `limits`.
    pub(crate) fn path(&self, last: &str) -> Result<Vec<String>, Stop> {
        let mut path: Vec<String> = ["v1", "queues", &self.queue].map(str::to_owned).into();
        let mut add = |parts: &[&str]| path.extend(parts.iter().map(|part| (*part).to_owned()));
        if let Some(tenant) = &self.tenant {
            add(&["tenants", tenant]);
        } else if let Some(kind) = &self.kind {
            add(&["kinds", kind]);
        } else if let Some(text) = &self.key {
            let (tenant, key) = parts(text)?;
            add(&["keys", tenant, &segment(key)?]);
        }
        add(&[last]);
        Ok(path)
    }

    /// The scope in words.
    pub(crate) fn name(&self) -> String {
        let queue = &self.queue;
        match (&self.tenant, &self.kind, &self.key) {
            (Some(tenant), _, _) => format!("tenant {tenant} in {queue}"),
            (_, Some(kind), _) => format!("kind {kind} in {queue}"),
            (_, _, Some(key)) => format!("key {key} in {queue}"),
            _ => queue.clone(),
        }
    }

    /// The scope as flags, to be typed again.
    pub(crate) fn flags(&self) -> String {
        let flag = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!(" --{name} {value}")).unwrap_or_default();
        let (tenant, kind, key) = (flag("tenant", &self.tenant), flag("kind", &self.kind), flag("key", &self.key));
        format!("{}{tenant}{kind}{key}", self.queue)
    }
}

fn parts(text: &str) -> Result<(&str, &str), Stop> {
    text.split_once('/')
        .ok_or_else(|| Stop::usage(format!("--key {text}: allowed is TENANT/KEY, such as acme/account-7, or acme/ for the empty key")))
}

/// A key as a segment of a path: the empty one is `-`, and one of nothing but dashes has one more.
fn segment(key: &str) -> Result<String, Stop> {
    match key {
        "." | ".." => Err(Stop::usage(format!(
            "--key …/{key}: this key cannot be named in a URL by this command; send the request with another client"
        ))),
        key if key.bytes().all(|b| b == b'-') => Ok(format!("-{key}")),
        key => Ok(key.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;

    #[test]
    fn every_scope_has_its_path() {
        let scope = |tenant: Option<&str>, kind: Option<&str>, key: Option<&str>| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            Scope { queue: "q".into(), tenant: own(tenant), kind: own(kind), key: own(key) }
        };
        let path = |scope: Scope| scope.path("limits").map(|path| path.join(" ")).map_err(|stop| stop.message().to_owned());
        assert_eq!(path(scope(None, None, None)).as_deref(), Ok("v1 queues q limits"));
        assert_eq!(path(scope(Some("t"), None, None)).as_deref(), Ok("v1 queues q tenants t limits"));
        assert_eq!(path(scope(None, Some("k"), None)).as_deref(), Ok("v1 queues q kinds k limits"));
        for (key, segment) in [("t/a/b", "a/b"), ("t/", "-"), ("t/-", "--"), ("t/--", "---"), ("t/-a", "-a")] {
            assert_eq!(path(scope(None, None, Some(key))), Ok(format!("v1 queues q keys t {segment} limits")));
        }
        for key in ["t", "t/.", "t/.."] {
            assert!(path(scope(None, None, Some(key))).is_err(), "{key}");
        }
    }
}
