//! An engine with an age identity, a folder and a bucket for backups, and short ways to make and look at them.

use crate::{
    harness::{folder, longshore, longshore::Ran, s3::S3},
    scenarios::Engine,
};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// How long a small backup may take on a busy machine.
pub(super) const SOON: Duration = Duration::from_secs(120);

/// An age identity, made by Debian's age-keygen.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) file: PathBuf,
    pub(super) identity: String,
    pub(super) recipient: String,
}

impl Key {
    pub(super) fn new() -> Self {
        let file = folder("key").join("key.txt");
        let made = Command::new("age-keygen").arg("-o").arg(&file).output().expect("age is installed");
        assert!(made.status.success(), "age-keygen: {}", String::from_utf8_lossy(&made.stderr));
        let text = std::fs::read_to_string(&file).expect("the identity file");
        let recipient = text.lines().find_map(|line| line.strip_prefix("# public key: ")).expect("a recipient").to_owned();
        let identity = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).expect("an identity").to_owned();
        Self { file, identity, recipient }
    }
}

#[derive(Debug)]
pub(super) struct House {
    pub(super) engine: Engine,
    pub(super) key: Key,
    pub(super) s3: S3,
    /// A folder for backups.
    pub(super) folder: PathBuf,
}

impl House {
    pub(super) async fn up() -> Self {
        Self::up_with(&[]).await
    }

    pub(super) async fn up_with(more: &[(&str, &str)]) -> Self {
        let (key, s3) = (Key::new(), S3::start().await);
        let mut env = s3.variables();
        env.push(("LONGSHORE_SECRET_BACKUP_KEY".into(), key.identity.clone()));
        env.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let env: Vec<_> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let engine = Engine::up(&env).await;
        Self { engine, key, s3, folder: folder("backups") }
    }

    /// The folder as a target.
    pub(super) fn in_folder(&self) -> String {
        format!("file://{}", self.folder.display())
    }

    /// Enqueues a job of a kind.
    pub(super) async fn begin(&self, kind: &str, args: Value) -> String {
        self.engine.enqueue(vec![json!({"kind": kind, "args": args})]).await.remove(0)
    }

    /// The same, and waits until it is in this state; answers the job.
    pub(super) async fn run(&self, kind: &str, args: Value, state: &str) -> Value {
        let mut job = json!({"kind": kind, "args": args});
        if state == "dead" {
            // Five attempts, as these kinds have, can take longer than a test waits for.
            job["attempts_max"] = json!(2);
        }
        let id = self.engine.enqueue(vec![job]).await.remove(0);
        self.ends(&id, state).await
    }

    pub(super) async fn ends(&self, id: &str, state: &str) -> Value {
        let at_rest = ["completed", "dead", "cancelled"];
        let job = crate::scenarios::until("the job ends", SOON, async || {
            let job = self.engine.job(id).await;
            at_rest.contains(&job["state"].as_str().expect("a state")).then_some(job)
        })
        .await;
        assert_eq!(job["state"], state, "{job}");
        job
    }

    pub(super) fn args(&self, name: &str, source: impl Into<Value>, target: &str) -> Value {
        json!({"name": name, "source": source.into(), "target": target, "encrypt_to": [self.key.recipient]})
    }

    /// Takes a backup; answers the job's output.
    pub(super) async fn backup(&self, name: &str, source: impl Into<Value>, target: &str) -> Value {
        self.run("ops.backup", self.args(name, source, target), "completed").await["output"].clone()
    }

    /// Verifies the newest backup of a name; answers the job.
    pub(super) async fn verify(&self, name: &str, target: &str, state: &str) -> Value {
        self.run("ops.verify_backup", json!({"target": target, "name": name, "identity": {"$secret": "backup-key"}}), state).await
    }

    /// `longshore restore` with the identity file.
    pub(super) fn restore(&self, target: &str, args: &[&str]) -> Ran {
        self.restore_with(&self.key.file, target, args)
    }

    pub(super) fn restore_with(&self, identity: &Path, target: &str, args: &[&str]) -> Ran {
        let mut env = self.s3.variables();
        env.push(("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()));
        let env: Vec<_> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let own = ["restore", "--json", "--target", target, "--identity", longshore::path(identity)];
        longshore::run_with(&env, &own.iter().chain(args).copied().collect::<Vec<_>>())
    }

    /// The manifest of a backup in the folder, as it lies there.
    pub(super) fn manifest(&self, output: &Value) -> Value {
        read_manifest(&self.folder, output)
    }
}

pub(super) fn read_manifest(place: &Path, output: &Value) -> Value {
    let file = place.join(output["manifest"].as_str().expect("a manifest"));
    serde_json::from_str::<Value>(&std::fs::read_to_string(file).expect("it is there")).expect("JSON")["backup"].clone()
}

/// The code of a job's last error.
pub(super) fn code(job: &Value) -> &str {
    job["errors"].as_array().and_then(|errors| errors.last()).and_then(|error| error["code"].as_str()).unwrap_or("none")
}

/// Every file below a folder.
pub(super) fn files(place: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        if entry.path().is_dir() { found.extend(files(&entry.path())) } else { found.push(entry.path()) }
    }
    found.sort();
    found
}

/// A line of shell that must succeed; answers what it printed.
pub(super) fn shell(line: &str) -> String {
    let out = Command::new("bash").args(["-o", "pipefail", "-c", line]).output().expect("bash");
    assert!(out.status.success(), "{line}\n{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text").trim().to_owned()
}
