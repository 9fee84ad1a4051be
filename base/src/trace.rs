//! The place in a trace that a request named, so that what a job does later can be told as a part of it.
//!
//! The form is W3C Trace Context (<https://www.w3.org/TR/trace-context/>): `traceparent` and `tracestate`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longer `tracestate` is left out: section 3.3.1.1 asks for 512 characters to be carried, and no more.
const STATE_MAX: usize = 512;
/// Bytes of [`Trace::to_bytes`] without a state.
const BYTES: usize = 25;
/// Sampled, and random (level 2); what other bits mean is not known, so they are not passed on.
const FLAGS: u8 = 0b11;
const SAMPLED: u8 = 0b01;

/// A span of a trace, and what its maker says about it. Cheap enough to be carried by every job.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Trace {
    id: [u8; 16],
    span: [u8; 8],
    flags: u8,
    state: Option<Box<str>>,
}

/// The text is no place in a trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no traceparent")]
pub struct TraceError(String);

impl Trace {
    /// `None` when an id is all zeros, which section 3.2.2 forbids.
    #[must_use]
    pub fn new(id: [u8; 16], span: [u8; 8], flags: u8) -> Option<Self> {
        let named = id != [0; 16] && span != [0; 8];
        named.then_some(Self { id, span, flags: flags & FLAGS, state: None })
    }

    /// Reads the two headers. `None` when `parent` is not fit to be followed; a `state` that is not fit is left out.
    #[must_use]
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        let (version, rest) = parent.split_once('-')?;
        let version = hex::<1>(version)?[0];
        // A later version may say more after what this one knows; 255 is none.
        let (known, more) = rest.split_at_checked(52)?;
        if version == 255 || !(more.is_empty() || version > 0 && more.starts_with('-')) {
            return None;
        }
        let mut fields = known.split('-');
        let (id, span, flags) = (hex(fields.next()?)?, hex(fields.next()?)?, hex::<1>(fields.next()?)?[0]);
        let trace = Self::new(id, span, flags)?;
        Some(match state {
            Some(state) => trace.with_state(state),
            None => trace,
        })
    }

    /// With a `tracestate`, unless it is empty, too long, or has characters that no header may have.
    #[must_use]
    pub fn with_state(self, state: &str) -> Self {
        let state = state.trim();
        let fit = (1..=STATE_MAX).contains(&state.len()) && state.bytes().all(|b| matches!(b, b' '..=b'~'));
        Self { state: fit.then(|| state.into()), ..self }
    }

    /// Names the trace.
    #[must_use]
    pub const fn id(&self) -> [u8; 16] {
        self.id
    }
    /// The same as 32 hex digits.
    #[must_use]
    pub fn id_text(&self) -> String {
        text(&self.id)
    }
    /// Names the span in it.
    #[must_use]
    pub const fn span(&self) -> [u8; 8] {
        self.span
    }
    /// The flags that are passed on.
    #[must_use]
    pub const fn flags(&self) -> u8 {
        self.flags
    }
    /// Whether whoever began the trace records it; who goes on with it does the same.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
    /// The header `traceparent`.
    #[must_use]
    pub fn parent(&self) -> String {
        format!("00-{}-{}-{:02x}", text(&self.id), text(&self.span), self.flags)
    }
    /// The header `tracestate`.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// As it is kept where every byte counts.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.id.as_slice(), &self.span, &[self.flags], self.state.as_deref().unwrap_or_default().as_bytes()].concat()
    }
    /// Back from [`Trace::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, state) = bytes.split_at_checked(BYTES)?;
        let trace = Self::new(head[..16].try_into().ok()?, head[16..24].try_into().ok()?, head[24])?;
        Some(if state.is_empty() { trace } else { trace.with_state(std::str::from_utf8(state).ok()?) })
    }
}

/// `N` bytes as lower-case hex digits: upper-case ones are not allowed in the header.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut out = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

fn text(bytes: &[u8]) -> String {
    let digits = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|half| char::from(digits[usize::from(half)])).collect()
}

/// The two headers, with a space between them.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parent())?;
        self.state.as_ref().map_or(Ok(()), |state| write!(f, " {state}"))
    }
}
impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl From<Trace> for String {
    fn from(trace: Trace) -> Self {
        trace.to_string()
    }
}
impl TryFrom<String> for Trace {
    type Error = TraceError;
    fn try_from(text: String) -> Result<Self, TraceError> {
        let (parent, state) = text.split_once(' ').map_or((text.as_str(), None), |(parent, state)| (parent, Some(state)));
        Self::parse(parent, state).ok_or_else(|| TraceError(text.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::Trace;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_is_read_and_told_again() {
        let trace = Trace::parse(PARENT, Some("vendor=opaque,other=1")).expect("the example of the specification");
        assert_eq!(trace.parent(), PARENT);
        assert_eq!(trace.state(), Some("vendor=opaque,other=1"));
        assert_eq!(trace.id_text(), "0af7651916cd43dd8448eb211c80319c");
        assert!(trace.is_sampled());
        assert_eq!(Trace::from_bytes(&trace.to_bytes()), Some(trace.clone()));
        assert_eq!(Trace::try_from(String::from(trace.clone())), Ok(trace));
        let unsampled = Trace::parse(&PARENT.replace("-01", "-00"), None).expect("not sampled is allowed");
        assert!(!unsampled.is_sampled());
        assert_eq!(Trace::from_bytes(&unsampled.to_bytes()), Some(unsampled));
    }

    #[test]
    fn what_a_later_version_adds_is_passed_over() {
        let later = PARENT.replacen("00", "cc", 1);
        for text in [later.clone(), format!("{later}-what-the-future-brings")] {
            assert_eq!(Trace::parse(&text, None).expect("a later version").parent(), PARENT, "{text}");
        }
        let flags = Trace::parse(&PARENT.replace("-01", "-ff"), None).expect("unknown flags");
        assert_eq!(flags.parent(), PARENT.replace("-01", "-03"));
    }

    #[test]
    fn what_is_no_traceparent_is_not_followed() {
        for text in [
            "",
            "00",
            &PARENT[1..],
            &PARENT[..54],
            &format!("{PARENT}-more"),
            &PARENT.replacen("00", "cc", 1).replace("-01", "-01.more"),
            &PARENT.replacen("00", "ff", 1),
            &PARENT.replacen("00", "0g", 1),
            &PARENT.to_uppercase(),
            &PARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &PARENT.replace("b7ad6b7169203331", &"0".repeat(16)),
            "00-0af7651916cd43dd8448eb211c80319cb7ad6b7169203331-01--",
            "00-0af7651916cd43dd8448eb211c80319ü-b7ad6b7169203331-01",
        ] {
            assert_eq!(Trace::parse(text, None), None, "{text}");
        }
        assert_eq!(Trace::from_bytes(&[0; 25]), None);
        assert_eq!(Trace::from_bytes(&[1; 24]), None);
    }

    #[test]
    fn a_state_that_is_not_fit_is_left_out() {
        let state = |text: &str| Trace::parse(PARENT, Some(text)).expect("its parent is fit").state().map(str::to_owned);
        assert_eq!(state(" a=1 "), Some("a=1".to_owned()));
        assert_eq!(state(&"a".repeat(512)).map(|text| text.len()), Some(512));
        for text in ["", "  ", "a=\u{7f}", "a=ü", "a=1\r\nb: 2", &"a".repeat(513)] {
            assert_eq!(state(text), None, "{text:?}");
        }
    }
}
