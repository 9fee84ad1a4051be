//! A psql that is talked to: statements go in by its stdin, answers come out a line of JSON each.

use super::{
    Place,
    contents::{CONTENTS, SETTINGS},
    failed,
};
use crate::{
    BackupError, Table,
    means::{ANSWER_MAX, SILENCE_MAX},
    tool::{Process, Tool},
};
use longshore_base::Code;
use serde::de::DeserializeOwned;
use std::{process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{ChildStdin, ChildStdout},
};

/// Printed after the last answer.
const END: &str = "-- end of answers";

/// One connection, one transaction.
pub(super) struct Session {
    process: Process,
    to: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Session {
    pub(super) fn open(psql: &Tool, place: &Place) -> Result<Self, BackupError> {
        let mut command = psql.command();
        place.tell(&mut command);
        command.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start(psql.name, command)?;
        let (to, from) = (process.child.stdin.take(), process.child.stdout.take());
        let from = from.ok_or_else(|| BackupError::fatal(Code::Internal, "psql has no stdout"))?;
        Ok(Self { process, to, lines: BufReader::new(from).lines() })
    }

    /// Begins a transaction that sees one moment, and exports it.
    pub(super) async fn begin<T: DeserializeOwned>(&mut self) -> Result<T, BackupError> {
        let about = "SELECT json_build_object('snapshot', pg_export_snapshot(), 'version', current_setting('server_version'), \
                     'version_num', current_setting('server_version_num')::int, 'bytes', pg_database_size(current_database()), \
                     'encoding', getdatabaseencoding());";
        self.say(&format!("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;\n{SETTINGS}\n{about}\n")).await?;
        match self.line(ANSWER_MAX).await? {
            Some(line) => read(&line),
            None => Err(self.broke().await),
        }
    }

    /// What is in the database, as this transaction sees it.
    pub(super) async fn contents(&mut self) -> Result<Vec<Table>, BackupError> {
        self.say(&format!("{CONTENTS}\n\\echo '{END}'\n")).await?;
        let mut tables: Vec<Table> = Vec::new();
        // A large table takes its time, and its line comes at its end.
        while let Some(line) = self.line(SILENCE_MAX * 6).await? {
            if line == END {
                tables.sort_by(|a, b| a.name.cmp(&b.name));
                return Ok(tables);
            }
            tables.push(read(&line)?);
        }
        Err(self.broke().await)
    }

    /// The first line that a statement answers.
    pub(super) async fn ask(&mut self, statement: &str) -> Result<String, BackupError> {
        self.say(&format!("{statement}\n")).await?;
        match self.line(ANSWER_MAX).await? {
            Some(line) => Ok(line),
            None => Err(self.broke().await),
        }
    }

    /// Ends the transaction and the connection.
    pub(super) async fn close(mut self, within: Duration) -> Result<(), BackupError> {
        self.to = None;
        let (status, told) = self.process.ended_within(within).await?;
        if status.success() { Ok(()) } else { Err(failed(super::PSQL, &told)) }
    }

    async fn say(&mut self, text: &str) -> Result<(), BackupError> {
        let Some(to) = &mut self.to else { return Ok(()) };
        let said = async {
            to.write_all(text.as_bytes()).await?;
            to.flush().await
        };
        // A psql that has ended has told why; the next line that is read finds its end.
        match said.await {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(BackupError::local("psql", &error)),
            _ => Ok(()),
        }
    }

    async fn line(&mut self, within: Duration) -> Result<Option<String>, BackupError> {
        loop {
            let next = tokio::time::timeout(within, self.lines.next_line()).await;
            let next =
                next.map_err(|_| BackupError::transient(Code::BackupSource, format!("the server did not answer within {within:?}")))?;
            match next.map_err(|error| BackupError::local("psql", &error))? {
                Some(line) if line.trim().is_empty() => {}
                line => return Ok(line),
            }
        }
    }

    /// Why it ended before it should.
    async fn broke(&mut self) -> BackupError {
        self.to = None;
        match self.process.ended_within(ANSWER_MAX).await {
            Ok((_, told)) => failed(super::PSQL, &told),
            Err(error) => error,
        }
    }
}

fn read<T: DeserializeOwned>(line: &str) -> Result<T, BackupError> {
    serde_json::from_str(line).map_err(|error| BackupError::fatal(Code::BackupSource, format!("psql answered what was not asked: {error}")))
}
