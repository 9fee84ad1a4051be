//! Big-endian bytes, as `struct.pack` and `struct.unpack` of the scripts speak them.

use crate::{ErrorInfo, JobId, Json};
use longshore_base::{Millis, Name};
use serde_json::value::RawValue;

/// Builds a blob.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn with_capacity(n: usize) -> Self {
        Self(Vec::with_capacity(n))
    }
    pub(super) fn u8(&mut self, value: u8) -> &mut Self {
        self.raw([value])
    }
    pub(super) fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(value.to_be_bytes())
    }
    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(value.to_be_bytes())
    }
    pub(super) fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(value.to_be_bytes())
    }
    pub(super) fn f64(&mut self, value: f64) -> &mut Self {
        self.raw(value.to_be_bytes())
    }
    pub(super) fn raw(&mut self, value: impl AsRef<[u8]>) -> &mut Self {
        self.0.extend_from_slice(value.as_ref());
        self
    }
    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a blob; every read is None behind its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
    pub(super) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n)?;
        self.0 = tail;
        Some(head)
    }
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0
    }
    pub(super) fn uint(&mut self, n: usize) -> Option<u64> {
        Some(self.take(n)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }
    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }
    pub(super) fn u16(&mut self) -> Option<u16> {
        self.uint(2)?.try_into().ok()
    }
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.uint(4)?.try_into().ok()
    }
    pub(super) fn u64(&mut self) -> Option<u64> {
        self.uint(8)
    }
    pub(super) fn millis(&mut self) -> Option<Millis> {
        self.u64()?.try_into().ok()
    }
    pub(super) fn id(&mut self) -> Option<JobId> {
        Some(JobId::from_bytes(self.take(16)?.try_into().ok()?))
    }
    pub(super) fn text(&mut self, n: usize) -> Option<String> {
        String::from_utf8(self.take(n)?.to_vec()).ok()
    }
    pub(super) fn name(&mut self, n: usize) -> Option<Name> {
        Name::new(std::str::from_utf8(self.take(n)?).ok()?).ok()
    }
    pub(super) fn rest_text(&mut self) -> Option<String> {
        self.text(self.0.len())
    }
    /// The rest, as JSON text that is not looked into.
    pub(super) fn json(&mut self) -> Option<Json> {
        RawValue::from_string(self.rest_text()?).ok()
    }
}

/// JSON text that was stored by us.
pub(super) fn json(bytes: &[u8]) -> Option<Json> {
    Reader::new(bytes).json()
}

/// An error as stored: code, fingerprint, message.
pub(super) fn encode_error(error: &ErrorInfo) -> Vec<u8> {
    let (code, print) = (cut(&error.code, 256), cut(&error.fingerprint, 256));
    let message = cut(&error.message, crate::ERROR_MAX);
    let mut out = Writer::with_capacity(4 + code.len() + print.len() + message.len());
    let length = |text: &str| u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.u16(length(code)).raw(code).u16(length(print)).raw(print).raw(message);
    out.done()
}

/// Back from [`encode_error`].
pub(super) fn decode_error(stored: &[u8]) -> Option<ErrorInfo> {
    let mut r = Reader::new(stored);
    let n = r.u16()?;
    let code = r.text(n.into())?;
    let n = r.u16()?;
    let fingerprint = r.text(n.into())?;
    Some(ErrorInfo { code, fingerprint, message: r.rest_text()? })
}

/// At most `max` bytes, not inside a character.
pub(super) fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
