//! How a backup, a look at one, or a restore fails: a code to branch on, a sentence, and whether the same may work later.

use longshore_base::Code;
use longshore_store::FilesError;
use std::{fmt, io};

/// Why it did not work. The message names files, tables and tools, never a password.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct BackupError {
    code: Code,
    message: String,
    transient: bool,
}

impl BackupError {
    /// Trying again as it is does not help.
    pub(crate) fn fatal(code: Code, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string(), transient: false }
    }
    /// It may work later.
    pub(crate) fn transient(code: Code, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string(), transient: true }
    }
    /// A fault in what the caller asked for.
    pub(crate) fn invalid(message: impl fmt::Display) -> Self {
        Self::fatal(Code::ArgsInvalid, message)
    }
    /// Something of this machine (a scratch folder, a pipe) failed.
    pub(crate) fn local(doing: &str, error: &io::Error) -> Self {
        Self::transient(Code::BackupSource, format!("{doing}: {error}"))
    }
    /// The target's, while it is written or read.
    pub(crate) fn target(error: &FilesError) -> Self {
        let message = chain(error);
        if is_final(error) { Self::fatal(Code::BackupTarget, message) } else { Self::transient(Code::BackupTarget, message) }
    }

    /// The code to branch on.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }
    /// Whether the same may work later, with nothing changed by people.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        self.transient
    }
}

/// A folder that is read-only or no folder stays so; a server that is away comes back.
fn is_final(error: &FilesError) -> bool {
    use io::ErrorKind as Kind;
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = next {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(io, Some(Kind::PermissionDenied | Kind::ReadOnlyFilesystem | Kind::NotADirectory | Kind::NotFound | Kind::IsADirectory))
        {
            return true;
        }
        next = cause.source();
    }
    !error.is_transient()
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let (mut told, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        let text = cause.to_string();
        if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
        next = cause.source();
    }
    told
}
