//! The tools that do what only they can: pg_dump, psql, pg_restore, redis-cli, and the servers of a scratch place. Each runs in a process group of
//! its own, without this process's environment, and ends with the attempt: dropping a [`Process`] kills its group.

use crate::{BackupError, Means, means::ANSWER_MAX};
use longshore_base::Code;
use std::{
    fmt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
};

/// So much of what a tool told on stderr is kept: its end.
const TOLD_MAX: usize = 4_000;

/// Major and minor; more digits do not matter to compatibility.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32);

impl Version {
    /// The first number of `text` that has a dot, or the first number: `pg_dump (PostgreSQL) 15.8`, `redis-cli 7.0.15`, `17beta1`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let words = || text.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '=' | 'v' | ','));
        let number = |word: &str| {
            let mut parts = word.split(|c: char| !c.is_ascii_digit());
            let major = parts.next()?.parse().ok()?;
            Some(Self(major, parts.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)))
        };
        let dotted = words().filter(|word| word.contains('.')).find_map(number);
        dotted.or_else(|| words().find_map(number))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// A tool that is there.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    path: PathBuf,
    search: std::ffi::OsString,
    /// What it says of itself.
    pub(crate) told: String,
    pub(crate) version: Version,
}

impl Tool {
    /// Looks for it in PATH, then where Debian keeps PostgreSQL's servers, and asks for its version.
    pub(crate) async fn find(name: &'static str, means: &Means) -> Result<Self, BackupError> {
        let missing = |why: String| BackupError::fatal(Code::BackupToolMissing, why);
        let folders = std::env::split_paths(&means.path).chain(debian_postgres()).chain(["/usr/sbin".into()]);
        let mut found = folders.map(|folder| folder.join(name)).filter(|file| file.is_file());
        let path = found.next().ok_or_else(|| {
            missing(format!("{name} is not installed: it is neither in the PATH of this process nor where Debian keeps it"))
        })?;
        let mut tool = Self { name, path, search: means.path.clone(), told: String::new(), version: Version(0, 0) };
        let mut command = tool.command();
        command.arg("--version");
        let (status, out, told) = tool.answer(command, ANSWER_MAX).await?;
        let version = Version::read(&out).filter(|_| status.success());
        tool.version = version.ok_or_else(|| missing(format!("{name} does not tell its version: {}", last(&told))))?;
        tool.told = out.lines().next().unwrap_or_default().trim().to_owned();
        Ok(tool)
    }

    /// Fatal when it is older than the server: it would miss what it does not know.
    pub(crate) fn must_know(&self, server: Version, what: &str) -> Result<(), BackupError> {
        if self.version >= server {
            return Ok(());
        }
        let Self { name, version, .. } = self;
        Err(BackupError::fatal(Code::BackupToolOld, format!("{name} {version} is older than {what} {server}; install one of its version")))
    }

    /// A call of it: in a group of its own, and with no variable of ours but PATH.
    pub(crate) fn command(&self) -> Command {
        command(&self.path, &self.search)
    }

    /// A call of the shell, in the same surroundings.
    pub(crate) fn of_shell(&self) -> Command {
        command(Path::new("/bin/sh"), &self.search)
    }
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs a call to its end; answers what it printed and what it told.
    pub(crate) async fn answer(&self, mut command: Command, within: Duration) -> Result<(ExitStatus, String, String), BackupError> {
        command.stdout(Stdio::piped());
        let mut process = Process::start(self.name, command)?;
        let mut out = Vec::new();
        let stdout = process.child.stdout.take();
        let reading = async {
            if let Some(mut stdout) = stdout {
                stdout.read_to_end(&mut out).await.map_err(|error| BackupError::local(self.name, &error))?;
            }
            process.ended().await
        };
        match tokio::time::timeout(within, reading).await {
            Ok(ended) => {
                let (status, told) = ended?;
                Ok((status, String::from_utf8_lossy(&out).into_owned(), told))
            }
            Err(_) => Err(BackupError::transient(Code::BackupSource, format!("{} did not answer within {within:?}", self.name))),
        }
    }
}

fn command(path: &Path, search: &std::ffi::OsStr) -> Command {
    let mut command = Command::new(path);
    command.env_clear().env("PATH", search).env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    command
}

/// Folders like `/usr/lib/postgresql/15/bin`, the newest first.
fn debian_postgres() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> =
        entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))).collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

/// A tool at work.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    pub(crate) child: Child,
    told: Option<tokio::task::JoinHandle<String>>,
}

impl Process {
    pub(crate) fn start(name: &'static str, mut command: Command) -> Result<Self, BackupError> {
        let spawned = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => {
                BackupError::fatal(Code::BackupToolMissing, format!("{name} cannot be started: {error}"))
            }
            _ => BackupError::local(name, &error),
        });
        let mut child = spawned?;
        let told = child.stderr.take().map(|stderr| tokio::spawn(keep_end(stderr)));
        Ok(Self { name, child, told })
    }

    /// Waits for its end; answers how it ended and the last that it told.
    pub(crate) async fn ended(&mut self) -> Result<(ExitStatus, String), BackupError> {
        let status = self.child.wait().await.map_err(|error| BackupError::local(self.name, &error))?;
        let told = match self.told.take() {
            // A child of it may have kept the pipe.
            Some(told) => tokio::time::timeout(ANSWER_MAX, told).await.ok().and_then(Result::ok).unwrap_or_default(),
            None => String::new(),
        };
        Ok((status, told))
    }

    /// The same, within a time.
    pub(crate) async fn ended_within(&mut self, within: Duration) -> Result<(ExitStatus, String), BackupError> {
        let name = self.name;
        let late = || BackupError::transient(Code::BackupSource, format!("{name} did not end within {within:?}"));
        tokio::time::timeout(within, self.ended()).await.map_err(|_| late())?
    }

    /// How its group is ended by somebody who does not hold it. Not to be used after [`Process::ended`].
    pub(crate) fn killer(&self) -> impl Fn() + Send + use<> {
        let id = self.child.id();
        move || kill_group(id)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // None once it was waited for: the number may be somebody else's by then.
        kill_group(self.child.id());
    }
}

fn kill_group(id: Option<u32>) {
    let group = id.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        // It is gone already, which is what is wanted.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

/// The end of what a tool tells, as text.
async fn keep_end(mut from: impl tokio::io::AsyncRead + Unpin) -> String {
    let (mut kept, mut buffer) = (Vec::new(), vec![0; 4096]);
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..read]);
        if kept.len() > 2 * TOLD_MAX {
            kept.drain(..kept.len() - TOLD_MAX);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// The last lines, in one.
pub(crate) fn last(told: &str) -> String {
    let lines: Vec<_> = told.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

#[cfg(test)]
mod tests;
