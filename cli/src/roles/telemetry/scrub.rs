//! What leaves in a report: nothing of the machine or of people, and texts without what looks like a secret.

use longshore_config::Veil;
use sentry::protocol::Event;
use std::borrow::Cow;

/// Longer texts are cut.
const TEXT_MAX: usize = 2_048;
/// Names whose values nobody is told, wherever they stand in a text as `name=value` or `name: value`.
const HIDDEN: [&str; 11] =
    ["password", "passwd", "pwd", "secret", "token", "apikey", "api_key", "api-key", "authorization", "access_key", "signature"];

/// The report as it may leave: without the secrets that this process was given, and without what looks like one.
pub(super) fn event(mut event: Event<'static>, veil: &Veil) -> Event<'static> {
    let text = |said: &str| text(&veil.cover(said));
    event.server_name = None;
    event.user = None;
    event.request = None;
    event.extra.clear();
    event.contexts.clear();
    event.modules.clear();
    event.breadcrumbs.values.clear();
    event.message = event.message.map(|said| text(&said));
    event.logentry = event.logentry.map(|mut entry| {
        entry.params.clear();
        entry.message = text(&entry.message);
        entry
    });
    for exception in &mut event.exception.values {
        exception.value = exception.value.take().map(|value| text(&value));
        for frame in exception.stacktrace.iter_mut().flat_map(|trace| &mut trace.frames) {
            frame.vars.clear();
        }
    }
    event
}

/// `text` without user infos, query strings, values of telling names, keys of ours and addresses of people; cut if it is long.
pub(super) fn text(text: &str) -> String {
    let cut = &text[..text.floor_char_boundary(TEXT_MAX)];
    let (mut out, mut hide_next) = (String::with_capacity(cut.len()), false);
    for piece in cut.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        let (told, next) = if word.is_empty() { (Cow::Borrowed(word), hide_next) } else { self::word(word, hide_next) };
        hide_next = next;
        out.push_str(&told);
        out.push_str(&piece[word.len()..]);
    }
    out
}

/// One word as it may be told, and whether the next one is to be hidden.
fn word(word: &str, hide: bool) -> (Cow<'_, str>, bool) {
    let lower = word.to_ascii_lowercase();
    let bare = lower.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if matches!(bare, "bearer" | "basic") {
        return (Cow::Borrowed(word), true);
    }
    if hide {
        return (Cow::Borrowed("***"), false);
    }
    if let Some((name, value)) = lower.split_once(['=', ':']).filter(|(name, _)| HIDDEN.iter().any(|hidden| name.contains(hidden))) {
        let shown = &word[..=name.len()];
        return if value.is_empty() { (Cow::Borrowed(word), true) } else { (Cow::Owned(format!("{shown}***")), false) };
    }
    if let Some((scheme, rest)) = word.split_once("://") {
        return (Cow::Owned(format!("{scheme}://{}", address(rest))), false);
    }
    if bare.starts_with("lsk_") || bare.contains('@') {
        return (Cow::Borrowed("***"), false);
    }
    (Cow::Borrowed(word), false)
}

/// What stands behind `://`, without a user's name and password, a query and a fragment.
fn address(rest: &str) -> String {
    let path_at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(path_at);
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let (path, more) = path.find(['?', '#']).map_or((path, ""), |at| (&path[..at], "?***"));
    format!("{host}{path}{more}")
}

#[cfg(test)]
mod tests {
    use super::{event, text};
    use longshore_config::{Secret, Veil};
    use sentry::protocol::{Event, User};

    #[test]
    fn what_looks_like_a_secret_is_not_told() {
        for (said, told) in [
            ("the account 12 is closed", "the account 12 is closed"),
            ("GET https://u:p@h.example/a/b?key=1#x failed: 500", "GET https://h.example/a/b?*** failed: 500"),
            ("postgres://u:pw@db/one is down", "postgres://db/one is down"),
            ("Authorization: Bearer abc.def was refused", "Authorization: Bearer *** was refused"),
            ("header authorization=Basic-abc", "header authorization=***"),
            ("password=hunter2, user=joe", "password=*** user=joe"),
            ("\"api_key\": \"abc\"", "\"api_key\": ***"),
            ("somebody@h.example has lsk_abcdef", "*** has ***"),
            ("two\nlines\tof  text", "two\nlines\tof  text"),
        ] {
            assert_eq!(text(said), told);
        }
        assert_eq!(text(&"ä".repeat(5_000)).len(), 2_048);
    }

    #[test]
    fn a_report_says_nothing_of_people_and_machines() {
        let user = Some(User { email: Some("a@b.example".into()), ..User::default() });
        let mut said = Event { server_name: Some("host-1".into()), user, message: Some("token: abc".into()), ..Event::default() };
        said.extra.insert("args".into(), "hidden".into());
        let told = event(said, &Veil::default());
        assert_eq!((told.server_name, told.user, told.message.as_deref()), (None, None, Some("token: ***")));
        assert!(told.extra.is_empty());
        let veil = Veil::default();
        veil.hide(&Secret::new("tok-12345".to_owned()));
        let said = Event { message: Some("it said tok-12345 twice".into()), ..Event::default() };
        assert_eq!(event(said, &veil).message.as_deref(), Some("it said *** twice"));
    }
}
