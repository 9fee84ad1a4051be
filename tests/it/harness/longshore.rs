//! The binaries themselves: `longshore` and the example's `own-kinds`, run as processes; see [`binary`] for who builds them.

use super::{
    folder,
    process::{Server, free_port},
};
use crate::scenarios::binary;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A role or all of them, running.
#[derive(Debug)]
pub(crate) struct Longshore {
    /// Where its API listens.
    pub(crate) url: String,
    /// Its data folder.
    pub(crate) data: PathBuf,
    server: Server,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit code.
    pub(crate) code: i32,
    /// What it printed.
    pub(crate) out: String,
    /// What it told on stderr.
    pub(crate) told: String,
}

/// How often a start is tried when somebody takes the port.
const STARTS: usize = 5;

impl Longshore {
    /// `longshore up` on an empty folder.
    pub(crate) async fn up() -> Self {
        Self::start("longshore", "up", folder("data"), &[]).await
    }

    /// A role of one of the binaries, ready.
    pub(crate) async fn start(name: &str, role: &str, data: PathBuf, flags: &[&str]) -> Self {
        Self::start_with(&[], name, role, data, flags).await
    }

    /// The same with some variables in its environment.
    pub(crate) async fn start_with(variables: &[(&str, &str)], name: &str, role: &str, data: PathBuf, flags: &[&str]) -> Self {
        let mut last = String::new();
        for _ in 0..STARTS {
            let listen = format!("127.0.0.1:{}", free_port());
            let own = [role, "--json", "--listen", &listen, "--data", path(&data)];
            let before = variables.iter().map(|(name, value)| format!("{name}={value}")).chain([path(&binary(name)).to_owned()]);
            let args: Vec<_> = before.chain(own.into_iter().chain(flags.iter().copied()).map(str::to_owned)).collect();
            match Server::start(None, "env", &args, "\"ready\":true").await {
                Ok(server) => return Self { url: format!("http://{listen}"), data, server },
                Err(error) => last = error,
            }
        }
        panic!("{last}");
    }

    /// An operator command with this one's address and key.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let data = ["--api", &self.url, "--data", path(&self.data)];
        run(&args.iter().copied().chain(data).collect::<Vec<_>>())
    }

    /// The same, which must succeed; answers what it printed as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> serde_json::Value {
        let ran = self.run(&args.iter().copied().chain(["--json"]).collect::<Vec<_>>());
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.told);
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{args:?} printed {:?}: {error}", ran.out))
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// SIGTERM; answers the exit code.
    pub(crate) async fn terminate(&self) -> Option<i32> {
        self.server.terminate().await
    }
}

/// A command of the stock binary, in an empty folder and with nothing of Longshore in its environment.
pub(crate) fn run(args: &[&str]) -> Ran {
    run_with(&[], args)
}

/// The same with some variables.
pub(crate) fn run_with(variables: &[(&str, &str)], args: &[&str]) -> Ran {
    let mut command = Command::new(binary("longshore"));
    command.args(args).stdin(Stdio::null()).current_dir(folder("working")).env_clear().envs(variables.iter().copied());
    let Output { status, stdout, stderr } = command.output().expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: status.code().expect("an exit code"), out: text(stdout), told: text(stderr) }
}

pub(crate) fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
