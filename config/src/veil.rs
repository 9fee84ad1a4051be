//! What must not be told: texts pass through a veil before they leave the process or the attempt.

use crate::{Secret, secrets::BYTES_MIN};
use aho_corasick::{AhoCorasick, MatchKind};
use std::{
    borrow::Cow,
    collections::BTreeSet,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};
use url::{Url, form_urlencoded};

/// What stands in the place of a value.
const MASK: &str = "***";
/// Lines of a value of several lines (a PEM key) are hidden one by one from this length on.
const LINE_MIN: usize = 16;

/// Values to hide. Clones share them. One for a process's logs, one for each attempt: an attempt that hid what others resolved would tell
/// a tenant who guesses well what another tenant's secrets are.
#[derive(Clone, Default)]
pub struct Veil {
    inner: Arc<RwLock<Inner>>,
}

#[derive(Default)]
struct Inner {
    forms: BTreeSet<String>,
    /// None: there is nothing to hide.
    search: Option<AhoCorasick>,
}

impl fmt::Debug for Veil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Veil")
    }
}

impl Veil {
    /// Hides one more value from now on.
    pub fn hide(&self, secret: &Secret<String>) {
        self.hide_all([secret]);
    }

    /// Hides all of them from now on.
    pub fn hide_all<'a>(&self, secrets: impl IntoIterator<Item = &'a Secret<String>>) {
        let new: Vec<String> = secrets.into_iter().flat_map(|secret| forms(secret.expose())).collect();
        if new.iter().all(|form| self.read(|inner| inner.forms.contains(form))) {
            return;
        }
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.forms.extend(new);
        let search = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&inner.forms);
        inner.search = Some(search.expect("secrets have far fewer bytes than the two billion states of a search"));
    }

    /// Whether there is nothing to hide.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read(|inner| inner.search.is_none())
    }

    /// Whether `text` holds something that must not be told.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        self.read(|inner| inner.search.as_ref().is_some_and(|search| search.is_match(text)))
    }

    /// `text` with `***` in the place of each value.
    #[must_use]
    pub fn cover<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.read(|inner| match &inner.search {
            Some(search) if search.is_match(text) => {
                let mut covered = String::with_capacity(text.len());
                search.replace_all_with(text, &mut covered, |_, _, covered| {
                    covered.push_str(MASK);
                    true
                });
                Cow::Owned(covered)
            }
            _ => Cow::Borrowed(text),
        })
    }

    fn read<T>(&self, look: impl FnOnce(&Inner) -> T) -> T {
        look(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A value, and the parts of it that are as good as the whole, in the forms in which texts carry them.
fn forms(value: &str) -> Vec<String> {
    let mut parts = vec![value.to_owned(), value.trim().to_owned()];
    parts.extend(value.strip_prefix("whsec_").map(str::to_owned));
    if value.trim().contains('\n') {
        parts.push(value.split_whitespace().collect::<Vec<_>>().join(" "));
        parts.extend(value.lines().map(str::trim).filter(|line| line.len() >= LINE_MIN && !line.starts_with("-----")).map(str::to_owned));
    }
    if let Some(password) = Url::parse(value.trim()).ok().as_ref().and_then(Url::password) {
        parts.push(password.to_owned());
        // `a+b` is no space in a URL's password, so the decoder of forms must not see it as one.
        let plain = password.replace('+', "%2B");
        parts.extend(form_urlencoded::parse(format!("p={plain}").as_bytes()).map(|(_, decoded)| decoded.into_owned()));
    }
    let mut forms = Vec::new();
    for part in parts.into_iter().filter(|part| part.len() >= BYTES_MIN) {
        let encoded: String = form_urlencoded::byte_serialize(part.as_bytes()).collect();
        let written = [unquoted(format!("{part:?}")), encoded, part];
        // A log line of JSON quotes what a handler had quoted before.
        forms.extend(written.iter().filter_map(|form| serde_json::to_string(form).ok()).map(unquoted));
        forms.extend(written);
    }
    forms
}

fn unquoted(text: String) -> String {
    text[1..text.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use super::Veil;
    use crate::Secret;

    fn veil(values: &[&str]) -> Veil {
        let veil = Veil::default();
        values.iter().for_each(|value| veil.hide(&Secret::new((*value).to_owned())));
        veil
    }

    #[test]
    fn values_are_covered_wherever_they_stand() {
        let veil = veil(&["tok-12345", "tok-12345-long"]);
        assert_eq!(veil.cover("a tok-12345, tok-12345-long\ntok-12345"), "a ***, ***\n***");
        assert_eq!(veil.cover("nothing here"), "nothing here");
        assert!(veil.is_in("xtok-12345x") && !veil.is_in("tok-1234"));
        assert_eq!(format!("{veil:?}"), "Veil");
    }

    #[test]
    fn other_forms_of_a_value_are_covered_too() {
        let key = "-----BEGIN KEY-----\nQUJDREVGR0hJSktMTU5P\nUFFSU1RVVldYWVoxMjM0\n-----END KEY-----\n";
        let veil = veil(&["say \"hi\" & bye", key, "whsec_MfKQ9r8GKYqrTwjU", "postgres://u:p%40ss+w0rd@h/d"]);
        for (text, told) in [
            (r#"{"a":"say \"hi\" & bye"}"#, r#"{"a":"***"}"#),
            ("q=say+%22hi%22+%26+bye", "q=***"),
            (r#"{"message":"it said \"say \\\"hi\\\" & bye\""}"#, r#"{"message":"it said \"***\""}"#),
            ("MfKQ9r8GKYqrTwjU", "***"),
            ("PGPASSWORD=p@ss+w0rd", "PGPASSWORD=***"),
            ("//u:p%40ss+w0rd@h", "//u:***@h"),
            ("one QUJDREVGR0hJSktMTU5P two", "one *** two"),
        ] {
            assert_eq!(veil.cover(text), told);
        }
        assert_eq!(veil.cover(&format!("{key:?}")), "\"***\"");
        assert_eq!(veil.cover(&key.split_whitespace().collect::<Vec<_>>().join(" ")), "***");
    }

    #[test]
    fn without_values_nothing_changes() {
        let veil = Veil::default();
        assert!(veil.is_empty());
        assert_eq!(veil.cover("abc"), "abc");
        veil.hide(&Secret::new("ab".to_owned()));
        assert_eq!(veil.cover("abc"), "abc", "what is too short to be a secret would cover everything");
    }
}
