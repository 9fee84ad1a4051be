//! Secrets: where a value comes from ([`SecretProvider`]), how args name one ([`SecretRef`]), and how it stays out of everything that an
//! attempt tells (`cover.rs`). A value exists in the worker alone, for as long as the attempt lasts.

mod cover;
mod reference;

pub(crate) use cover::cover_json;
pub(crate) use reference::{KEY, MARKER};
pub use reference::{SecretOr, SecretRef};

use crate::{Cause, Context, Failure};
use async_trait::async_trait;
use longshore_base::{Code, Name};
use longshore_config::{Secret, Secrets, Veil};
use std::{fmt::Debug, sync::Arc};

/// Where secrets come from: today the operator's file and environment; a store of its own, Vault and a cloud's manager can follow.
/// Called at each use, so a provider that asks a server keeps what it learned for a while itself.
#[async_trait]
pub trait SecretProvider: Send + Sync + Debug {
    /// The tenant's secret of this name; None: there is none.
    ///
    /// # Errors
    /// It cannot be told now; the attempt is tried again.
    async fn get(&self, tenant: &Name, name: &str) -> Result<Option<Secret<String>>, SecretError>;
}

/// A provider's failure, in words that hold no value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SecretError(pub String);

/// A provider, and the veil of the process's logs. One per process; cheap to clone.
#[derive(Debug, Clone)]
pub struct SecretKeeper {
    provider: Arc<dyn SecretProvider>,
    logs: Veil,
}

impl SecretKeeper {
    /// Every value that `provider` gives is hidden by `logs` from then on.
    #[must_use]
    pub fn new(provider: Arc<dyn SecretProvider>, logs: Veil) -> Self {
        Self { provider, logs }
    }

    /// A keeper of nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Arc::new(Secrets::default()), Veil::default())
    }
}

impl Default for SecretKeeper {
    fn default() -> Self {
        Self::none()
    }
}

#[async_trait]
impl SecretProvider for Secrets {
    async fn get(&self, tenant: &Name, name: &str) -> Result<Option<Secret<String>>, SecretError> {
        Ok(self.find(tenant, name).cloned())
    }
}

impl Context {
    /// The value of a secret of the job's tenant. From here on it is replaced by `***` in whatever this attempt tells.
    ///
    /// # Errors
    /// Fatal (`secrets.absent`) when there is none; Retry (`secrets.unavailable`) when the provider cannot tell.
    pub async fn secret(&self, of: &SecretRef) -> Result<Secret<String>, Failure> {
        let (keeper, name, tenant) = (&self.inner.parts.tools.secrets, of.name(), self.tenant());
        let found = keeper.provider.get(tenant, name).await.map_err(|error| {
            let message = format!("the secret `{name}` of tenant {tenant} cannot be told: {error}");
            Failure::Retry(Cause::new(Code::SecretUnavailable, message))
        })?;
        let Some(secret) = found else {
            let message = format!("tenant {tenant} has no secret `{name}`");
            return Err(Failure::Fatal(Cause::new(Code::SecretAbsent, message)));
        };
        keeper.logs.hide(&secret);
        self.inner.veil.hide(&secret);
        Ok(secret)
    }

    /// The value of a field that takes a text or a secret. A text is not hidden: it stands in the args.
    ///
    /// # Errors
    /// As [`Context::secret`].
    pub async fn reveal(&self, field: &SecretOr<String>) -> Result<Secret<String>, Failure> {
        match field {
            SecretOr::Literal(text) => Ok(Secret::new(text.clone())),
            SecretOr::Secret(of) => self.secret(of).await,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
