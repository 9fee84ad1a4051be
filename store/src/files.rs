//! Files at rest: a folder of this machine, or a bucket with S3's protocol, behind one handle. Large args and outputs lie here, and backups
//! use it for their targets. Read `writer.rs` for how a file appears whole or not at all.
//!
//! The `object_store` crate does the work. What is ours: no proxies and no variables are read behind the operator's back, every failure is of
//! one of a few kinds, a file that was cut is told, and what an interrupted writer left can be removed.

mod error;
mod open;
mod reader;
mod remains;
mod writer;

pub use error::FilesError;
pub use open::FilesOptions;
pub use reader::FileReader;
pub use writer::FileWriter;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use longshore_base::Millis;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};
use std::{path::PathBuf, sync::Arc};

/// A handle to files. Cheap to clone; opens connections when they are needed.
///
/// A file's name is a path below the handle's place: segments of visible ASCII, separated by `/`, none of them empty, `.` or `..`.
#[derive(Debug, Clone)]
pub struct Files {
    store: Arc<dyn ObjectStore>,
    /// Put before every name; empty for a folder, whose root is the store's own.
    prefix: Path,
    /// The folder, where it is one.
    folder: Option<PathBuf>,
    /// As an operator names it.
    place: Arc<str>,
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMeta {
    /// Its name, relative to the handle.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// When it was written, by the clock of the machine that keeps it.
    pub modified: Millis,
}

impl Files {
    /// Opens `file:///folder` (made if it is not there) or `s3://bucket/prefix`. Nothing is sent; [`Files::check`] finds out whether it works.
    ///
    /// # Errors
    /// [`FilesError::Url`], [`FilesError::Options`], or [`FilesError::Unavailable`] when the folder cannot be made.
    pub fn open(url: &str, options: FilesOptions) -> Result<Self, FilesError> {
        open::open(url, options)
    }

    /// Where the files are, without credentials.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether the files lie in a folder, which other machines see only if it is shared.
    #[must_use]
    pub const fn is_folder(&self) -> bool {
        self.folder.is_some()
    }

    /// Writes a whole file, in one step; one of that name is replaced. Once it answers, the file survives a power cut.
    ///
    /// # Errors
    /// [`FilesError::Name`], [`FilesError::Denied`], [`FilesError::Unavailable`]; there is no file, or the one that was there.
    pub async fn put(&self, name: &str, bytes: Bytes) -> Result<(), FilesError> {
        let path = self.path(name)?;
        self.store.put(&path, bytes.into()).await.map(drop).map_err(|e| FilesError::of("write", name, e))
    }

    /// Begins a file whose length is not known yet. It is there once [`FileWriter::finish`] has answered, and not before.
    ///
    /// # Errors
    /// [`FilesError::Name`].
    pub fn writer(&self, name: &str) -> Result<FileWriter, FilesError> {
        Ok(FileWriter::new(self.store.clone(), self.path(name)?, name))
    }

    /// Opens a file to be read in pieces.
    ///
    /// # Errors
    /// [`FilesError::Missing`], and as [`Files::put`].
    pub async fn get(&self, name: &str) -> Result<FileReader, FilesError> {
        let found = self.store.get(&self.path(name)?).await.map_err(|e| FilesError::of("read", name, e))?;
        Ok(FileReader::new(name, found.meta.size, found.into_stream()))
    }

    /// A whole file of `most` bytes or fewer.
    ///
    /// # Errors
    /// As [`Files::get`]; [`FilesError::TooLarge`], then nothing was read; [`FilesError::Cut`].
    pub async fn read(&self, name: &str, most: usize) -> Result<Bytes, FilesError> {
        let mut reader = self.get(name).await?;
        let bytes = usize::try_from(reader.bytes()).unwrap_or(usize::MAX);
        if bytes > most {
            return Err(FilesError::TooLarge { name: name.to_owned(), bytes: reader.bytes(), most });
        }
        let mut whole = Vec::with_capacity(bytes);
        while let Some(chunk) = reader.next().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.into())
    }

