//! Where backups lie: `NAME/RUN/manifest.json` beside `NAME/RUN/data-TOKEN.…`, in a folder or a bucket. A run without a manifest is no backup:
//! nobody lists it but prune, which removes it when it is old.

use crate::{BackupError, Draft, Manifest, Means, error::chain};
use bytes::Bytes;
use futures::TryStreamExt;
use longshore_base::{Code, Millis, Name};
use longshore_store::{FileMeta, Files, FilesError, FilesOptions};
use std::{collections::BTreeMap, path::Path};

const MANIFEST: &str = "manifest.json";
/// A manifest with a hundred thousand tables has a third of this.
const MANIFEST_MAX: usize = 32 << 20;

/// An opened target.
#[derive(Debug, Clone)]
pub struct Target {
    pub(crate) files: Files,
    means: Means,
}

/// One making of a backup: all attempts of a job are one run.
#[derive(Debug, Clone)]
pub struct Run {
    /// Whose.
    pub name: Name,
    /// When the job was made, and which it is: sorts by time.
    pub id: String,
    /// The attempt's; it names the data, so that no attempt writes into another's.
    pub token: u64,
}

/// Which backup somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The newest good one of a name.
    Newest(Name),
    /// The one of this manifest, as `ops.backup` answers it.
    Manifest(String),
}

/// What lies under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// Its manifest can be read, and its data has the length that it says.
    Good(Box<Manifest>),
    /// It has a manifest, and something is wrong with it.
    Damaged {
        /// The manifest's name below the target.
        manifest: String,
        /// What is wrong.
        why: String,
    },
    /// No manifest: it was interrupted, or is being made now.
    Unfinished {
        /// Which run.
        run: String,
        /// Its files.
        files: Vec<String>,
        /// When something was last written to it.
        modified: Millis,
    },
}

impl Run {
    /// For a job that was made at this moment.
    #[must_use]
    pub fn new(name: Name, made_at: Millis, job: &str, token: u64) -> Self {
        let at = chrono::DateTime::from_timestamp_millis(made_at).unwrap_or_default();
        Self { name, id: format!("{}-{job}", at.format("%Y%m%dT%H%M%SZ")), token }
    }
    pub(crate) fn folder(&self) -> String {
        format!("{}/{}", self.name, self.id)
    }
    pub(crate) fn file(&self, extension: &str) -> String {
        format!("{}/data-{}.{extension}.zst.age", self.folder(), self.token)
    }
}

impl Target {
    /// Opens `file:///folder` or `s3://bucket/prefix`. Nothing is sent yet.
    ///
    /// # Errors
    /// `jobs.args_invalid` for an address that is none, `backup.target_failed` when it cannot be opened.
    pub fn open(url: &str, means: &Means) -> Result<Self, BackupError> {
        let options = FilesOptions { aws: means.aws.clone(), ..FilesOptions::default() };
        let files = Files::open(url, options).map_err(|error| match error {
            FilesError::Url(_) | FilesError::Name(_) => BackupError::invalid(format!("/target: {error}")),
            error => BackupError::target(&error),
        })?;
        Ok(Self { files, means: means.clone() })
    }

    /// The same for one that is there already: in a folder that nobody has made, such as one whose disk is not mounted, there is nothing to look for.
    ///
    /// # Errors
    /// As [`Target::open`]; also `backup.target_failed` for a folder that is not there.
    pub fn open_made(url: &str, means: &Means) -> Result<Self, BackupError> {
        if let Some(folder) = url.strip_prefix("file://").filter(|folder| folder.starts_with('/') && !Path::new(folder).is_dir()) {
            return Err(BackupError::fatal(Code::BackupTarget, format!("there is no folder {folder} on this machine")));
        }
        Self::open(url, means)
    }

    /// Whether it can be written to: found out before hours are spent on what could not be stored.
    ///
    /// # Errors
    /// `backup.target_failed`.
    pub async fn check(&self, run: &Run) -> Result<(), BackupError> {
        self.files.check(&format!("{}/probe-{}", run.folder(), run.token)).await.map_err(|error| BackupError::target(&error))
    }

    /// The backup of a run, if it is finished already.
    ///
    /// # Errors
    /// `backup.target_failed`.
    pub async fn finished(&self, run: &Run) -> Result<Option<Manifest>, BackupError> {
        let manifest = format!("{}/{MANIFEST}", run.folder());
        match self.look(&manifest).await? {
            Some(Listed::Good(manifest)) => Ok(Some(*manifest)),
            _ => Ok(None),
        }
    }

