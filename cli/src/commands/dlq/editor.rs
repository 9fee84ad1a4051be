//! Args in the person's own editor: a file that only they can read, which stays where what they wrote was not accepted.

use crate::{host::Host, print, stop::Stop};
use serde_json::Value;
use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// New args, and the file that they were written in.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) args: Value,
    file: Option<PathBuf>,
}

impl Draft {
    /// Args that no file holds.
    pub(super) const fn of(args: Value) -> Self {
        Self { args, file: None }
    }

    /// They are accepted, or not wanted any more.
    pub(super) fn drop_file(&self) {
        if let Some(file) = &self.file {
            drop(std::fs::remove_file(file));
        }
    }

    /// They were not accepted: whoever wrote them finds them again.
    pub(super) fn keep_file(&self, stop: Stop) -> Stop {
        match &self.file {
            Some(file) => {
                print::aside(&format!("what you wrote is in {0}; try again with --args @{0}", file.display()));
                stop
            }
            None => stop,
        }
    }
}

/// Opens the editor on `args`.
pub(super) fn edit(args: &Value, id: &str, host: &Host) -> Result<Draft, Stop> {
    let Some(editor) = &host.environment.editor else {
        return Err(Stop::usage("no editor is known: set EDITOR, or give --args JSON, --args @FILE or --args -"));
    };
    let file = std::env::temp_dir().join(format!("longshore-{}-{}.json", name(id), std::process::id()));
    write(&file, args).map_err(|error| Stop::failed(format!("{} cannot be written: {error}", file.display())))?;
    // As git does: the variable may hold flags, such as `code --wait`.
    let done = Command::new("sh").args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(&file).status();
    let draft = Draft { args: Value::Null, file: Some(file.clone()) };
    match done {
        Ok(status) if status.success() => {}
        Ok(status) => {
            draft.drop_file();
            return Err(Stop::failed(format!("`{editor}` ended with {status}; nothing was changed")));
        }
        Err(error) => {
            draft.drop_file();
            return Err(Stop::failed(format!("`{editor}` cannot be started: {error}")));
        }
    }
    let text = std::fs::read_to_string(&file).map_err(|error| Stop::failed(format!("{} cannot be read: {error}", file.display())))?;
    match serde_json::from_str(&text) {
        Ok(args) => Ok(Draft { args, ..draft }),
        Err(error) => Err(draft.keep_file(Stop::failed(format!("this is not JSON: {error}")))),
    }
}

fn write(file: &Path, args: &Value) -> std::io::Result<()> {
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(out, "{args:#}")
}

/// An id as a part of a file's name, whatever somebody typed.
fn name(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect()
}
