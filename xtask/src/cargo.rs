//! Calls of cargo: the same toolchain that runs xtask, in the checkout, without stdin.

use crate::env;
use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

/// `cargo ARGS`, ready to run. What cargo told xtask about xtask itself is not handed on: build scripts would see it as a change.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env::var("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(env::root()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let own = name.to_str().is_some_and(|n| n.starts_with("CARGO_PKG_") || n.starts_with("CARGO_MANIFEST_"));
        if own || name == "CARGO_BIN_NAME" || name == "CARGO_CRATE_NAME" || name == "CARGO_PRIMARY_PACKAGE" {
            command.env_remove(name);
        }
    }
    command
}

/// Runs `command` with its output on ours. False: it failed.
pub(crate) fn passes(mut command: Command) -> Result<bool, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.status().map(|status| status.success()).map_err(|error| format!("cannot start {name}: {error}"))
}

/// Builds one of Longshore's own binaries and answers where it is.
pub(crate) fn build(package: &str, flags: &[&str]) -> Result<PathBuf, String> {
    let args = [&["build", "--locked", "--package", package, "--message-format", "json-render-diagnostics"], flags].concat();
    let out = command(&args).stderr(Stdio::inherit()).output().map_err(|error| format!("cannot start cargo: {error}"))?;
    if !out.status.success() {
        return Err(format!("building {package} failed"));
    }
    let lines = String::from_utf8_lossy(&out.stdout);
    let file = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()).find_map(|line| {
        let ours = line["target"]["name"] == package && line["target"]["kind"][0] == "bin";
        if ours { line["executable"].as_str().map(PathBuf::from) } else { None }
    });
    file.ok_or_else(|| format!("cargo built no binary {package}"))
}

/// Builds and runs one of xtask's own binaries.
pub(crate) fn run_own(package: &str, flags: &[&str], args: &[String]) -> Result<bool, String> {
    let file = build(package, flags)?;
    let mut command = Command::new(file);
    command.args(args).current_dir(env::root());
    passes(command)
}
