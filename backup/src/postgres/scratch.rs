//! A PostgreSQL of our own, for as long as a dump is looked at: a fresh cluster that listens on a socket in its own folder and nowhere else.

use super::{PSQL, Place, restore::How, session::Session};
use crate::{
    BackupError, Contents, Identities, Manifest, Means, Target, Tell,
    means::ANSWER_MAX,
    postgres::restore,
    scratch::Scratch,
    server::Server,
    tool::{Tool, Version, last},
};
use futures::FutureExt;
use longshore_base::Code;
use std::time::Duration;
use tokio::process::Command;

const USER: &str = "longshore";
const DATABASE: &str = "restored";
/// A socket's name needs a port; nothing listens on it.
const PORT: u16 = 5432;
const INITDB_MAX: Duration = Duration::from_mins(3);

/// Restores a dump into a cluster of its own, and answers what is in it.
pub(crate) async fn verify(
    from: (&Target, &Manifest, Identities),
    scratch: &Scratch,
    means: &Means,
    tell: &Tell,
) -> Result<Contents, BackupError> {
    let (initdb, postgres) = (Tool::find("initdb", means).await?, Tool::find("postgres", means).await?);
    let psql = Tool::find(PSQL, means).await?;
    let dumped = Version::read(&from.1.backup.engine_version).unwrap_or(Version(0, 0));
    postgres.must_know(Version(dumped.0, 0), "the PostgreSQL server of the backup")?;
    let user = unprivileged(&initdb, scratch).await?;
    let folder = scratch.path().to_string_lossy().into_owned();
    let data = format!("{folder}/cluster");
    make(&initdb, &data, user).await?;
    let port = PORT.to_string();
    let args = ["-D", &data, "-k", &folder, "-p", &port, "-h", "", "-F", "-c", "full_page_writes=off", "-c", "synchronous_commit=off"];
    let mut server = Server::start(&postgres, &args, user)?;
    let home = Place::local(&folder, PORT, USER, "postgres");
    server.ready(means, || answers(&psql, &home).boxed()).await?;
    let compared = async {
        let encoding = from.1.backup.contents.encoding.clone().unwrap_or_else(|| "UTF8".into());
        let known = encoding.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let encoding = if known { encoding } else { "UTF8".into() };
        let statement =
            format!("CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C';\nSELECT 1;");
        let mut session = Session::open(&psql, &home)?;
        session.ask(&statement).await?;
        session.close(ANSWER_MAX).await?;
        let place = Place::local(&folder, PORT, USER, DATABASE);
        restore::into_database(from, &place, How { clean: false, no_owner: true }, means, tell).await
    };
    let contents = compared.await;
    server.end().await;
    contents
}

async fn make(initdb: &Tool, data: &str, user: Option<(u32, u32)>) -> Result<(), BackupError> {
    let mut command = initdb.command();
    command.args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username", USER, "-D", data]).current_dir("/");
    become_user(&mut command, user);
    let (status, out, told) = initdb.answer(command, INITDB_MAX).await?;
    if status.success() {
        return Ok(());
    }
    Err(BackupError::fatal(Code::BackupScratch, format!("initdb made no scratch cluster: {} {}", last(&out), last(&told))))
}

async fn answers(psql: &Tool, place: &Place) -> bool {
    let mut command = psql.command();
    place.tell(&mut command);
    command.args(["--no-psqlrc", "--tuples-only", "--command=SELECT 1"]);
    psql.answer(command, ANSWER_MAX).await.is_ok_and(|(status, ..)| status.success())
}

fn become_user(command: &mut Command, user: Option<(u32, u32)>) {
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
}

/// PostgreSQL's servers refuse root: there they run as `postgres`, which Debian's package makes, and own the scratch folder.
async fn unprivileged(tool: &Tool, scratch: &Scratch) -> Result<Option<(u32, u32)>, BackupError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let refused = |why: String| {
        let told = "PostgreSQL's servers do not run as root, and cannot as the user postgres";
        BackupError::fatal(Code::BackupScratch, format!("{told}: {why}"))
    };
    let mut ids = [0; 2];
    for (id, flag) in ids.iter_mut().zip(["-u", "-g"]) {
        let mut command = tool.of_shell();
        command.args(["-c", &format!("id {flag} postgres")]);
        let (_, out, told) = tool.answer(command, ANSWER_MAX).await?;
        *id = out.trim().parse().map_err(|_| refused(last(&told)))?;
    }
    let [user, group] = ids;
    scratch.give_to(user, group).map_err(|error| refused(error.to_string()))?;
    Ok(Some((user, group)))
}
