//! The last wall before stderr: whatever a process logs passes through its veil, and a panic is a log line like any other.

use longshore_config::Veil;
use std::io::{self, Stderr, Write};
use tracing_subscriber::fmt::MakeWriter;

/// Writes lines to stderr with the values of secrets covered. A line comes in one call, so that none is cut in two.
#[derive(Debug, Clone)]
pub(crate) struct Veiled {
    veil: Veil,
}

impl Veiled {
    pub(crate) fn stderr(veil: &Veil) -> Self {
        Self { veil: veil.clone() }
    }
}

impl<'a> MakeWriter<'a> for Veiled {
    type Writer = Lines<'a, Stderr>;

    fn make_writer(&'a self) -> Self::Writer {
        Lines { veil: &self.veil, to: io::stderr() }
    }
}

/// See [`Veiled`].
#[derive(Debug)]
pub(crate) struct Lines<'a, W> {
    veil: &'a Veil,
    to: W,
}

impl<W: Write> Write for Lines<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.veil.is_empty() {
            true => self.to.write_all(line)?,
            false => self.to.write_all(self.veil.cover(&String::from_utf8_lossy(line)).as_bytes())?,
        }
        Ok(line.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Tells panics in the log from now on. The usual hook writes to stderr by itself, past every veil.
pub(crate) fn panics() {
    std::panic::set_hook(Box::new(|panic| {
        let said = panic.payload_as_str().unwrap_or("without a message");
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(thread = thread.name().unwrap_or_default(), at, "panicked: {said}");
    }));
}

#[cfg(test)]
mod tests {
    use super::Lines;
    use longshore_config::{Secret, Veil};
    use std::io::Write;

    #[test]
    fn lines_are_covered() {
        let veil = Veil::default();
        let mut to = Vec::new();
        Lines { veil: &veil, to: &mut to }.write_all(b"before tok-12345\n").unwrap();
        veil.hide(&Secret::new("tok-12345".to_owned()));
        Lines { veil: &veil, to: &mut to }.write_all(b"after tok-12345\n").unwrap();
        assert_eq!(String::from_utf8(to).unwrap(), "before tok-12345\nafter ***\n");
    }
}
