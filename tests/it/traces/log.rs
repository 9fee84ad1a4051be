//! Logs as programs read them: one JSON object a line, and whatever is said in an attempt names its job.

use super::receiver::Receiver;
use crate::{harness::eventually, scenarios::Engine};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

fn lines(engine: &Engine) -> Vec<Value> {
    let text = std::fs::read_to_string(engine.dir.join("up.log")).expect("its log");
    // The last line may be half written.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?} is no JSON: {error}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_is_an_object_and_an_attempts_line_names_its_job() {
    let collector = Receiver::start(200).await;
    let endpoint = format!("{}/v1/traces", collector.url);
    for env in [vec![], vec![("LONGSHORE_TRACES__ENDPOINT", endpoint.as_str())]] {
        let quiet = [("LONGSHORE_LOG__FORMAT", "json"), ("LONGSHORE_LOG__LEVEL", "warn")];
        let mut engine = Engine::up_of("it-kinds", &[quiet.as_slice(), &env].concat()).await;
        let body = json!({ "kind": "it.traced", "tenant": "acme", "args": { "warns": "two\nlines" } });
        let id = engine.call("POST", "/v1/jobs", Some(body)).await["id"].as_str().expect("an id").to_owned();
        let job = engine.until(&id, "completed", SOON).await;
        eventually("the handler's line", SOON, async || lines(&engine).iter().any(|line| line["message"] == "two\nlines")).await;
        let lines = lines(&engine);
        let line = lines.iter().find(|line| line["message"] == "two\nlines").expect("it was there");
        let span = &line["span"];
        assert_eq!(
            (&span["name"], &span["job"], &span["kind"], &span["tenant"]),
            (&json!("attempt"), &json!(id), &json!("it.traced"), &json!("acme"))
        );
        assert_eq!((&line["level"], span["trace"].as_str()), (&json!("WARN"), job["trace_id"].as_str()));
        assert!(lines.iter().all(|line| line["level"] == "WARN" || line["level"] == "ERROR"), "the level holds");
        engine.front().kill();
    }
}
