//! How a command ends: the exit codes of CONTRACT.md, and a message that says what to do next.

use serde_json::{Value, json};
use std::process::ExitCode;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Stop {
    code: u8,
    message: String,
    /// For `--json`: what a program may want to branch on.
    problem: Option<Value>,
}

impl Stop {
    /// 1: it was tried and did not work.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into(), problem: None }
    }
    /// 2: the command line is at fault.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into(), problem: None }
    }
    /// 69: what it needs cannot be reached.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self { code: 69, message: message.into(), problem: None }
    }
    /// 77: the key may not do this.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { code: 77, message: message.into(), problem: None }
    }
    /// 78: the configuration is at fault.
    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self { code: 78, message: message.into(), problem: None }
    }
    /// The same with the document that a program may branch on.
    pub(crate) fn with_problem(mut self, problem: Value) -> Self {
        self.problem = Some(problem);
        self
    }
    /// What the API answered, or what a program may branch on.
    pub(crate) const fn problem(&self) -> Option<&Value> {
        self.problem.as_ref()
    }
    /// True for 69.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.code == 69
    }
    /// True for 69 when nobody answered at all.
    pub(crate) fn is_no_answer(&self) -> bool {
        self.code == 69 && self.problem.is_none()
    }
    /// The sentence for people.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Tells the reason on stderr, as one JSON line if `json`, and gives the exit code.
    pub(crate) fn tell(&self, json: bool) -> ExitCode {
        if json {
            let told = self.problem.clone().unwrap_or_else(|| json!({ "detail": self.message }));
            crate::print::aside(&json!({ "exit": self.code, "error": told }).to_string());
        } else {
            crate::print::aside(&format!("error: {}", self.message));
        }
        ExitCode::from(self.code)
    }
}

impl From<longshore_config::Faults> for Stop {
    fn from(faults: longshore_config::Faults) -> Self {
        let problem = json!({ "code": "config.invalid", "detail": "the configuration has faults", "faults": faults.0 });
        Self::config(format!("{faults}\n\n`longshore config check` repeats this report")).with_problem(problem)
    }
}
