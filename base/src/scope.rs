//! Whose things a caller may see. Every read that a caller can reach takes one; a missing scope does not compile.

use crate::Name;

/// Whose jobs a caller may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// An operator's.
    All,
    /// One tenant's; all others' do not exist.
    Tenant(Name),
}

impl Scope {
    /// Whether `tenant`'s jobs are visible.
    #[must_use]
    pub fn sees(&self, tenant: &Name) -> bool {
        match self {
            Self::All => true,
            Self::Tenant(own) => own == tenant,
        }
    }
}
