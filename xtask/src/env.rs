//! The one place of xtask that reads the environment and the clock.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// A variable that is set and not empty.
#[expect(clippy::disallowed_methods, reason = "xtask is a person's tool, not a part of the engine")]
pub(crate) fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where things that outlive a checkout are kept: `$XDG_CACHE_HOME/longshore`, else `~/.cache/longshore`.
pub(crate) fn cache() -> PathBuf {
    let base = var("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| var("HOME").map(|home| Path::new(&home).join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("longshore")
}

/// The checkout, as `cargo xtask` tells it when it runs: two checkouts may share a target folder, so it is not what was compiled in.
pub(crate) fn root() -> PathBuf {
    let manifest = var("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// Whether this process may install packages.
pub(crate) fn is_root() -> bool {
    std::process::Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout.trim_ascii() == b"0")
}

/// `name` in PATH, or where Debian puts servers that are not in everybody's PATH.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = var("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    folders.push("/sbin".into());
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Measures how long something takes.
pub(crate) struct Watch(Instant);

impl Watch {
    #[expect(clippy::disallowed_methods, reason = "xtask is a person's tool, not a part of the engine")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
    pub(crate) fn passed(&self) -> Duration {
        self.0.elapsed()
    }
}
