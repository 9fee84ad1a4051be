//! Processes that end with their owner, and what Linux tells of them. See proc(5).

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

/// `/proc` counts processor time in hundredths of a second on every Linux that Longshore is built for.
const TICKS: f64 = 100.0;

/// A process that ends with its owner, or with us if we are killed.
#[derive(Debug)]
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(program: &Path, args: &[&str], log: &Path, stdout: Stdio) -> Result<Self, String> {
        let log = std::fs::File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(args).stdin(Stdio::null()).stdout(stdout).stderr(log);
        command.spawn().map(Self).map_err(|error| format!("cannot start {} (by setpriv of util-linux): {error}", program.display()))
    }

    /// Seconds of processor time that it has used.
    pub(crate) fn cpu(&self) -> Result<f64, String> {
        let stat = self.read("stat")?;
        // The name of the program may have spaces; what follows its bracket does not.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
        let used = ticks(11).zip(ticks(12)).map(|(user, system)| (user + system) / TICKS);
        used.ok_or_else(|| format!("/proc has no times of process {}", self.0.id()))
    }

    /// Bytes of memory that it holds now.
    pub(crate) fn memory(&self) -> Result<f64, String> {
        let status = self.read("status")?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse::<f64>().ok());
        kilobytes.map(|kilobytes| kilobytes * 1024.0).ok_or_else(|| format!("/proc has no memory of process {}", self.0.id()))
    }

    fn read(&self, file: &str) -> Result<String, String> {
        let path = format!("/proc/{}/{file}", self.0.id());
        std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}; the process has ended"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
