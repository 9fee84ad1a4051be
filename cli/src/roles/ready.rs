//! What a role says once it is ready: one JSON line for programs, or where to go for people.

use crate::{host::Host, print, roles::process::Roles};
use longshore_config::Settings;
use serde_json::json;

/// Tells it on stdout. `urls`: the API's, where there is one, then that of metrics. `new_key`: the key file was made at this start.
pub(crate) fn tell(roles: &Roles, settings: &Settings, host: &Host, urls: &[String], worker: Option<&str>, new_key: bool) {
    let key_file = settings.key_file().display().to_string();
    let url = urls.first();
    let metrics = urls.get(1);
    if host.json {
        let mut line = json!({ "ready": true });
        if let Some(metrics) = metrics {
            line["metrics_url"] = json!(metrics);
        }
        if let Some(url) = url {
            line["url"] = json!(url);
        }
        if roles.api {
            line["key_file"] = json!(key_file);
        } else {
            line["role"] = json!(roles.name);
        }
        if let Some(worker) = worker {
            line["worker"] = json!(worker);
        }
        return print::json(&line);
    }
    if !roles.api {
        let health = url.map(|url| format!(", health and metrics at {url}")).unwrap_or_default();
        return print::line(&format!("longshore {} is ready: jobs in {}{health}", roles.name, settings.broker));
    }
    let url = url.map(String::as_str).unwrap_or_default();
    print::line(&format!("longshore {} is ready", roles.name));
    print::line(&format!("  address   {url}    documentation at {url}/docs"));
    if let Some(metrics) = metrics {
        print::line(&format!("  metrics   {metrics}/metrics    without a key"));
    }
    print::line(&format!("  key file  {key_file}{}", if new_key { "    (made just now, for an operator)" } else { "" }));
    print::line(&format!("  jobs in   {}", settings.broker));
    let mut flags = String::new();
    if url != "http://127.0.0.1:7171" {
        flags.push_str(&format!(" --api {url}"));
    }
    if settings.data != std::path::Path::new("./longshore-data") {
        flags.push_str(&format!(" --key-file {key_file}"));
    }
    print::line(&format!("  try       {} enqueue demo.echo '{{\"hello\": \"world\"}}' --wait{flags}", host.name));
}
