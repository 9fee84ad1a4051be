//! One folder for everything that this test process writes, removed when the process is gone, however it ends.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

struct Home {
    path: PathBuf,
    /// Waits at a pipe that we never write to; when we die it reads the end and removes the folder.
    _cleaner: Child,
}

static HOME: LazyLock<Home> = LazyLock::new(|| home(&std::env::temp_dir()));
/// In memory where the machine has such a folder.
static MEMORY: LazyLock<Home> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { home(memory) } else { home(&std::env::temp_dir()) }
});

fn home(below: &Path) -> Home {
    let path = tempfile::Builder::new().prefix("longshore-it-").tempdir_in(below).expect("a folder for temporary files").keep();
    // The servers die at the same moment and may write a last file, hence the few rounds. A group of its own, so that an interrupt at
    // the keyboard does not end the cleaner with us.
    let script = "cat >/dev/null; i=0; while [ -e \"$0\" ] && [ $i -lt 50 ]; do rm -rf \"$0\"; i=$((i+1)); done";
    let mut cleaner = Command::new("sh");
    cleaner.args(["-c", script]).arg(&path).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    Home { _cleaner: cleaner.spawn().expect("sh"), path }
}

/// A new folder inside this process's own.
pub(crate) fn folder(name: &str) -> PathBuf {
    new(&HOME, name)
}

/// The same in memory, for what is measured against the clock and has nothing to do with the disk.
pub(crate) fn folder_in_memory(name: &str) -> PathBuf {
    new(&MEMORY, name)
}

fn new(home: &Home, name: &str) -> PathBuf {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let path = home.path.join(format!("{name}-{}", MADE.fetch_add(1, Ordering::Relaxed)));
    std::fs::create_dir(&path).expect("a new folder");
    path
}

/// A path of ours as text.
pub(super) fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

/// Lets other users pass through to a folder of theirs.
pub(super) fn let_pass(user: &str, folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&HOME.path, std::fs::Permissions::from_mode(0o755)).expect("our own folder");
    let done = Command::new("chown").arg("-R").arg(user).arg(folder).status().expect("chown");
    assert!(done.success(), "chown {user} {}", folder.display());
}
