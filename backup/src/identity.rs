//! Who may open a backup: age recipients (`age1…`) encrypt, their identities (`AGE-SECRET-KEY-1…`) decrypt.

use crate::BackupError;
use age::x25519;
use longshore_base::Code;
use longshore_config::Secret;
use std::fmt;

/// To whom a backup is encrypted.
#[derive(Clone)]
pub struct Recipients(Vec<x25519::Recipient>);

impl Recipients {
    /// Reads `age1…` lines.
    ///
    /// # Errors
    /// `jobs.args_invalid`, naming the one that is none.
    pub fn parse(texts: &[String]) -> Result<Self, BackupError> {
        if texts.is_empty() {
            return Err(BackupError::invalid("/encrypt_to: names nobody who could open the backup"));
        }
        let one = |(at, text): (usize, &String)| {
            text.trim().parse().map_err(|why| BackupError::invalid(format!("/encrypt_to/{at}: `{text}` is no age recipient: {why}")))
        };
        Ok(Self(texts.iter().enumerate().map(one).collect::<Result<_, _>>()?))
    }
    /// As they are written.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
    pub(crate) fn encryptor(&self) -> Result<age::Encryptor, BackupError> {
        let each = self.0.iter().map(|recipient| recipient as &dyn age::Recipient);
        age::Encryptor::with_recipients(each).map_err(|why| BackupError::invalid(format!("/encrypt_to: {why}")))
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.texts()).finish()
    }
}

/// What opens a backup. Prints nothing of itself.
pub struct Identities {
    keys: Vec<Box<dyn age::Identity + Send + Sync>>,
    public: Vec<String>,
}

impl Identities {
    /// Reads the text of an identity file, as `age-keygen` writes it, or a single `AGE-SECRET-KEY-1…`.
    ///
    /// # Errors
    /// `backup.identity_wrong`, without a word of the text.
    pub fn parse(text: &Secret<String>) -> Result<Self, BackupError> {
        let refused = |why: String| BackupError::fatal(Code::BackupIdentity, format!("the identity cannot be used: {why}"));
        let lines: String = text.expose().lines().map(|line| format!("{}\n", line.trim())).collect();
        let file = || age::IdentityFile::from_buffer(lines.as_bytes()).map_err(|why| refused(why.to_string()));
        let mut public = Vec::new();
        file()?.write_recipients_file(&mut public).map_err(|why| refused(why.to_string()))?;
        let public = String::from_utf8_lossy(&public).lines().map(str::to_owned).collect();
        let keys = file()?.into_identities().map_err(|why| refused(why.to_string()))?;
        Ok(Self { keys, public })
    }

    /// Whether one of them is an identity of these recipients.
    pub(crate) fn check(&self, recipients: &[String]) -> Result<(), BackupError> {
        if recipients.iter().any(|recipient| self.public.contains(recipient)) {
            return Ok(());
        }
        let (ours, theirs) = (self.public.join(", "), recipients.join(", "));
        Err(BackupError::fatal(Code::BackupIdentity, format!("the identity belongs to {ours}, and the backup is encrypted to {theirs}")))
    }

    pub(crate) fn each(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.keys.iter().map(|key| &**key as &dyn age::Identity)
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities").field("public", &self.public).finish_non_exhaustive()
    }
}
