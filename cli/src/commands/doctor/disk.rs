//! Room on the disks that hold our files.

use super::Finding;
use longshore_base::{Space, free_space};
use longshore_config::{BrokerPlace, FilesPlace, Settings, StorePlace};
use std::path::{Path, PathBuf};

/// With less, writes fail any moment.
const FAULT_BELOW: u64 = 64 << 20;
/// With less, somebody should make room.
const NOTE_BELOW: u64 = 1 << 30;
const MEND: &str = "make room (df -h, du -sh), or name another folder with --data";

/// One finding for each folder that is ours and there.
pub(super) fn all(settings: &Settings) -> Vec<Finding> {
    folders(settings).iter().filter(|folder| folder.exists()).map(|folder| look(folder)).collect()
}

fn folders(settings: &Settings) -> Vec<PathBuf> {
    let mut folders = vec![settings.data.clone()];
    let parent = |path: &Path| path.parent().filter(|parent| !parent.as_os_str().is_empty()).map(Path::to_owned);
    if let BrokerPlace::Sqlite(path) = &settings.broker {
        folders.extend(parent(path));
    }
    if let StorePlace::Sqlite(path) = &settings.store {
        folders.extend(parent(path));
    }
    if let FilesPlace::Folder(path) = &settings.files {
        folders.push(path.clone());
    }
    let mut seen = std::collections::BTreeSet::new();
    folders.retain(|folder| seen.insert(folder.clone()));
    folders
}

fn look(folder: &Path) -> Finding {
    match free_space(folder) {
        Ok(space) => grade(folder, space),
        Err(error) => Finding::note("disk", format!("{}: its room cannot be told: {error}", folder.display())),
    }
}

fn grade(folder: &Path, space: Space) -> Finding {
    let told = format!("{}: {} free of {}", folder.display(), size(space.free), size(space.all));
    if space.files == Some(0) {
        return Finding::fault("disk", format!("{told}, but not one more file can be made")).mend("remove files that nobody needs (df -i)");
    }
    if space.free < FAULT_BELOW {
        return Finding::fault("disk", format!("{told}: writes fail any moment")).mend(MEND);
    }
    if space.free < NOTE_BELOW || space.free < space.all / 20 {
        return Finding::note("disk", format!("{told}: that is little")).mend(MEND);
    }
    Finding::ok("disk", told)
}

fn size(bytes: u64) -> String {
    if bytes < 10 << 30 { format!("{} MiB", bytes >> 20) } else { format!("{} GiB", bytes >> 30) }
}

#[cfg(test)]
mod tests {
    use super::{super::Grade, grade};
    use longshore_base::Space;
    use std::path::Path;

    #[test]
    fn little_room_is_a_note_and_none_a_fault() {
        let check = |free, all, files| grade(Path::new("/data"), Space { free, all, files }).grade;
        assert_eq!(check(50 << 30, 100 << 30, Some(7)), Grade::Ok);
        assert_eq!(check(50 << 30, 100 << 30, None), Grade::Ok);
        assert_eq!(check(4 << 30, 100 << 30, Some(7)), Grade::Note);
        assert_eq!(check(512 << 20, 1 << 30, Some(7)), Grade::Note);
        assert_eq!(check(1 << 20, 100 << 30, Some(7)), Grade::Fault);
        assert_eq!(check(50 << 30, 100 << 30, Some(0)), Grade::Fault);
    }
}
