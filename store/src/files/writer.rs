//! A file that grows while its length is not known. It appears whole when it is finished: in a folder by a rename, in a bucket by completing
//! the upload. A writer that is dropped leaves no file; what it has sent is taken back where the process lives on.

use super::FilesError;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, PutPayloadMut, path::Path};
use std::sync::Arc;
use tokio::task::JoinSet;

/// The first thousand parts are of this size, the next thousand twice as large, and so on: S3 takes 10,000 parts, which is 430 GiB.
const PART_BYTES: usize = 8 << 20;
const PARTS_EQUAL: usize = 1_000;
/// So many parts are on their way at once; with the one that is being filled they bound a writer's memory.
const AT_ONCE: usize = 2;

/// A file being written. End it with [`FileWriter::finish`].
#[derive(Debug)]
pub struct FileWriter {
    store: Arc<dyn ObjectStore>,
    path: Path,
    name: String,
    /// Begun with the first full part; a smaller file is one plain write.
    upload: Option<Box<dyn MultipartUpload>>,
    buffer: PutPayloadMut,
    parts: JoinSet<object_store::Result<()>>,
    begun: usize,
    bytes: u64,
}

impl FileWriter {
    pub(super) fn new(store: Arc<dyn ObjectStore>, path: Path, name: &str) -> Self {
        let (buffer, parts) = (PutPayloadMut::new(), JoinSet::new());
        Self { store, path, name: name.to_owned(), upload: None, buffer, parts, begun: 0, bytes: 0 }
    }

    /// Adds to the file. Waits while two parts are on their way, so that memory stays flat.
    ///
    /// # Errors
    /// [`FilesError::Denied`], [`FilesError::Unavailable`]: drop the writer.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), FilesError> {
        while !bytes.is_empty() {
            let size = PART_BYTES * (1 + self.begun / PARTS_EQUAL);
            let (now, later) = bytes.split_at(bytes.len().min(size - self.buffer.content_length()));
            self.buffer.extend_from_slice(now);
            self.bytes += now.len() as u64;
            if self.buffer.content_length() == size {
                let part = std::mem::take(&mut self.buffer);
                self.send(part.into()).await?;
            }
            bytes = later;
        }
        Ok(())
    }

    /// Makes the file appear; answers its length. One of that name is replaced.
    ///
    /// # Errors
    /// As [`FileWriter::write`]; there is no file, or the one that was there. Only a bucket that did not answer in time may have it whole.
    pub async fn finish(mut self) -> Result<u64, FilesError> {
        let last = std::mem::take(&mut self.buffer);
        if self.upload.is_none() {
            let put = self.store.put(&self.path, last.into()).await;
            return put.map(|_| self.bytes).map_err(|e| FilesError::of("write", &self.name, e));
        }
        if last.content_length() > 0 {
            self.send(last.into()).await?;
        }
        self.wait(0).await?;
        if let Some(upload) = &mut self.upload {
            upload.complete().await.map_err(|e| FilesError::of("finish", &self.name, e))?;
        }
        self.upload = None;
        Ok(self.bytes)
    }

    /// Ends without a file, and waits until what was sent has been taken back.
    ///
    /// # Errors
    /// [`FilesError::Unavailable`]: there is no file, but a bucket may still keep parts of it.
    pub async fn abort(mut self) -> Result<(), FilesError> {
        self.parts.shutdown().await;
        match self.upload.take() {
            Some(mut upload) => upload.abort().await.map_err(|e| FilesError::of("take back", &self.name, e)),
            None => Ok(()),
        }
    }

    async fn send(&mut self, part: PutPayload) -> Result<(), FilesError> {
        let upload = match &mut self.upload {
            Some(upload) => upload,
            None => {
                let begun = self.store.put_multipart(&self.path).await;
                self.upload.insert(begun.map_err(|e| FilesError::of("write", &self.name, e))?)
            }
        };
        self.parts.spawn(upload.put_part(part));
        self.begun += 1;
        self.wait(AT_ONCE - 1).await
    }

    /// Waits until no more than `most` parts are on their way.
    async fn wait(&mut self, most: usize) -> Result<(), FilesError> {
        while self.parts.len() > most {
            match self.parts.join_next().await {
                Some(Ok(sent)) => sent.map_err(|e| FilesError::of("write", &self.name, e))?,
                Some(Err(panic)) => {
                    return Err(FilesError::Unavailable { doing: "write", name: self.name.clone(), source: panic.into() });
                }
                None => break,
            }
        }
        Ok(())
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        let (Some(mut upload), Ok(runtime)) = (self.upload.take(), tokio::runtime::Handle::try_current()) else { return };
        let mut parts = std::mem::take(&mut self.parts);
        let name = std::mem::take(&mut self.name);
        drop(runtime.spawn(async move {
            parts.shutdown().await;
            if let Err(error) = upload.abort().await {
                tracing::warn!(name, %error, "an unfinished upload could not be taken back; the bucket's lifecycle rule removes it");
            }
        }));
    }
}
