//! Folders for what is only needed while a backup is made or looked at: of this user alone, removed with the attempt. What a killed process left is
//! removed by a later one.

use crate::{BackupError, Means};
use longshore_base::Code;
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

/// Older ones have no owner any more: no attempt lasts so long.
const LEFT_FOR: Duration = Duration::from_hours(7 * 24);

/// Where everybody passes, on a disk and not in memory.
const COMMON: &str = "/var/tmp";
/// Bytes of a folder in which a server makes its socket: a socket's path has 107, and `/`, this attempt's name and `/.s.PGSQL.5432` follow.
const FOR_A_SOCKET: usize = 107 - 48;

/// One folder.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A new, empty folder. `job` and `token` name it, so that a repeated attempt finds what the one before left.
    pub(crate) fn new(means: &Means, job: &str, token: u64) -> Result<Self, BackupError> {
        Self::below(&home(means)?, "", means, job, token)
    }

    /// The same where a server of this user can make its socket.
    pub(crate) fn for_server(means: &Means, job: &str, token: u64) -> Result<Self, BackupError> {
        Self::where_it(takes_sockets, means, job, token)
    }

    /// The same where a server of another user can.
    pub(crate) fn passable(means: &Means, job: &str, token: u64) -> Result<Self, BackupError> {
        Self::where_it(|home| takes_sockets(home) && is_passable(home), means, job, token)
    }

    fn where_it(fits: impl Fn(&Path) -> bool, means: &Means, job: &str, token: u64) -> Result<Self, BackupError> {
        let home = home(means)?;
        if fits(&home) {
            Self::below(&home, "", means, job, token)
        } else {
            Self::below(Path::new(COMMON), "longshore-", means, job, token)
        }
    }

    fn below(home: &Path, prefix: &str, means: &Means, job: &str, token: u64) -> Result<Self, BackupError> {
        let failed = |error: io::Error| {
            BackupError::transient(Code::BackupScratch, format!("the scratch folder {} cannot be used: {error}", home.display()))
        };
        fs::create_dir_all(home).map_err(failed)?;
        // The end of a job's id is what differs; names are short, because a socket's path has no more than 107 bytes.
        let job: String = job.chars().filter(char::is_ascii_alphanumeric).collect();
        let stem = format!("{prefix}{}-", &job[job.len().saturating_sub(12)..]);
        sweep(home, &stem, prefix, means.clock.now());
        let path = home.join(format!("{stem}{token}"));
        fs::DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Lets another user in: a server that refuses to run as root runs as somebody else.
    pub(crate) fn give_to(&self, user: u32, group: u32) -> io::Result<()> {
        fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700))?;
        std::os::unix::fs::chown(&self.0, Some(user), Some(group))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A thread may still be writing; it stops at once, and what it leaves is swept later.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// What earlier attempts of this job, and attempts of long ago, left.
fn sweep(home: &Path, own: &str, prefix: &str, now: i64) {
    let now = Duration::from_millis(u64::try_from(now).unwrap_or(0));
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let modified = entry.metadata().and_then(|about| about.modified()).ok();
        let at = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let old = name.starts_with(prefix) && at.is_some_and(|at| now.saturating_sub(at) > LEFT_FOR);
        if name.starts_with(own) || old {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

/// The scratch folder as every program finds it: tools run in other working folders than we do.
fn home(means: &Means) -> Result<PathBuf, BackupError> {
    let failed = |error| BackupError::transient(Code::BackupScratch, format!("{}: {error}", means.scratch.display()));
    std::path::absolute(&means.scratch).map_err(failed)
}

fn takes_sockets(home: &Path) -> bool {
    home.as_os_str().len() <= FOR_A_SOCKET
}

/// Whether everybody may pass to what is below this folder, or to where it will be.
fn is_passable(folder: &Path) -> bool {
    let there = folder.ancestors().filter_map(|folder| fs::metadata(folder).ok());
    there.map(|about| about.permissions().mode()).all(|mode| mode & 0o001 != 0)
}

#[cfg(test)]
mod tests {
    use super::Scratch;
    use crate::Means;
    use longshore_base::SystemClock;
    use std::{collections::BTreeMap, path::PathBuf};

    fn means(scratch: impl Into<PathBuf>) -> Means {
        Means { aws: BTreeMap::new(), scratch: scratch.into(), path: "".into(), clock: SystemClock::new() }
    }

    #[test]
    fn tools_find_the_folder_wherever_they_run() {
        let name = format!("scratch-of-a-test-{}", std::process::id());
        let scratch = Scratch::new(&means(&name), "job", 1).expect("a folder");
        let whole = std::env::current_dir().expect("a working folder").join(&name).join("job-1");
        assert_eq!(scratch.path(), whole);
        drop(scratch);
        std::fs::remove_dir(&name).expect("empty again");
    }

    #[test]
    fn a_server_gets_a_folder_in_which_it_can_make_its_socket() {
        let dir = tempfile::TempDir::new().expect("a temporary folder");
        let long = dir.path().join("a-long-name/".repeat(12));
        for scratch in [Scratch::for_server(&means(&long), "0199b0c4-0000-7000-8000-000000000001", 1_795_450_909_036_001)]
            .into_iter()
            .chain([Scratch::passable(&means(&long), "0199b0c4-0000-7000-8000-000000000002", 1_795_450_909_036_001)])
        {
            let scratch = scratch.expect("a folder");
            std::os::unix::net::UnixListener::bind(scratch.path().join(".s.PGSQL.5432")).expect("a socket");
        }
        let short = Scratch::for_server(&means(dir.path()), "0199b0c4-0000-7000-8000-000000000001", 1).expect("a folder");
        assert!(short.path().starts_with(dir.path()), "where the operator wants it, if that fits");
    }
}
