//! `application/problem+json` as a person reads it: the sentence, each fault with its pointer, and what to do.

use crate::stop::Stop;
use longshore_base::Code;
use serde_json::{Value, json};

/// The reason behind an answer that is no success. `no_key`: why no key was sent.
pub(super) fn stop(status: u16, body: &[u8], no_key: Option<&String>) -> Stop {
    let problem: Value = serde_json::from_slice(body).ok().filter(Value::is_object).unwrap_or_else(|| json!({ "status": status }));
    let mut message = match (problem["title"].as_str(), problem["code"].as_str()) {
        (Some(title), Some(code)) => format!("{title} ({code})"),
        (Some(title), None) => title.to_owned(),
        _ => format!("the answer was {status}"),
    };
    // The detail of a single fault is that fault; with its line it would stand there twice.
    let faults = problem["errors"].as_array().map_or(0, Vec::len);
    if let Some(detail) = problem["detail"].as_str().filter(|_| faults != 1) {
        message.push_str(&format!("\n  {detail}"));
    }
    for fault in problem["errors"].as_array().into_iter().flatten() {
        message.push_str(&format!("\n  {}", line(fault)));
    }
    for id in problem["ids"].as_array().into_iter().flatten().filter_map(Value::as_str).take(20) {
        message.push_str(&format!("\n  may exist: {id}"));
    }
    let code = Code::ALL.iter().find(|code| Some(code.as_str()) == problem["code"].as_str());
    if let Some(why) = no_key.filter(|_| status == 401) {
        message.push_str(&format!(
            "\n  no key was sent: {why}\n  what to do: name the file with --key-file or its folder with --data, or set LONGSHORE_KEY"
        ));
    } else if let Some(code) = code {
        message.push_str(&format!("\n  what to do: {}", code.page().todo));
    }
    if let Some(id) = problem["request_id"].as_str().filter(|_| status >= 500) {
        message.push_str(&format!("\n  request id: {id}"));
    }
    let stop = match status {
        401 | 403 => Stop::refused(message),
        502..=504 => Stop::unreachable(message),
        _ => Stop::failed(message),
    };
    stop.with_problem(problem)
}

/// One fault with its pointer, and what is allowed.
pub(crate) fn line(fault: &Value) -> String {
    let pointer = fault["pointer"].as_str().filter(|p| !p.is_empty()).unwrap_or("(whole)");
    let detail = fault["detail"].as_str().unwrap_or("is not allowed");
    match &fault["allowed"] {
        Value::Null => format!("{pointer}: {detail}"),
        Value::String(allowed) => format!("{pointer}: {detail}; allowed: {allowed}"),
        allowed => format!("{pointer}: {detail}; allowed: {allowed}"),
    }
}

#[cfg(test)]
mod tests {
    use super::stop;
    use expect_test::expect;

    #[test]
    fn a_problem_reads_well() {
        let body = br#"{"type":"about:blank","title":"The arguments do not fit the kind","status":422,"code":"jobs.args_invalid","detail":"2 faults",
            "errors":[{"pointer":"/args/ms","detail":"\"x\" is not a number","allowed":"integer"},{"pointer":"","detail":"is odd"}],"request_id":"r"}"#;
        expect![[r#"
            The arguments do not fit the kind (jobs.args_invalid)
              2 faults
              /args/ms: "x" is not a number; allowed: integer
              (whole): is odd
              what to do: Correct the fields that `errors` names."#]]
        .assert_eq(stop(422, body, None).message());
    }

    #[test]
    fn a_single_fault_is_told_once() {
        let body = br#"{"title":"The request has faults","code":"request.invalid","detail":"/run_at: 2050",
            "errors":[{"pointer":"/run_at","detail":"2050","allowed":"sooner"}]}"#;
        expect![[r#"
            The request has faults (request.invalid)
              /run_at: 2050; allowed: sooner
              what to do: Correct what `errors` names."#]]
        .assert_eq(stop(422, body, None).message());
    }

    #[test]
    fn a_missing_key_is_told_with_its_file() {
        let why = "the key file d/admin.key cannot be read: No such file".to_owned();
        expect![[r#"
            No valid key (auth.unauthorized)
              no key was sent: the key file d/admin.key cannot be read: No such file
              what to do: name the file with --key-file or its folder with --data, or set LONGSHORE_KEY"#]]
        .assert_eq(stop(401, br#"{"title":"No valid key","code":"auth.unauthorized"}"#, Some(&why)).message());
    }

    #[test]
    fn an_answer_that_is_no_problem_document_is_told_by_its_status() {
        assert_eq!(stop(502, b"<html>", None).message(), "the answer was 502");
        assert!(stop(502, b"<html>", None).is_unreachable());
    }
}