    /// What is known of a file; None: there is none.
    ///
    /// # Errors
    /// As [`Files::put`].
    pub async fn head(&self, name: &str) -> Result<Option<FileMeta>, FilesError> {
        match self.store.head(&self.path(name)?).await {
            Ok(meta) => Ok(Some(self.meta(meta))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(FilesError::of("look at", name, error)),
        }
    }

    /// Every file below a folder (`""`: all of them), in no promised order. Files that are still being written are not among them.
    ///
    /// # Errors
    /// The stream's items, as [`Files::put`]; it ends after the first.
    pub fn list(&self, folder: &str) -> Result<impl Stream<Item = Result<FileMeta, FilesError>> + Send + use<>, FilesError> {
        let below = if folder.is_empty() { self.prefix.clone() } else { self.path(folder)? };
        let (files, folder) = (self.clone(), folder.to_owned());
        let listed = self.store.list(Some(&below).filter(|path| path.parts_count() > 0));
        Ok(listed.map(move |item| item.map(|meta| files.meta(meta)).map_err(|e| FilesError::of("list", &folder, e))))
    }

    /// Removes a file; that it is not there is no error.
    ///
    /// # Errors
    /// As [`Files::put`]; the file may or may not be gone.
    pub async fn delete(&self, name: &str) -> Result<(), FilesError> {
        match self.store.delete(&self.path(name)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(FilesError::of("remove", name, error)),
        }
    }

    /// Gives a file a second name without sending its bytes through this process; one of that name is replaced. Each lives on when the other is
    /// removed.
    ///
    /// # Errors
    /// [`FilesError::Missing`], and as [`Files::put`].
    pub async fn copy(&self, from: &str, to: &str) -> Result<(), FilesError> {
        let (source, target) = (self.path(from)?, self.path(to)?);
        self.store.copy(&source, &target).await.map_err(|e| FilesError::of("copy", from, e))
    }

    /// Writes a small file, reads it and removes it: whether everything that is needed is allowed. `name` should be of this process alone.
    ///
    /// # Errors
    /// Of the step that failed.
    pub async fn check(&self, name: &str) -> Result<(), FilesError> {
        const PROBE: &[u8] = b"longshore";
        self.put(name, Bytes::from_static(PROBE)).await?;
        let read = self.read(name, 1024).await;
        let removed = self.delete(name).await;
        if read?.as_ref() != PROBE {
            return Err(FilesError::Cut { name: name.to_owned() });
        }
        removed
    }

    /// Removes what writers that were interrupted before `before` left in a folder; answers how many. A bucket keeps unfinished uploads by
    /// itself, out of sight: its lifecycle rule removes them (`AbortIncompleteMultipartUpload`), so there is nothing to do here.
    ///
    /// # Errors
    /// [`FilesError::Unavailable`]; some may have been removed.
    pub async fn remove_unfinished(&self, before: Millis) -> Result<u64, FilesError> {
        let Some(folder) = self.folder.clone() else { return Ok(0) };
        let removed = tokio::task::spawn_blocking(move || remains::remove(&folder, before)).await;
        let removed = removed.unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
        removed.map_err(|source| FilesError::Unavailable { doing: "clean up", name: String::new(), source: source.into() })
    }

    fn path(&self, name: &str) -> Result<Path, FilesError> {
        let refused = || FilesError::Name(name.to_owned());
        let visible = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        // `#` and digits at the end mark files that the local store is still writing; it would not find them again.
        let staged = name.rsplit_once('#').is_some_and(|(_, rest)| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
        if staged || !name.split('/').all(visible) {
            return Err(refused());
        }
        let own = Path::parse(name).map_err(|_| refused())?;
        Ok(own.parts().fold(self.prefix.clone(), |path, part| path.join(part)))
    }

    fn meta(&self, meta: ObjectMeta) -> FileMeta {
        let whole = meta.location.as_ref();
        let name = whole.strip_prefix(self.prefix.as_ref()).map_or(whole, |rest| rest.trim_start_matches('/'));
        FileMeta { name: name.to_owned(), bytes: meta.size, modified: meta.last_modified.timestamp_millis() }
    }
}

#[cfg(test)]
mod tests;
