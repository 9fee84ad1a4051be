//! PostgreSQL, run as the `postgres` user, because it refuses root.

use super::{
    folder,
    home::let_pass,
    process::{Server, free_port},
};
use std::{path::PathBuf, process::Command};
use tokio::sync::OnceCell;

/// A PostgreSQL of our own.
#[derive(Debug)]
pub(crate) struct Postgres {
    /// Where it listens.
    pub(crate) port: u16,
    _server: Server,
}

const STARTS: usize = 5;

/// The one that cases share; they are apart by database ([`Postgres::database`]).
pub(crate) async fn shared() -> &'static Postgres {
    static SHARED: OnceCell<Postgres> = OnceCell::const_new();
    SHARED.get_or_init(Postgres::start).await
}

impl Postgres {
    /// Makes an empty server without fsync; nobody pulls the plug in these tests.
    pub(crate) async fn start() -> Self {
        Self::start_with("trust", "nobody-asks").await
    }

    /// The same, which asks for the password of `postgres` in this way.
    pub(crate) async fn start_with(auth: &str, password: &str) -> Self {
        let (data, asked) = (folder("postgres"), folder("password").join("of-postgres"));
        std::fs::write(&asked, password).expect("written");
        let bin = binaries();
        let user = is_root().then_some("postgres");
        if let Some(user) = user {
            let_pass(user, &data);
        }
        let mut made = match user {
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", user, "--regid", user, "--init-groups", "--"]).arg(bin.join("initdb"));
                command
            }
            None => Command::new(bin.join("initdb")),
        };
        made.current_dir(&data).args(["--no-sync", "--auth", auth, "--username", "postgres", "--encoding", "UTF8", "-D"]).arg(&data);
        made.arg("--pwfile").arg(&asked);
        let made = made.output().expect("initdb");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut last = String::new();
        for _ in 0..STARTS {
            let port = free_port();
            let args = [
                "-D",
                &data.display().to_string(),
                "-p",
                &port.to_string(),
                "-h",
                "127.0.0.1",
                "-k",
                &data.display().to_string(),
                "-F",
                "-c",
                "synchronous_commit=off",
                "-c",
                "max_connections=200",
            ]
            .map(str::to_owned);
            let program = bin.join("postgres").display().to_string();
            match Server::start(user, &program, &args, "ready to accept connections").await {
                Ok(server) => return Self { port, _server: server },
                Err(error) => last = error,
            }
        }
        panic!("{last}");
    }

    /// A new, empty database; answers its address as the store's setting.
    pub(crate) fn database(&self, name: &str) -> String {
        let made = Command::new(binaries().join("createdb"))
            .args(["-h", "127.0.0.1", "-U", "postgres", "-p", &self.port.to_string(), name])
            .output()
            .expect("createdb");
        assert!(made.status.success(), "createdb {name}: {}", String::from_utf8_lossy(&made.stderr));
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }
}

/// The newest version that is installed.
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let version = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()).unwrap_or(0);
    let newest = versions.filter_map(|entry| Some(entry.ok()?.path())).max_by_key(version);
    newest.expect("PostgreSQL is installed").join("bin")
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id");
    id.stdout.trim_ascii() == b"0"
}
