//! Adds up what the test runners say.

/// Cases over all test binaries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Counts {
    /// Adds `test result: ok. 12 passed; 0 failed; 1 ignored; …`; any other line says nothing.
    pub(crate) fn read(&mut self, line: &str) {
        let Some((_, result)) = line.trim().strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else { return };
        for part in result.split(';') {
            let mut words = part.split_whitespace();
            let (count, what) = (words.next().and_then(|count| count.parse::<u64>().ok()), words.next());
            match (count, what) {
                (Some(n), Some("passed")) => self.passed += n,
                (Some(n), Some("failed")) => self.failed += n,
                (Some(n), Some("ignored")) => self.ignored += n,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn adds_up_every_binary() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 5 filtered out; finished in 0.00s",
            "test result: FAILED. 40 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 9.12s",
        ] {
            counts.read(line);
        }
        assert_eq!(counts, Counts { passed: 42, failed: 3, ignored: 1 });
    }

    #[test]
    fn other_lines_count_nothing() {
        let mut counts = Counts::default();
        counts.read("test result is not here: 9 passed");
        counts.read("7 passed; 7 failed");
        assert_eq!(counts, Counts::default());
    }
}