    /// Whether the data of a draft is there, so that only its manifest is missing.
    ///
    /// # Errors
    /// `backup.target_failed`.
    pub async fn holds(&self, draft: &Draft) -> Result<bool, BackupError> {
        Ok(self.wrong(draft).await?.is_none())
    }

    /// Removes what earlier attempts of this run left.
    ///
    /// # Errors
    /// `backup.target_failed`.
    pub async fn clear(&self, run: &Run) -> Result<(), BackupError> {
        for file in self.list_files(&run.folder()).await? {
            self.delete(&file.name).await?;
        }
        // In a folder of its own, so that other runs that are being written are not touched.
        self.sweep(&run.folder(), Millis::MAX).await.map(drop)
    }

    /// Writes the manifest: from this moment on it is a backup.
    ///
    /// # Errors
    /// `backup.target_failed`.
    pub async fn publish(&self, draft: Draft) -> Result<Manifest, BackupError> {
        let (file, manifest) = (manifest_of(&draft), draft.sealed());
        let text = Bytes::from(manifest.to_text());
        self.files.put(&file, text).await.map_err(|error| BackupError::target(&error))?;
        Ok(manifest)
    }

    /// Everything under a name, the oldest first.
    ///
    /// # Errors
    /// `backup.target_failed`.
    pub async fn list(&self, name: &Name) -> Result<Vec<Listed>, BackupError> {
        let mut runs: BTreeMap<String, Vec<FileMeta>> = BTreeMap::new();
        for file in self.list_files(name.as_str()).await? {
            // What is not ours is not looked at, let alone removed: a target may be a folder that holds other things too.
            let parts = file.name.strip_prefix(&format!("{name}/")).and_then(|rest| rest.split_once('/'));
            if let Some((run, _)) = parts.filter(|(run, file)| is_run(run) && is_own(file)) {
                runs.entry(run.to_owned()).or_default().push(file);
            }
        }
        let mut listed = Vec::new();
        for (run, files) in runs {
            let manifest = format!("{name}/{run}/{MANIFEST}");
            let found = if files.iter().any(|file| file.name == manifest) { self.look(&manifest).await? } else { None };
            listed.push(found.unwrap_or_else(|| {
                let modified = files.iter().map(|file| file.modified).max().unwrap_or_default();
                Listed::Unfinished { run, files: files.into_iter().map(|file| file.name).collect(), modified }
            }));
        }
        Ok(listed)
    }

    /// The backup that is wanted.
    ///
    /// # Errors
    /// `backup.not_found`, `backup.damaged`, `backup.truncated`, `backup.target_failed`. By name, also when a newer one than the newest good one
    /// is damaged.
    pub async fn find(&self, wanted: &Wanted) -> Result<Manifest, BackupError> {
        let absent = |told: String| BackupError::fatal(Code::BackupNotFound, told);
        match wanted {
            Wanted::Manifest(file) => match self.look(file).await? {
                Some(Listed::Good(manifest)) => Ok(*manifest),
                Some(Listed::Damaged { why, .. }) => Err(broken(why)),
                _ => Err(absent(format!("there is no manifest {file} in {}", self.files.place()))),
            },
            Wanted::Newest(name) => {
                let mut damaged = None;
                for listed in self.list(name).await?.into_iter().rev() {
                    match (listed, &damaged) {
                        (Listed::Good(manifest), None) => return Ok(*manifest),
                        // Nobody shall take an old one for the newest without knowing.
                        (Listed::Good(manifest), Some(why)) => {
                            return Err(broken(format!("{why}. The newest good backup is {}: name it by this manifest", manifest.file())));
                        }
                        (Listed::Damaged { why, .. }, None) => damaged = Some(why),
                        _ => {}
                    }
                }
                Err(damaged.map_or_else(|| absent(format!("there is no backup of the name {name} in {}", self.files.place())), broken))
            }
        }
    }

    pub(crate) async fn delete(&self, file: &str) -> Result<(), BackupError> {
        self.files.delete(file).await.map_err(|error| BackupError::target(&error))
    }

