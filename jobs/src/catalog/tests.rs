//! What one declaration gives: dispatch, records, schemas, aliases.

use crate::{Catalog, Context, Failure, Kind, Retry, seconds, testing::House};
use longshore_base::Name;
use longshore_queue::Backoff;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

struct Count;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    /// How far.
    to: u8,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    sum: u32,
}

impl Kind for Count {
    const NAME: &'static str = "maths.count";
    const ALIASES: &'static [&'static str] = &["old.count"];
    const VERSION: u32 = 3;
    const QUEUE: &'static str = "maths";
    const RETRY: Retry = Retry::times(4).between(seconds(2), seconds(9));
    const TIMEOUT: Duration = seconds(7);
    const LANE_BY: &'static [&'static str] = &["/to"];
    const REPEATABLE: bool = true;
    const SUMMARY: &'static str = "Counts.";
    type Args = Args;
    type Output = Output;
    async fn run(args: Args, _: &Context) -> Result<Output, Failure> {
        Ok(Output { sum: (0..=u32::from(args.to)).sum() })
    }
}

async fn run(kind: &'static str, args: Value) -> String {
    let catalog = Catalog::standard().with::<Count>();
    let house = House::with(&catalog).await;
    let mut lease = house.leased("demo.echo", json!({})).await;
    lease.job.kind = Name::literal(kind);
    lease.job.args = longshore_queue::json(&args);
    match catalog.run(&house.context(lease)).await {
        None => "not carried".into(),
        Some(Ok(output)) => output.get().to_owned(),
        Some(Err(Failure::Fatal(cause))) => format!("fatal {}: {}", cause.code, cause.message),
        Some(Err(other)) => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_name_leads_to_its_code() {
    assert_eq!(run("maths.count", json!({"to": 4})).await, r#"{"sum":10}"#);
    assert_eq!(run("old.count", json!({"to": 2})).await, r#"{"sum":3}"#, "jobs stored under an old name still run");
    assert_eq!(run("nobody.knows", json!({})).await, "not carried");
}

#[tokio::test]
async fn args_that_do_not_decode_are_final() {
    let told = run("maths.count", json!({"to": 4, "from": 1})).await;
    assert!(told.starts_with("fatal jobs.args_invalid: the args do not fit maths.count: unknown field `from`"), "{told}");
}

#[test]
fn records_tell_the_declaration() {
    let catalog = Catalog::empty().with::<Count>();
    let names: Vec<_> = catalog.names().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["maths.count", "old.count"]);
    let name = Name::literal("maths.count");
    assert_eq!(catalog.summary(&name), Some("Counts."));
    assert_eq!(catalog.alias_of(&Name::literal("old.count")), Some(&name));
    assert_eq!(catalog.alias_of(&name), None);
    let record = &catalog.records()[0];
    assert_eq!((record.version, record.queue.as_str(), record.lane_by.as_slice()), (3, "maths", ["/to".to_owned()].as_slice()));
    assert_eq!((record.policy.attempts_max, record.policy.timeout_ms), (4, 7_000));
    assert_eq!(record.policy.backoff, Backoff { base_ms: 2_000, max_ms: 9_000 });
    assert_eq!(record.args_schema["additionalProperties"], json!(false));
    assert_eq!(record.args_schema["properties"]["to"]["description"], json!("How far."));
    assert_eq!(record.args_schema["required"], json!(["to"]));
    assert_eq!(record.output_schema.as_ref().unwrap()["properties"]["sum"]["type"], json!("integer"));
}

#[test]
fn the_standard_kinds_are_there_and_told() {
    let catalog = Catalog::standard();
    let names: Vec<_> = catalog.names().iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "dead_letters.purge",
            "dead_letters.replay",
            "dead_letters.undo",
            "demo.echo",
            "demo.fail",
            "demo.sleep",
            "http.request",
            "jobs.bulk",
            "ops.backup",
            "ops.prune_backups",
            "ops.verify_backup",
            "schedules.backfill"
        ]
    );
    for record in catalog.records() {
        assert!(!catalog.summary(&record.name).unwrap().is_empty(), "{} has no summary", record.name);
        assert!(record.policy.repeatable, "{}", record.name);
    }
}
