//! A dump into a database, in one transaction: all of it or nothing.

use super::{PG_RESTORE, PSQL, Place, contents::METHOD, failed, session::Session};
use crate::{
    BackupError, Contents, Identities, Manifest, Means, Target, Tell, destination,
    means::ANSWER_MAX,
    tool::{Process, Tool},
    unseal::unseal,
};
use longshore_base::Code;
use std::io;

/// How an existing database is treated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    /// Objects of the dump that are there are dropped first.
    pub(crate) clean: bool,
    /// Leaves owners and grants out: for a server without the roles of the one before.
    pub(crate) no_owner: bool,
}

/// Restores, and answers what is in the database then.
pub(crate) async fn into_database(
    from: (&Target, &Manifest, Identities),
    place: &Place,
    how: How,
    means: &Means,
    tell: &Tell,
) -> Result<Contents, BackupError> {
    let (target, manifest, identities) = from;
    let pg_restore = Tool::find(PG_RESTORE, means).await?;
    let psql = Tool::find(PSQL, means).await?;
    let mut command = pg_restore.command();
    place.tell(&mut command);
    command.args(["--single-transaction", "--exit-on-error", "--no-password", "--dbname"]).arg(place.connection());
    if how.clean {
        command.args(["--clean", "--if-exists"]);
    }
    if how.no_owner {
        command.args(["--no-owner", "--no-privileges"]);
    }
    let (out, mut into) = io::pipe().map_err(|error| BackupError::local("a pipe", &error))?;
    command.stdin(out);
    let mut process = Process::start(PG_RESTORE, command)?;
    let kill = process.killer();
    let sink = move |from: &mut dyn io::Read, _: &crate::halt::Halt| {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => {
                    // It has ended, and its own word tells why.
                    if io::Write::write_all(&mut into, &buffer[..read]).is_err() {
                        return Ok(());
                    }
                }
                Err(error) => {
                    // Before its stdin ends: an end would look like one of the dump.
                    kill();
                    return Err(destination::unreadable(&error));
                }
            }
        }
    };
    unseal(manifest, identities, &target.files, tell, sink).await?;
    let (status, told) = process.ended().await?;
    if !status.success() {
        return Err(failed(PG_RESTORE, &told));
    }
    tell.tell("compare", 0, None);
    contents(&psql, place).await
}

/// Whether the database holds no table of anybody.
pub(crate) async fn is_empty(place: &Place, means: &Means) -> Result<bool, BackupError> {
    let psql = Tool::find(PSQL, means).await?;
    let mut session = Session::open(&psql, place)?;
    let found = session
        .ask(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' \
             AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e');",
        )
        .await?;
    session.close(ANSWER_MAX).await?;
    Ok(found.trim() == "0")
}

async fn contents(psql: &Tool, place: &Place) -> Result<Contents, BackupError> {
    let mut session = Session::open(psql, place)?;
    let about: super::About = session.begin().await?;
    let tables = session.contents().await?;
    session.close(ANSWER_MAX).await?;
    Ok(Contents { method: METHOD.into(), tables, digest: None, unknown: None, encoding: Some(about.encoding) })
}

impl Place {
    /// pg_restore wants to be told the database, or it prints SQL. A name that has `=` in it is read as a connection string, so it is one.
    fn connection(&self) -> String {
        let name = self.database().replace('\\', "\\\\").replace('\'', "\\'");
        format!("dbname='{name}'")
    }
}

/// Where a dump may not be put.
pub(crate) fn taken(place: &Place) -> BackupError {
    let told = format!("the database {} is not empty; --overwrite drops what the backup has and puts it there anew", place.database());
    BackupError::fatal(Code::BackupDestination, told)
}
