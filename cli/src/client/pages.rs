//! Lists that the API answers page by page.

use super::Client;
use crate::stop::Stop;
use serde_json::Value;

/// What was read of a list.
#[derive(Debug)]
pub(crate) struct Pages {
    pub(crate) items: Vec<Value>,
    /// Where the next page begins. None: there is none.
    pub(crate) cursor: Option<String>,
    /// So many were looked at, where the API tells it.
    pub(crate) scanned: u64,
}

impl Client {
    /// The page at `cursor`, or the first one; with `all`, every page from there on.
    pub(crate) async fn pages(
        &self,
        path: &[impl AsRef<str>],
        query: &[(&str, String)],
        cursor: Option<String>,
        all: bool,
    ) -> Result<Pages, Stop> {
        let mut read = Pages { items: Vec::new(), cursor, scanned: 0 };
        loop {
            let mut query = query.to_vec();
            query.extend(read.cursor.take().map(|cursor| ("cursor", cursor)));
            let mut page = self.get(path, &query).await?;
            read.cursor = page["cursor"].as_str().map(str::to_owned);
            read.scanned += page["scanned"].as_u64().unwrap_or(0);
            if let Value::Array(more) = page["items"].take() {
                read.items.extend(more);
            }
            if !all || read.cursor.is_none() {
                return Ok(read);
            }
        }
    }
}

impl Pages {
    /// How people see more, if there is more.
    pub(crate) fn more(&self) -> Option<String> {
        self.cursor.as_ref().map(|cursor| format!("more: add --cursor {cursor}, or --all"))
    }
}
