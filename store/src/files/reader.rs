//! A file that is read in pieces.

use super::FilesError;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};

/// So many empty pieces in a row are no file any more.
const EMPTY_MAX: usize = 16;

/// An open file.
pub struct FileReader {
    name: String,
    bytes: u64,
    left: u64,
    stream: BoxStream<'static, object_store::Result<Bytes>>,
}

impl FileReader {
    pub(super) fn new(name: &str, bytes: u64, stream: BoxStream<'static, object_store::Result<Bytes>>) -> Self {
        Self { name: name.to_owned(), bytes, left: bytes, stream }
    }

    /// The file's length.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next piece; None: that was all of it.
    ///
    /// # Errors
    /// [`FilesError::Cut`] when it ends before its length, [`FilesError::Unavailable`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, FilesError> {
        let cut = || FilesError::Cut { name: self.name.clone() };
        // A file that was cut while it was open reads as nothing, again and again.
        for _ in 0..EMPTY_MAX {
            match self.stream.next().await {
                Some(Ok(chunk)) if chunk.is_empty() && self.left > 0 => {}
                Some(Ok(chunk)) => {
                    self.left = self.left.checked_sub(chunk.len() as u64).ok_or_else(cut)?;
                    return Ok(Some(chunk));
                }
                Some(Err(error)) => return Err(FilesError::of("read", &self.name, error)),
                None if self.left > 0 => return Err(cut()),
                None => return Ok(None),
            }
        }
        Err(cut())
    }

    /// The same as a stream, such as `tokio_util::io::StreamReader` takes.
    pub fn into_stream(self) -> impl Stream<Item = std::io::Result<Bytes>> + Send + use<> {
        futures::stream::try_unfold(self, |mut reader| async move { Ok(reader.next().await?.map(|chunk| (chunk, reader))) })
    }
}

impl std::fmt::Debug for FileReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileReader").field("name", &self.name).field("bytes", &self.bytes).field("left", &self.left).finish_non_exhaustive()
    }
}
