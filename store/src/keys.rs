//! API keys: who may call, and as whom.

use crate::{KeyText, Store, StoreError, history::tenant_of, statement::statement, store::on};
use longshore_base::{Millis, Name, Random, Scope};
use uuid::Uuid;

const FILE: &str = include_str!("keys.sql");
const INSERT: &str = statement(FILE, "insert");
const FIND: &str = statement(FILE, "find");
const LIST: &str = statement(FILE, "list");
const REVOKE: &str = statement(FILE, "revoke");
const TOUCH: &str = statement(FILE, "touch");
const OPERATORS: &str = statement(FILE, "operators");

/// What a key's holder may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Everything, for every tenant.
    Operator,
    /// This tenant's jobs; everybody else's do not exist.
    Tenant(Name),
}

/// A key as it is kept; its secret is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The public part of the key.
    pub id: Uuid,
    /// Chosen by whoever made it; not unique.
    pub name: Name,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Millis,
    /// When it was revoked.
    pub revoked_at: Option<Millis>,
    /// When it was last used, within a minute.
    pub last_used_at: Option<Millis>,
}

/// A new key, with the text that is told once.
#[derive(Debug)]
pub struct CreatedKey {
    /// The record.
    pub key: ApiKey,
    /// The secret.
    pub text: KeyText,
}

type Row = (String, String, String, Option<String>, Millis, Option<Millis>, Option<Millis>, String);

impl Store {
    /// Makes a key.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn create_key(&self, name: &Name, role: &Role, now: Millis, random: &dyn Random) -> Result<CreatedKey, StoreError> {
        let text = KeyText::generate(now, random);
        let (word, tenant) = match role {
            Role::Operator => ("operator", None),
            Role::Tenant(tenant) => ("tenant", Some(tenant.as_str())),
        };
        on!(self, pool => {
            let insert = sqlx::query(INSERT).bind(text.id().to_string()).bind(name.as_str()).bind(word).bind(tenant);
            insert.bind(text.hash()).bind(now).execute(pool).await.map(|_| ())
        })
        .map_err(StoreError::when("make a key"))?;
        let key = ApiKey { id: text.id(), name: name.clone(), role: role.clone(), created_at: now, revoked_at: None, last_used_at: None };
        Ok(CreatedKey { key, text })
    }

    /// The keys that `scope` may see, oldest first, revoked ones included.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    pub async fn keys(&self, scope: &Scope) -> Result<Vec<ApiKey>, StoreError> {
        let rows: Vec<Row> = on!(self, pool => sqlx::query_as(LIST).bind(tenant_of(scope)).fetch_all(pool).await)
            .map_err(StoreError::when("list the keys"))?;
        rows.into_iter().map(|row| read(row).map(|(key, _)| key)).collect()
    }

    /// Revokes a key. False: there is none of this id. Every node refuses it within [`crate::KeyRing::FRESH`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn revoke_key(&self, id: Uuid, now: Millis) -> Result<bool, StoreError> {
        on!(self, pool => sqlx::query(REVOKE).bind(id.to_string()).bind(now).execute(pool).await.map(|done| done.rows_affected() > 0))
            .map_err(StoreError::when("revoke a key"))
    }

    /// The key of this public part and the hash of its text. Reads no scope: it is how a scope is found.
    pub(crate) async fn find_key(&self, id: Uuid) -> Result<Option<(ApiKey, String)>, StoreError> {
        let row: Option<Row> = on!(self, pool => sqlx::query_as(FIND).bind(id.to_string()).fetch_optional(pool).await)
            .map_err(StoreError::when("look a key up"))?;
        row.map(read).transpose()
    }

    /// Notes that a key was used.
    pub(crate) async fn touch_key(&self, id: Uuid, now: Millis) -> Result<(), StoreError> {
        on!(self, pool => sqlx::query(TOUCH).bind(id.to_string()).bind(now).execute(pool).await.map(|_| ()))
            .map_err(StoreError::when("note that a key was used"))
    }

    /// Whether any operator's key is valid.
    pub(crate) async fn has_operator(&self) -> Result<bool, StoreError> {
        let (count,): (i64,) =
            on!(self, pool => sqlx::query_as(OPERATORS).fetch_one(pool).await).map_err(StoreError::when("count the operators' keys"))?;
        Ok(count > 0)
    }
}

fn read((id, name, role, tenant, created_at, revoked_at, last_used_at, hash): Row) -> Result<(ApiKey, String), StoreError> {
    let corrupt = |what: &dyn std::fmt::Display| StoreError::Corrupt(format!("API key {id}: {what}"));
    let named = |text: &str| Name::new(text).map_err(|e| corrupt(&e));
    let role = match (role.as_str(), tenant) {
        ("operator", None) => Role::Operator,
        ("tenant", Some(tenant)) => Role::Tenant(named(&tenant)?),
        (other, _) => return Err(corrupt(&format_args!("role `{other}`"))),
    };
    let key =
        ApiKey { id: Uuid::try_parse(&id).map_err(|e| corrupt(&e))?, name: named(&name)?, role, created_at, revoked_at, last_used_at };
    Ok((key, hash))
}
