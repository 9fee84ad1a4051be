//! The process that answers: cronsim in Python, with the time zones of the tzdata package and no others.

use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::mpsc,
};

const VENV: &str = include_str!("../make_venv.py");
const ANSWER: &str = include_str!("../answer.py");

/// The oracle. Its process ends with this value: its questions end.
#[derive(Debug)]
pub(crate) struct Oracle {
    child: Child,
    questions: Option<mpsc::Sender<Value>>,
    answers: mpsc::Receiver<String>,
}

impl Oracle {
    /// Starts it, and looks whether it has the time zones that we have.
    pub(crate) fn start() -> Result<Self, String> {
        let python = python()?;
        let mut command = Command::new(&python);
        command.args(["-I", "-X", "utf8", "-c", ANSWER]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{python}: {error}"))?;
        let (stdin, stdout) = child.stdin.take().zip(child.stdout.take()).ok_or("no pipes")?;
        let (questions, asked) = mpsc::channel::<Value>();
        let (tell, answers) = mpsc::channel();
        std::thread::spawn(move || {
            let mut stdin = stdin;
            asked.into_iter().try_for_each(|question| writeln!(stdin, "{question}"))
        });
        std::thread::spawn(move || BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let oracle = Self { child, questions: Some(questions), answers };
        let hello: Value = oracle.answer()?;
        let ours = chrono_tz::IANA_TZDB_VERSION;
        if hello["tzdata"] != ours {
            return Err(format!(
                "chrono-tz has the time zones of {ours}, the oracle those of {}: change the pin in make_venv.py",
                hello["tzdata"]
            ));
        }
        Ok(oracle)
    }

    /// Asks; the answers come in the order of the questions.
    pub(crate) fn ask(&self, question: Value) {
        // If it is gone, the missing answer tells.
        let _ = self.questions.as_ref().map(|questions| questions.send(question));
    }

    pub(crate) fn answer<T: DeserializeOwned>(&self) -> Result<T, String> {
        let line = self.answers.recv().map_err(|_| "the oracle ended; its error stands above")?;
        serde_json::from_str(&line).map_err(|error| format!("the oracle said {line}: {error}"))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.questions = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Python with the oracle's packages, made when it is not there yet.
fn python() -> Result<String, String> {
    let made = Command::new("python3").args(["-I", "-c", VENV]).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let made = made.map_err(|error| format!("python3: {error}; on Debian: apt-get install python3-venv"))?;
    if !made.status.success() {
        return Err("python3 could not make the oracle's venv; on Debian: apt-get install python3-venv".into());
    }
    String::from_utf8(made.stdout).map(|path| path.trim().to_owned()).map_err(|error| error.to_string())
}
