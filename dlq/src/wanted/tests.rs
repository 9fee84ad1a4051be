//! What a filter says, and how it is written.

use super::Wanted;
use longshore_base::Name;
use longshore_queue::State;
use serde_json::json;

#[test]
fn a_filter_reads_the_names_of_the_api_and_nothing_else() {
    let written = json!({"kind": "demo.fail", "queue": "q", "tenant": "acme", "client": "c", "tag": "t", "text": "boom", "fingerprint": "ab",
        "from": "2026-11-22T01:00:00+01:00", "to": "2026-11-22T00:00:01.500Z", "args": {"/a": 1}, "state": "dead"});
    let wanted: Wanted = serde_json::from_value(written).unwrap();
    let filter = wanted.filter();
    assert_eq!((filter.kind, filter.queue), (Some(Name::literal("demo.fail")), Some(Name::literal("q"))));
    assert_eq!((filter.from, filter.to), (Some(1_795_305_600_000), Some(1_795_305_601_500)));
    assert_eq!((filter.state, filter.args, filter.replayed), (Some(State::Dead), vec![("/a".to_owned(), json!(1))], false));
    let again = serde_json::to_value(&wanted).unwrap();
    assert_eq!(again["from"], "2026-11-22T00:00:00.000Z");
    assert_eq!(serde_json::from_value::<Wanted>(again).unwrap(), wanted);
    assert_eq!(serde_json::to_value(Wanted::default()).unwrap(), json!({}));
    for bad in [json!({"colour": 1}), json!({"from": "yesterday"}), json!({"state": "late"}), json!({"kind": "no name"})] {
        assert!(serde_json::from_value::<Wanted>(bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn faults_name_their_place() {
    let wanted: Wanted = serde_json::from_value(json!({"from": "2026-11-22T00:00:00Z", "to": "2026-11-22T00:00:00Z", "text": "",
        "args": {"/ok": 1, "a/b": 2}}))
    .unwrap();
    let pointers: Vec<_> = wanted.faults().into_iter().map(|fault| fault.pointer).collect();
    assert_eq!(pointers, ["/to", "/text", "/args/a~1b"]);
    assert_eq!(Wanted::default().faults(), []);
}
