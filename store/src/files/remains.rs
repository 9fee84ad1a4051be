//! What interrupted writers leave in a folder: the local store writes `name#N` and renames it when it is whole.

use longshore_base::Millis;
use std::{io, path::Path, time::UNIX_EPOCH};

/// Removes staged files that were last written before `before`, and answers how many.
pub(super) fn remove(folder: &Path, before: Millis) -> io::Result<u64> {
    let (mut removed, mut folders) = (0, vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && is_staged(&entry.file_name().to_string_lossy()) && written(&entry)? < before {
                // Its writer may have finished or taken it back in between.
                match std::fs::remove_file(entry.path()) {
                    Ok(()) => removed += 1,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(removed)
}

fn is_staged(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, rest)| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}

/// A file that is gone in between counts as new.
fn written(entry: &std::fs::DirEntry) -> io::Result<Millis> {
    let modified = match entry.metadata() {
        Ok(metadata) => metadata.modified()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Millis::MAX),
        Err(error) => return Err(error),
    };
    Ok(modified.duration_since(UNIX_EPOCH).map_or(0, |since| Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)))
}
