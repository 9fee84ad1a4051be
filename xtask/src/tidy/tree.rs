//! The checkout as the rules see it: text files by path, relative and with `/`.

use std::{fmt, path::Path};

/// What is never looked at: built, downloaded or somebody's data.
const SKIPPED: &[&str] = &[".git", "target", "node_modules", "longshore-data", "dist"];

/// Other systems, measured beside ours: programs of their own with their own locks, that are no crates of this house.
const PEERS: &str = "benches/peers/";

/// One text file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    pub(super) fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|own| own == extension)
    }
    /// In a folder of tests, or a file of tests beside its module, or xtask, which is a person's tool and no part of the engine, or a peer.
    pub(super) fn is_test(&self) -> bool {
        let file = self.path.rsplit('/').next().unwrap_or_default();
        let beside = ["tests/", "xtask/", PEERS].iter().any(|folder| self.path.starts_with(folder));
        beside || self.path.contains("/tests/") || file == "tests.rs"
    }
    /// Lines counted from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| (at + 1, line))
    }
    pub(super) fn fault(&self, line: usize, what: impl Into<String>) -> Fault {
        Fault { path: self.path.clone(), line, what: what.into() }
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Tree(Vec<File>);

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let entries = walkdir::WalkDir::new(root).sort_by_file_name().into_iter();
        let entries = entries.filter_entry(|entry| !SKIPPED.iter().any(|name| entry.file_name() == *name));
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| error.to_string())?;
            if !entry.file_type().is_file() {
                continue;
            }
            let bytes = std::fs::read(entry.path()).map_err(|error| format!("{}: {error}", entry.path().display()))?;
            let path = entry.path().strip_prefix(root).map_err(|error| error.to_string())?.to_string_lossy().replace('\\', "/");
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(File { path, text });
            }
        }
        Ok(Self(files))
    }
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| File { path: (*path).into(), text: (*text).into() }).collect())
    }
    pub(super) fn files(&self) -> &[File] {
        &self.0
    }
    pub(super) fn with(&self, extension: &str) -> impl Iterator<Item = &File> {
        self.0.iter().filter(move |file| file.is(extension))
    }
    pub(super) fn get(&self, path: &str) -> Option<&File> {
        self.0.iter().find(|file| file.path == path)
    }
    /// The manifest of every crate of this house with its folder; the workspace's own is left out.
    pub(super) fn manifests(&self) -> impl Iterator<Item = (&str, &File)> {
        self.all_manifests().filter(|(folder, _)| !folder.starts_with(PEERS))
    }
    /// The same with those of peers.
    pub(super) fn all_manifests(&self) -> impl Iterator<Item = (&str, &File)> {
        self.0.iter().filter_map(|file| file.path.strip_suffix("/Cargo.toml").map(|folder| (folder, file)))
    }
}

/// One place where a rule is broken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) path: String,
    /// 0: the file as a whole.
    pub(super) line: usize,
    pub(super) what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}
