//! How a call about files fails: few kinds, each with something else to do about it.

use longshore_base::Code;

/// A failed call. The message may name hosts and paths, never credentials: it is for the log, not for a caller.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The address is of no kind that we know.
    #[error("`{0}` is no place for files: allowed are file:///folder and s3://bucket[/prefix]")]
    Url(String),
    /// A variable (`AWS_…`) or an option is at fault.
    #[error("the files' options cannot be used: {0}")]
    Options(String),
    /// A name that would lead elsewhere, or that not every store takes.
    #[error("`{0}` is no name of a file")]
    Name(String),
    /// There is no such file.
    #[error("there is no file {name}")]
    Missing {
        /// Which.
        name: String,
    },
    /// Fewer bytes came than the file has, or others than were written.
    #[error("the file {name} could not be read whole")]
    Cut {
        /// Which.
        name: String,
    },
    /// The file is larger than the reader takes.
    #[error("the file {name} has {bytes} bytes; at most {most} were expected")]
    TooLarge {
        /// Which.
        name: String,
        /// Its length.
        bytes: u64,
        /// The most that is taken.
        most: usize,
    },
    /// The credentials are refused, or do not allow it. Repeating does not help.
    #[error("it is not allowed to {doing} {name}")]
    Denied {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        name: String,
        /// Why it did not work.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The folder or the server could not be reached, is full, or refused the call.
    #[error("the files failed to {doing} {name}")]
    Unavailable {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        name: String,
        /// Why it did not work.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl FilesError {
    /// The code to branch on.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Url(_) | Self::Options(_) => Code::ConfigInvalid,
            Self::Name(_) => Code::Internal,
            Self::Missing { .. } => Code::FilesMissing,
            Self::TooLarge { .. } => Code::FilesDamaged,
            Self::Cut { .. } | Self::Denied { .. } | Self::Unavailable { .. } => Code::FilesUnavailable,
        }
    }

    /// Whether the same call may work later, with nothing changed by people.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Cut { .. } | Self::Unavailable { .. })
    }

    pub(crate) fn of(doing: &'static str, name: &str, error: object_store::Error) -> Self {
        use object_store::Error as E;
        let name = name.to_owned();
        match error {
            // Of a write it says that there is no such bucket.
            E::NotFound { .. } if matches!(doing, "read" | "copy") => Self::Missing { name },
            E::InvalidPath { .. } => Self::Name(name),
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => Self::Denied { doing, name, source: error.into() },
            _ if io_kind(&error) == Some(std::io::ErrorKind::PermissionDenied) => Self::Denied { doing, name, source: error.into() },
            _ => Self::Unavailable { doing, name, source: error.into() },
        }
    }
}

/// For readers and writers that speak `std::io`.
impl From<FilesError> for std::io::Error {
    fn from(error: FilesError) -> Self {
        let kind = match &error {
            FilesError::Missing { .. } => std::io::ErrorKind::NotFound,
            FilesError::Denied { .. } => std::io::ErrorKind::PermissionDenied,
            FilesError::Cut { .. } => std::io::ErrorKind::UnexpectedEof,
            _ => std::io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Of the operating system's error at the root, where there is one.
fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<std::io::ErrorKind> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        next = cause.source();
    }
    None
}
