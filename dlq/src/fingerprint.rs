//! Which errors are alike: two failures of a kind share a fingerprint when their messages differ only in what changes
//! from job to job: numbers, ids, addresses, times and quoted values.

mod words;

use sha2::{Digest, Sha256};

/// More of a normalised message than this does not count: what follows is often a dump of the data at hand.
const LOOKED_AT_MAX: usize = 512;

/// A short name for errors like this one: 16 hex digits, stable over processes and versions of the handler's data.
#[must_use]
pub fn fingerprint(kind: &str, code: &str, message: &str) -> String {
    let mut hash = Sha256::new();
    for part in [kind, code, &normalise(message)] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hex::encode(&hash.finalize()[..8])
}

/// `message` with `#` for every number, id, address and time and `?` for every quoted value, in one pass.
fn normalise(message: &str) -> String {
    let mut out = Out { text: String::with_capacity(message.len().min(LOOKED_AT_MAX + 64)) };
    let mut rest = message;
    let mut before = ' ';
    let mut unclosed = String::new();
    while let Some(first) = rest.chars().next() {
        if out.text.len() >= LOOKED_AT_MAX {
            break;
        }
        let taken = if let Some(taken) = quoted(rest, first, before, &mut unclosed) {
            out.push('?');
            taken
        } else if first == '@' && out.ends_in_word() && rest[1..].starts_with(|c: char| c.is_ascii_alphanumeric()) {
            out.drop_word();
            out.number();
            1 + words::host(&rest[1..])
        } else if first.is_whitespace() {
            out.space();
            first.len_utf8()
        } else if let Some(taken) = words::id(rest, before) {
            out.number();
            taken
        } else if first.is_alphanumeric() {
            words::word(rest, &mut out)
        } else {
            out.push(first);
            first.len_utf8()
        };
        before = rest[..taken].chars().next_back().unwrap_or(' ');
        rest = &rest[taken..];
    }
    out.text
}

/// The length of the quoted value at the start of `rest`. An apostrophe inside a word opens nothing and closes nothing.
/// `unclosed` remembers the marks that are known to have no partner, so that a text full of them costs one look each.
fn quoted(rest: &str, first: char, before: char, unclosed: &mut String) -> Option<usize> {
    let close = match first {
        '"' | '\'' | '`' => first,
        '“' | '„' => '”',
        '‘' => '’',
        '«' => '»',
        _ => return None,
    };
    if before.is_alphanumeric() && first == '\'' || unclosed.contains(close) {
        return None;
    }
    let body = &rest[first.len_utf8()..];
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == close && !(c == '\'' && body[at + 1..].starts_with(char::is_alphanumeric)) {
            return Some(first.len_utf8() + at + c.len_utf8());
        }
    }
    unclosed.push(close);
    None
}

/// The normalised text as it grows. Numbers that only punctuation parts (`1.5`, `10:20`, `3 of`… not) become one.
struct Out {
    text: String,
}

impl Out {
    fn push(&mut self, c: char) {
        self.text.push(c);
    }
    fn space(&mut self) {
        if !self.text.ends_with(' ') && !self.text.is_empty() {
            self.text.push(' ');
        }
    }
    /// A `#`, swallowing the joint to a `#` before it.
    fn number(&mut self) {
        let joint = self.text.trim_end_matches([' ', '.', ',', ':', '-', '+', '/']);
        if joint.ends_with('#') {
            self.text.truncate(joint.len());
        } else {
            self.text.push('#');
        }
    }
    fn ends_in_word(&self) -> bool {
        self.text.ends_with(|c: char| c.is_alphanumeric() || c == '#')
    }
    /// Takes the word back whose `@` shows that it is the first half of an address.
    fn drop_word(&mut self) {
        let start =
            self.text.rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '#' | '.' | '_' | '-' | '+' | ':'))).map_or(0, |at| at + 1);
        // rfind answers the start of a char that may be wider than one byte; the next boundary is the word's start.
        let start = (start..=self.text.len()).find(|at| self.text.is_char_boundary(*at)).unwrap_or(0);
        self.text.truncate(start);
    }
}

#[cfg(test)]
mod tests;
