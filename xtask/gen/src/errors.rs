//! docs/errors/CODE.md, one page per code, and a list of them, from the table of codes.

use crate::Pages;
use longshore_base::Code;
use std::fmt::Write;

const LIST: &str = "\
# Error codes

Generated from `base/src/code.rs` by `cargo xtask gen`; do not edit.

A code is for programs to branch on; it never changes its meaning. HTTP answers carry it in `code`
(`application/problem+json`), a failed attempt in its job's `errors`. Codes of attempts have no HTTP status of their own.

| code | status | what happened |
|---|---|---|
";

pub(crate) fn pages() -> Pages {
    let mut pages = Pages::new();
    let mut list = String::from(LIST);
    for code in Code::ALL {
        let page = code.page();
        let _ = writeln!(list, "| [{code}]({code}.md) | {} | {} |", status(*code), page.title);
        pages.insert(format!("docs/errors/{code}.md").into(), one(*code));
    }
    pages.insert("docs/errors/README.md".into(), list);
    pages
}

fn one(code: Code) -> String {
    let page = code.page();
    let mut text = format!("# {code}\n\nGenerated from `base/src/code.rs` by `cargo xtask gen`; do not edit.\n\n**{}**", page.title);
    if let Some(status) = http(code) {
        let _ = write!(text, " · HTTP status {status}");
    }
    let _ = write!(
        text,
        "\n\n## What happened\n{}\n\n## What it means for the data\n{}\n\n## What to do\n{}\n",
        page.happened, page.data, page.todo
    );
    text
}

/// Attempts end with these; no HTTP answer carries them.
fn http(code: Code) -> Option<u16> {
    let of_attempts = ["attempt.", "backup.", "http.", "secrets.", "demo.", "handler."];
    let in_attempt = of_attempts.iter().any(|prefix| code.as_str().starts_with(prefix));
    (!in_attempt).then(|| code.page().status)
}

fn status(code: Code) -> String {
    http(code).map_or_else(|| "–".into(), |status| status.to_string())
}
