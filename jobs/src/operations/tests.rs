//! What operations may be called with.

use super::{BulkArgs, BulkChange, PurgeArgs, ReplayArgs, Verb};
use crate::testing::NOW;
use longshore_base::Name;
use longshore_queue::Priority;
use serde_json::{Value, json};

fn bulk(verb: &str, value: Value) -> Result<BulkChange, String> {
    let args: BulkArgs = serde_json::from_value(json!({"verb": verb, "filter": {}, "value": value, "before": NOW})).unwrap();
    args.change().map_err(|fault| format!("{} {}", fault.pointer, fault.detail))
}

#[test]
fn a_value_goes_with_its_verb() {
    assert_eq!(bulk("cancel", Value::Null), Ok(BulkChange::Cancel));
    assert_eq!(bulk("move", json!("slow")), Ok(BulkChange::Move(Name::literal("slow"))));
    assert_eq!(bulk("priority", json!(9)), Ok(BulkChange::Priority(Priority::new(9).unwrap())));
    assert_eq!(bulk("postpone", json!(60_000)), Ok(BulkChange::Postpone(NOW + 60_000)));
    assert_eq!(bulk("postpone", json!("2026-11-22T01:00:00+01:00")), Ok(BulkChange::Postpone(NOW)));
    for (verb, value) in [
        ("cancel", json!(1)),
        ("move", json!("no name")),
        ("move", json!("operations")),
        ("move", Value::Null),
        ("priority", json!(10)),
        ("priority", json!("9")),
        ("postpone", json!(-1)),
        ("postpone", json!("soon")),
        ("postpone", json!("9999-01-01T00:00:00Z")),
        ("postpone", json!(i64::MAX)),
    ] {
        assert!(bulk(verb, value.clone()).is_err_and(|fault| fault.starts_with("/value ")), "{verb} {value}");
    }
    assert!(serde_json::from_value::<Verb>(json!("undo")).is_err());
}

#[test]
fn letters_are_named_one_way() {
    let ids = json!(["0199b0c4-0000-7000-8000-000000000001"]);
    for (args, good) in [
        (json!({"ids": ids, "before": NOW}), true),
        (json!({"filter": {}, "before": NOW}), true),
        (json!({"ids": ids, "filter": {}, "before": NOW}), false),
        (json!({"before": NOW}), false),
    ] {
        let replay: ReplayArgs = serde_json::from_value(args.clone()).unwrap();
        let purge: PurgeArgs = serde_json::from_value(args.clone()).unwrap();
        assert_eq!((replay.search().is_ok(), purge.search().is_ok()), (good, good), "{args}");
        let written = serde_json::to_value(&replay).unwrap();
        assert_eq!(written, args, "what is absent is not written");
    }
}
