//! The place of large args and outputs: whether it can be written to, and whether the other processes see the same.

use super::{Finding, Grade, not_there};
use crate::{host::Host, roles::parts};
use longshore_config::{FilesPlace, Settings};
use longshore_store::{Files, FilesError};
use std::time::Duration;

/// What does not answer a person within this time is told as such.
const PATIENCE: Duration = Duration::from_secs(15);
const MEND: &str = "see that --files names it, that it runs, and that the AWS_… variables have keys that may read, write, list and remove";
const SHARE: &str = "give every process the same --files: a bucket, or a folder that all machines mount";

/// What is to be said of the place.
pub(super) async fn all(settings: &Settings, host: &Host) -> Vec<Finding> {
    if let FilesPlace::Folder(path) = &settings.files
        && let Some(missing) = not_there("files", path)
    {
        return vec![missing];
    }
    let files = match parts::files(settings, host) {
        Ok(files) => files,
        Err(stop) => return vec![Finding::stop("files", &stop)],
    };
    let mut found = vec![look(&files, &format!("probes/{:016x}", host.random.bits())).await];
    if files.is_folder() && !settings.broker.is_sqlite() {
        let told = "are in a folder: processes on other machines cannot run jobs with args over 256 KiB unless they see the same one";
        found.push(Finding::note("files", told.to_owned()).mend(SHARE));
    }
    found
}

async fn look(files: &Files, probe: &str) -> Finding {
    let error = match tokio::time::timeout(PATIENCE, files.check(probe)).await {
        Ok(Ok(())) => return Finding::ok("files", format!("{} can be written and read", files.place())),
        Ok(Err(error)) => error,
        Err(_) => {
            let told = format!("{} did not answer within {} s", files.place(), PATIENCE.as_secs());
            return Finding::new("files", Grade::Unreachable, told).mend(MEND);
        }
    };
    let grade = if matches!(error, FilesError::Unavailable { .. }) && !files.is_folder() { Grade::Unreachable } else { Grade::Fault };
    Finding::new("files", grade, format!("{}: {}", files.place(), longshore_base::chain(&error))).mend(MEND)
}