    /// Removes what interrupted writers left in a folder before a moment.
    pub(crate) async fn remove_unfinished(&self, name: &Name, before: Millis) -> Result<u64, BackupError> {
        let Some(folder) = self.files.place().strip_prefix("file://") else { return Ok(0) };
        let entries = std::fs::read_dir(Path::new(folder).join(name.as_str())).into_iter().flatten().flatten();
        let runs: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).filter(|run| is_run(run)).collect();
        let mut removed = 0;
        for run in runs {
            removed += self.sweep(&format!("{name}/{run}"), before).await?;
            self.close(&format!("{name}/{run}"));
        }
        Ok(removed)
    }

    /// Removes what interrupted writers left in one run before a moment.
    async fn sweep(&self, run: &str, before: Millis) -> Result<u64, BackupError> {
        if !self.files.is_folder() {
            return Ok(0);
        }
        let own = Self::open(&format!("{}/{run}", self.files.place()), &self.means)?;
        own.files.remove_unfinished(before).await.map_err(|error| BackupError::target(&error))
    }

    /// Removes the folder of a run in which nothing is left. A bucket has no folders.
    fn close(&self, run: &str) {
        if let Some(folder) = self.files.place().strip_prefix("file://") {
            // One that is not empty is not removed.
            drop(std::fs::remove_dir(Path::new(folder).join(run)));
        }
    }

    async fn list_files(&self, folder: &str) -> Result<Vec<FileMeta>, BackupError> {
        let listing = async { self.files.list(folder)?.try_collect().await };
        listing.await.map_err(|error: FilesError| BackupError::target(&error))
    }

    /// A manifest and its data's length. None: it is not there.
    async fn look(&self, file: &str) -> Result<Option<Listed>, BackupError> {
        let damaged = |why: String| Ok(Some(Listed::Damaged { manifest: file.to_owned(), why }));
        let text = match self.files.read(file, MANIFEST_MAX).await {
            Ok(text) => text,
            Err(FilesError::Missing { .. } | FilesError::Name(_)) => return Ok(None),
            Err(error @ FilesError::TooLarge { .. }) => return damaged(chain(&error)),
            Err(error) => return Err(BackupError::target(&error)),
        };
        let manifest = match Manifest::from_text(&text) {
            Ok(manifest) => manifest,
            Err(why) => return damaged(format!("{file}: {why}")),
        };
        match self.wrong(&manifest.backup).await? {
            Some(why) => damaged(why),
            None => Ok(Some(Listed::Good(Box::new(manifest)))),
        }
    }

    /// What is wrong with the data, as far as its length tells.
    async fn wrong(&self, draft: &Draft) -> Result<Option<String>, BackupError> {
        let data = &draft.data;
        let found = self.files.head(&data.file).await.map_err(|error| BackupError::target(&error))?;
        Ok(match found {
            None => Some(format!("{} is gone", data.file)),
            Some(found) if found.bytes < data.bytes => Some(format!("{CUT} {}: it has {} bytes of {}", data.file, found.bytes, data.bytes)),
            Some(found) if found.bytes > data.bytes => Some(format!("{} has {} bytes instead of {}", data.file, found.bytes, data.bytes)),
            Some(_) => None,
        })
    }
}

/// How the sentence about data that is too short begins.
const CUT: &str = "the file was cut:";

fn broken(why: String) -> BackupError {
    let code = if why.starts_with(CUT) { Code::BackupTruncated } else { Code::BackupDamaged };
    BackupError::fatal(code, why)
}

/// Whether a folder's name is one that [`Run::new`] makes.
fn is_run(name: &str) -> bool {
    let Some((at, job)) = name.split_once("Z-") else { return false };
    let time = at.len() == 15 && at.bytes().enumerate().all(|(place, b)| if place == 8 { b == b'T' } else { b.is_ascii_digit() });
    time && !job.is_empty()
}

/// Whether a file of a run is one that a backup writes.
fn is_own(file: &str) -> bool {
    file == MANIFEST || file.starts_with("data-") || file.starts_with("probe-")
}

/// Where the manifest of a draft lies, below the target.
fn manifest_of(draft: &Draft) -> String {
    format!("{}/{}/{MANIFEST}", draft.name, draft.run)
}

impl Manifest {
    /// Its own name below the target: what names this backup.
    #[must_use]
    pub fn file(&self) -> String {
        manifest_of(&self.backup)
    }
}

#[cfg(test)]
mod tests;
