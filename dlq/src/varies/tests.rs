//! What parts letters.

use super::{Seen, varies};
use serde_json::json;

#[test]
fn what_differs_is_told_with_its_most_frequent_values() {
    let all: Vec<_> = (0..10)
        .map(|n| {
            let mut args = json!({"account": "a", "to": {"region": if n < 7 { "eu" } else { "us" }, "n": n}, "list": [1, 2]});
            if n == 0 {
                args["extra"] = json!(true);
            }
            args
        })
        .collect();
    let told = varies(&all);
    assert_eq!(told.sampled, 10);
    let places: Vec<_> = told.fields.iter().map(|field| (field.pointer.as_str(), field.distinct, field.absent)).collect();
    assert_eq!(places, [("/extra", 1, 9), ("/to/region", 2, 0), ("/to/n", 10, 0)]);
    assert_eq!(told.fields[1].values, [Seen { value: json!("eu"), count: 7 }, Seen { value: json!("us"), count: 3 }]);
    assert_eq!(told.fields[2].values.len(), 5, "a few of many");
    assert_eq!(varies(&all[1..2]).fields, [], "one letter differs in nothing");
    assert_eq!(varies(&[]).sampled, 0);
}

#[test]
fn long_values_are_cut() {
    let all = [json!({"a": "é".repeat(400)}), json!({"a": [1, 2]}), json!({"a": {}}), json!({})];
    let told = varies(&all);
    let values: Vec<_> = told.fields[1].values.iter().map(|seen| seen.value.clone()).collect();
    assert!(values[0].as_str().is_some_and(|text| text.ends_with('…') && text.len() <= 204), "{values:?}");
    assert_eq!((&values[1..], told.fields[1].absent), (&[json!([1, 2]), json!({})][..], 1));
    assert_eq!((told.fields[0].pointer.as_str(), told.fields[0].absent), ("", 3), "the last one is an empty object as a whole");
}
