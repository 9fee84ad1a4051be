//! The examples of RFC 7396, appendix A, and differences.

use super::{diff, merge};
use serde_json::{Value, json};

#[test]
fn a_merge_patch_does_what_the_rfc_says() {
    let cases = [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a": "b"}), json!(["c"]), json!(["c"])),
        (json!({"a": "foo"}), Value::Null, Value::Null),
        (json!({"a": "foo"}), json!("bar"), json!("bar")),
        (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
    ];
    for (target, patch, expected) in cases {
        let mut patched = target.clone();
        merge(&mut patched, &patch);
        assert_eq!(patched, expected, "{target} with {patch}");
    }
}

#[test]
fn differences_name_their_places() {
    let before = json!({"a": 1, "b": {"c": [1, 2], "d/e": "x"}, "gone": null, "same": [1]});
    let after = json!({"a": 2, "b": {"c": [1, 3], "d/e": {"~": 1}}, "new": [], "same": [1]});
    let told: Vec<_> = diff(&before, &after).into_iter().map(|line| serde_json::to_value(line).unwrap()).collect();
    assert_eq!(
        told,
        [
            json!({"pointer": "/a", "before": 1, "after": 2}),
            json!({"pointer": "/b/c/1", "before": 2, "after": 3}),
            json!({"pointer": "/b/d~1e", "before": "x", "after": {"~": 1}}),
            json!({"pointer": "/gone", "before": null}),
            json!({"pointer": "/new", "after": []}),
        ]
    );
    assert_eq!(diff(&before, &before), []);
    assert_eq!(diff(&json!([1]), &json!([1, 2]))[0].pointer, "", "arrays of another length differ as a whole");
    // A patch made of nothing but the differences gives the other value back.
    let mut patched = json!({"a": {"b": 1, "c": 2}});
    merge(&mut patched, &json!({"a": {"b": 5}}));
    assert_eq!(diff(&json!({"a": {"b": 1, "c": 2}}), &patched).len(), 1);
}
