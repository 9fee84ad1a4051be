//! A wall clock of a server that a test moves: a library that is loaded before libc adds an offset, which it reads from a file that it has
//! mapped. Durations of the server are not touched, as with an operator or NTP.

use super::{folder, home};
use longshore_base::{Clock, Millis, SystemClock};
use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    path::PathBuf,
    process::Command,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering},
    },
};

/// Built once for this process, with the compiler that the bundled SQLite needs too.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let place = folder("jumping");
    let (source, library) = (place.join("jumping.c"), place.join("jumping.so"));
    std::fs::write(&source, include_str!("jumping.c")).expect("our own folder");
    let mut compiler = Command::new("gcc");
    let told = compiler.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source).output().expect("gcc runs");
    assert!(told.status.success(), "gcc: {}", String::from_utf8_lossy(&told.stderr));
    library
});

/// One server's wall clock.
#[derive(Debug)]
pub(crate) struct Jumping {
    path: PathBuf,
    file: File,
    offset: AtomicI64,
    clock: Arc<SystemClock>,
}

impl Jumping {
    /// A clock that shows the machine's time.
    pub(crate) fn new() -> Self {
        let path = folder("clock").join("offset");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).expect("our own folder");
        let clock = Self { path, file, offset: AtomicI64::new(0), clock: SystemClock::new() };
        clock.jump(0);
        clock
    }

    /// The variables that put a process under this clock.
    pub(crate) fn variables(&self) -> [(&'static str, String); 2] {
        [("LD_PRELOAD", home::text(&LIBRARY)), ("JUMPING_CLOCK", home::text(&self.path))]
    }

    /// Moves it at once, back when negative.
    pub(crate) fn jump(&self, by: Millis) {
        let offset = self.offset.fetch_add(by, Ordering::SeqCst) + by;
        self.file.write_all_at(&offset.to_ne_bytes(), 0).expect("our own file");
    }

    /// What it shows.
    pub(crate) fn now(&self) -> Millis {
        self.clock.now() + self.offset.load(Ordering::SeqCst)
    }
}
