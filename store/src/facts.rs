//! What a deployment says of itself: who it is.

use crate::{Store, StoreError, statement::statement, store::on};

const FILE: &str = include_str!("facts.sql");
const PROPOSE: &str = statement(FILE, "propose");
const FIND: &str = statement(FILE, "find");
const DEPLOYMENT: &str = "deployment";

impl Store {
    /// The id of the deployment whose records these are; `proposed` becomes it if there is none yet.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn deployment(&self, proposed: &str) -> Result<String, StoreError> {
        let id: (String,) = on!(self, pool => {
            async {
                sqlx::query(PROPOSE).bind(DEPLOYMENT).bind(proposed).execute(pool).await?;
                sqlx::query_as(FIND).bind(DEPLOYMENT).fetch_one(pool).await
            }
            .await
        })
        .map_err(StoreError::when("read the deployment's id"))?;
        Ok(id.0)
    }
}
