//! The SQLite broker as a fixture: a file of its own by a clock that the case moves.

use super::FEED_STEPS;
use async_trait::async_trait;
use longshore_base::{Clock, ManualClock, Millis, Name, SeededRandom};
use longshore_queue::{Broker, SqliteBroker, SqliteOptions, conformance::Fixture};
use rusqlite::{Connection, types::Value};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

struct Sqlite {
    broker: Arc<SqliteBroker>,
    clock: ManualClock,
    file: PathBuf,
}

/// A broker on an empty file.
pub(crate) async fn fresh_sqlite() -> Arc<dyn Fixture> {
    let (file, clock) = (super::folder("sqlite").join("queue.db"), ManualClock::at(1_800_000_000_000));
    let usual = SqliteOptions::new(&file, Arc::new(clock.clone()), SeededRandom::new(1));
    let options = SqliteOptions { feed_steps: FEED_STEPS, ..usual };
    let broker = SqliteBroker::open(options).expect("a fresh file opens");
    Arc::new(Sqlite { broker, clock, file })
}

#[async_trait]
impl Fixture for Sqlite {
    fn broker(&self) -> Arc<dyn Broker> {
        self.broker.clone()
    }
    async fn now(&self) -> Millis {
        self.clock.now()
    }
    async fn pass(&self, by: Duration) {
        self.clock.advance(by);
        tokio::task::yield_now().await;
    }
    fn may_skip(&self) -> bool {
        true
    }
    fn feed_steps(&self) -> usize {
        FEED_STEPS
    }
    /// Every row of every table: the file belongs to one case.
    async fn snapshot(&self, _queue: &Name) -> String {
        let file = Connection::open(&self.file).expect("the file opens for a look");
        let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('refusals', 'meta') ORDER BY name";
        let tables = rows(&file, tables);
        tables.iter().map(|table| format!("{table}\n{}\n", rows(&file, &format!("SELECT * FROM {table}")).join("\n"))).collect()
    }
    /// A copy of the file as it lies there: the one that is open has an owner.
    async fn reopened(&self) -> Arc<dyn Broker> {
        let copy = super::folder("sqlite").join("queue.db");
        for end in ["", "-wal"] {
            let with = |file: &Path| PathBuf::from(format!("{}{end}", file.display()));
            if with(&self.file).exists() {
                std::fs::copy(with(&self.file), with(&copy)).expect("the file can be copied");
            }
        }
        SqliteBroker::open(SqliteOptions::new(&copy, Arc::new(self.clock.clone()), SeededRandom::new(2))).expect("the copy opens")
    }
    async fn durable(&self) -> Arc<dyn Fixture> {
        fresh_sqlite().await
    }
}

/// Each row as text, its columns with their names; without the time that a queue or a worker was last seen.
fn rows(file: &Connection, query: &str) -> Vec<String> {
    let mut statement = file.prepare(query).expect("a query");
    let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let line = |row: &rusqlite::Row<'_>| {
        let mut line = Vec::new();
        for (at, name) in names.iter().enumerate().filter(|(_, name)| !matches!(name.as_str(), "last_seen" | "hold_until" | "seen_at")) {
            let text = match row.get::<_, Value>(at)? {
                Value::Null => continue,
                Value::Integer(n) => n.to_string(),
                Value::Real(n) => n.to_string(),
                Value::Text(text) if names.len() == 1 => return Ok(text),
                Value::Text(text) => format!("{text:?}"),
                Value::Blob(bytes) => hex::encode(bytes),
            };
            line.push(format!("{name}={text}"));
        }
        Ok(line.join(" "))
    };
    statement.query_map([], line).expect("rows").map(|row| row.expect("a row")).collect()
}
