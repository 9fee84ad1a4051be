//! The difference between two JSON values, as people read it.

use serde_json::Value;

/// `- /account: 7` and `+ /account: 8`; a side that is not there has no line.
pub(crate) fn lines(pointer: &str, before: Option<&Value>, after: Option<&Value>) -> String {
    let place = if pointer.is_empty() { "(whole)" } else { pointer };
    let side = |sign: char, value: Option<&Value>| value.map(|value| format!("{sign} {place}: {value}"));
    let sides: Vec<_> = [side('-', before), side('+', after)].into_iter().flatten().collect();
    sides.join("\n")
}

/// What a patch would do to some letters: a paragraph each.
pub(crate) fn preview(letters: &Value) -> String {
    let mut out = String::new();
    for letter in letters.as_array().into_iter().flatten() {
        out.push_str(&format!("{}\n", letter["id"].as_str().unwrap_or_default()));
        let differences = letter["diff"].as_array().map_or(&[][..], Vec::as_slice);
        for one in differences {
            let sides = lines(one["pointer"].as_str().unwrap_or_default(), one.get("before"), one.get("after"));
            sides.lines().for_each(|line| out.push_str(&format!("  {line}\n")));
        }
        if differences.is_empty() {
            out.push_str("  its args stay as they are\n");
        }
        if let Some(why) = letter["refused"].as_str() {
            out.push_str(&format!("  would be left: {why}\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{lines, preview};
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn each_side_has_its_line() {
        let (old, new) = (json!(7), json!({ "id": 8 }));
        assert_eq!(lines("/a", Some(&old), Some(&new)), "- /a: 7\n+ /a: {\"id\":8}");
        assert_eq!(lines("", None, Some(&old)), "+ (whole): 7");
        assert_eq!(lines("/b", Some(&json!(null)), None), "- /b: null");
    }

    #[test]
    fn a_preview_tells_letter_by_letter() {
        let letters = json!([
            { "id": "l-1", "diff": [{ "pointer": "/a", "before": 1, "after": 2 }, { "pointer": "/b", "before": null }] },
            { "id": "l-2", "diff": [], "refused": "/args/c: is missing" }]);
        expect![[r#"
            l-1
              - /a: 1
              + /a: 2
              - /b: null
            l-2
              its args stay as they are
              would be left: /args/c: is missing
        "#]]
        .assert_eq(&preview(&letters));
    }
}
