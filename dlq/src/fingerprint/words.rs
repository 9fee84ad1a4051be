//! What a word of a message is: an id, an address, a time, a word with a number in it, or just a word.

use super::Out;
use std::net::Ipv6Addr;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The length of a UUID or an IPv6 address at the start of `rest`.
pub(super) fn id(rest: &str, before: char) -> Option<usize> {
    if before.is_alphanumeric() {
        return None;
    }
    uuid(rest).or_else(|| ipv6(rest))
}

fn uuid(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes().get(..36)?;
    let fits = bytes.iter().enumerate().all(|(at, b)| match at {
        8 | 13 | 18 | 23 => *b == b'-',
        _ => b.is_ascii_hexdigit(),
    });
    (fits && !rest[36..].starts_with(char::is_alphanumeric)).then_some(36)
}

fn ipv6(rest: &str) -> Option<usize> {
    let inside = |c: char| c.is_ascii_hexdigit() || c == ':' || c == '.';
    let end = rest.find(|c| !inside(c)).unwrap_or(rest.len()).min(64);
    let text = rest.get(..end)?.trim_end_matches(['.', ':']);
    let text = if rest[text.len()..].starts_with("::") { &rest[..text.len() + 2] } else { text };
    let addressed = text.matches(':').count() >= 2 && text.bytes().any(|b| b.is_ascii_digit()) && text.parse::<Ipv6Addr>().is_ok();
    (addressed && !rest[text.len()..].starts_with(char::is_alphanumeric)).then_some(text.len())
}

/// A host, with its port, at the start of `rest`: what follows an `@`.
pub(super) fn host(rest: &str) -> usize {
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'))).unwrap_or(rest.len());
    rest[..end].trim_end_matches(['.', ':', '-']).len()
}

/// Writes the word at the start of `rest`, with what changes in it as `#`, and answers how much of `rest` it took.
pub(super) fn word(rest: &str, out: &mut Out) -> usize {
    let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    if changes(word) || part_of_a_time(word, after, out) {
        out.number();
    } else {
        with_numbers(word, out);
    }
    end
}

/// Ids, hex numbers and measures: everything of which no part is the same the next time.
fn changes(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let hex = word.bytes().all(|b| b.is_ascii_hexdigit());
    if hex && (word.len() >= 16 || word.len() >= 6 && digits > 0) {
        return true;
    }
    if digits == 0 {
        return false;
    }
    let turns = word.as_bytes().windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count();
    let tail = word.trim_start_matches(|c: char| c.is_ascii_digit()).chars().count();
    // A digit first and a short tail is a measure (`950ms`, `10MB`, `3rd`) or the end of a time (`44Z`).
    turns >= 2 || turns == 1 && tail <= 3 && word.as_bytes()[0].is_ascii_digit() || turns == 0 && digits == word.len()
}

/// Names of months and days, and zones, but only beside a number: `May` is a word too.
fn part_of_a_time(word: &str, after: &str, out: &Out) -> bool {
    let next = after.trim_start_matches([',', ' ', '-', '/']);
    let number_next = next.len() < after.len() && next.starts_with(|c: char| c.is_ascii_digit());
    let number_before = out.text.trim_end_matches([' ', '-', '/']).ends_with('#');
    if let Some(short) = word.get(..3) {
        if MONTHS.contains(&short) && word.len() <= 9 {
            return number_next || number_before;
        }
        if DAYS.contains(&short) && (word.len() == 3 || word.ends_with("day")) {
            return number_next || next.get(..3).is_some_and(|month| MONTHS.contains(&month));
        }
    }
    matches!(word, "GMT" | "UTC" | "AM" | "PM") && number_before
}

/// `word` with each run of digits as `#`.
fn with_numbers(word: &str, out: &mut Out) {
    for c in word.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !out.text.ends_with('#') {
            out.push('#');
        }
    }
}
