//! What people say about groups of dead letters. The letters themselves are the broker's; what is said of a group outlives them, and is there
//! again when the same error comes back.

use crate::{Store, StoreError, history::tenant_of, statement::statement, store::on};
use longshore_base::{Millis, Name, Scope};

const FILE: &str = include_str!("groups.sql");
const NOTE: &str = statement(FILE, "note");
const ACKNOWLEDGE: &str = statement(FILE, "acknowledge");
const FIND: &str = statement(FILE, "find");
const LIST: &str = statement(FILE, "list");

/// What is said of a group by a tenant's people, or by operators.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupWords {
    /// Which group.
    pub fingerprint: String,
    /// In words.
    pub note: Option<String>,
    /// Whoever changed the note last, by the key's name, a removal included.
    pub noted: Option<Said>,
    /// Whoever said that the group is known. None: nobody, or it was taken back.
    pub acknowledged: Option<Said>,
}

/// Who said something, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The name of a key.
    pub by: String,
    /// When, by the clock of the process that was told.
    pub at: Millis,
}

/// What is to be said of a group; None: what was said before stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupChange {
    /// Another note; Some(None): none any more.
    pub note: Option<Option<String>>,
    /// Whether the group is known.
    pub acknowledged: Option<bool>,
}

type Row = (String, Option<String>, Option<String>, Option<Millis>, Option<String>, Option<Millis>);

impl Store {
    /// Says something of a group, all of it or nothing. What operators say is kept apart from what each tenant's people say.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; nothing was kept.
    pub async fn say_of_group(
        &self,
        scope: &Scope,
        fingerprint: &str,
        change: &GroupChange,
        by: &Name,
        now: Millis,
    ) -> Result<GroupWords, StoreError> {
        let whose = tenant_of(scope).unwrap_or_default();
        let row: Option<Row> = on!(self, pool => {
            async {
                let mut tx = pool.begin().await?;
                if let Some(note) = &change.note {
                    let said = sqlx::query(NOTE).bind(whose).bind(fingerprint).bind(note.as_deref());
                    said.bind(by.as_str()).bind(now).execute(&mut *tx).await?;
                }
                if let Some(known) = change.acknowledged {
                    let said = sqlx::query(ACKNOWLEDGE).bind(whose).bind(fingerprint);
                    said.bind(known.then_some(by.as_str())).bind(known.then_some(now)).execute(&mut *tx).await?;
                }
                let row = sqlx::query_as(FIND).bind(whose).bind(fingerprint).fetch_optional(&mut *tx).await?;
                tx.commit().await.map(|()| row)
            }
            .await
        })
        .map_err(StoreError::when("keep what is said of a group"))?;
        Ok(row.map_or_else(|| GroupWords { fingerprint: fingerprint.to_owned(), ..GroupWords::default() }, read))
    }

    /// What is said of groups by the people of `scope`, by fingerprint.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn said_of_groups(&self, scope: &Scope) -> Result<Vec<GroupWords>, StoreError> {
        let whose = tenant_of(scope).unwrap_or_default();
        let rows: Vec<Row> = on!(self, pool => sqlx::query_as(LIST).bind(whose).fetch_all(pool).await)
            .map_err(StoreError::when("read what is said of groups"))?;
        Ok(rows.into_iter().map(read).collect())
    }
}

fn read((fingerprint, note, noted_by, noted_at, known_by, known_at): Row) -> GroupWords {
    let said = |by: Option<String>, at: Option<Millis>| by.zip(at).map(|(by, at)| Said { by, at });
    GroupWords { fingerprint, note, noted: said(noted_by, noted_at), acknowledged: said(known_by, known_at) }
}
