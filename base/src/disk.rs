//! How much room a file system has left.

use std::{io, path::Path};

/// Bytes of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What this user may still write.
    pub free: u64,
    /// How large it is.
    pub all: u64,
    /// Files that can still be made; None where the file system does not count them.
    pub files: Option<u64>,
}

/// The file system that holds `path`, which must exist.
///
/// # Errors
/// What the system says, such as that `path` is not there.
pub fn free_space(path: &Path) -> io::Result<Space> {
    let told = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(told.f_frsize);
    Ok(Space { free: bytes(told.f_bavail), all: bytes(told.f_blocks), files: (told.f_files > 0).then_some(told.f_favail) })
}

#[cfg(test)]
mod tests {
    use super::free_space;
    use std::path::Path;

    #[test]
    fn a_folder_has_room_and_a_missing_one_has_none_to_tell() {
        let here = free_space(Path::new(".")).expect("the working folder is there");
        assert!(here.all > 0 && here.free <= here.all);
        assert!(free_space(Path::new("./there/is/no/such/folder")).is_err());
    }
}
