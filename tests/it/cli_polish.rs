//! The command line as people have it before them: completions, looks that repeat themselves, bars and colours, and none of it where programs read.

use crate::harness::{
    eventually, folder,
    longshore::{Longshore, path, run, run_with},
    spawn,
};
use crate::scenarios::binary;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;
use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io::Read,
    os::unix::ffi::OsStrExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(30);
const ESC: char = '\u{1b}';

/// A command that goes on, and what it has said on stdout so far. Killed when dropped.
struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Running {
    async fn piped(command: &mut Command) -> Self {
        let mut child =
            spawn(std::mem::replace(command.stdout(Stdio::piped()).stderr(Stdio::null()), Command::new("true"))).await.expect("it starts");
        let out = child.stdout.take().expect("piped");
        Self { said: listen(out), child }
    }

    /// Both outputs on a terminal.
    async fn on_terminal(command: &mut Command) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("it is ours");
        let name = ptsname(&ours, Vec::new()).expect("it has a name");
        let theirs: File = OpenOptions::new().read(true).write(true).open(OsStr::from_bytes(name.as_bytes())).expect("it opens");
        command.stdout(theirs.try_clone().expect("twice")).stderr(theirs);
        let child = spawn(std::mem::replace(command, Command::new("true"))).await.expect("it starts");
        Self { said: listen(File::from(ours)), child }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn says(&self, what: &str) {
        eventually(&format!("it says {what:?}"), SOON, async || self.said().contains(what)).await;
    }

    async fn interrupted(&mut self) -> ExitStatus {
        let told = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().expect("kill");
        assert!(told.success());
        self.ended().await
    }

    async fn ended(&mut self) -> ExitStatus {
        let mut ended = None;
        eventually("it ends", SOON, async || {
            ended = self.child.try_wait().expect("our child");
            ended.is_some()
        })
        .await;
        ended.expect("it has ended")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn listen(mut from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let said = Arc::new(Mutex::new(String::new()));
    let heard = said.clone();
    let listen = move || {
        let mut bytes = [0; 4096];
        // A terminal whose other end is closed answers an error, not an end.
        while let Ok(n @ 1..) = from.read(&mut bytes) {
            heard.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(&bytes[..n]));
        }
    };
    std::thread::Builder::new().name("listener".into()).spawn(listen).expect("a thread");
    said
}

/// A command of the stock binary against `up`.
fn command(up: &Longshore, variables: &[(&str, &str)], args: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(binary("longshore")).args(args).args(["--api", &up.url, "--data", path(&up.data)]);
    command
        .stdin(Stdio::null())
        .current_dir(folder("working"))
        .env_clear()
        .env("TERM", "xterm")
        .env("PATH", "/usr/bin:/bin")
        .envs(variables.iter().copied());
    command
}

#[test]
fn every_shell_is_given_a_script_that_names_the_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]);
        assert_eq!(script.code, 0, "{shell}: {}", script.told);
        assert!(["operations", "backfill", "idempotency-key"].iter().all(|word| script.out.contains(word)), "{shell}");
        assert!(!script.out.contains(ESC), "{shell}");
    }
    assert_eq!(run(&["completions", "csh"]).code, 2);
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let script = folder("completions").join("longshore.bash");
    std::fs::write(&script, run(&["completions", "bash"]).out).expect("written");
    let completed = |words: &[&str]| {
        let line = format!(
            "source {}; COMP_WORDS=(longshore {}); COMP_CWORD={}; _longshore longshore '{}' ''; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            path(&script),
            words.join(" "),
            words.len(),
            words.last().expect("a word")
        );
        let out = Command::new("bash").args(["--norc", "-c", &line]).output().expect("bash");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("UTF-8").lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(completed(&["que"]), ["queues"]);
    assert_eq!(completed(&["queues", "pa"]), ["pause"]);
    assert_eq!(completed(&["jobs", "list", "--sta"]), ["--state"]);
    assert!(completed(&["queues", "list", "--wa"]).contains(&"--watch".to_owned()));
}

#[tokio::test]
async fn a_look_repeats_itself_in_plain_lines_where_no_terminal_is() {
    let up = Longshore::up().await;
    let mut watching = Running::piped(&mut command(&up, &[], &["queues", "list", "--watch=0.5"])).await;
    watching.says("default").await;
    assert_eq!(up.run(&["enqueue", "demo.echo", "{}", "--delay", "1h", "--queue", "later"]).code, 0);
    watching.says("later").await;
    let said = watching.said();
    assert!(said.starts_with("-- ") && said.matches("-- ").count() >= 2 && !said.contains(ESC), "{said}");
    assert_eq!(said.matches("QUEUE").count(), said.matches("-- ").count(), "a table for each change, and for nothing else");
    assert!(watching.interrupted().await.success());

    let mut watching =
        Running::piped(&mut command(&up, &[("CLICOLOR_FORCE", "1")], &["queues", "show", "later", "--watch=0.5", "--json"])).await;
    watching.says("\"scheduled\":1").await;
    assert_eq!(up.run(&["enqueue", "demo.echo", "{}", "--delay", "1h", "--queue", "later"]).code, 0);
    watching.says("\"scheduled\":2").await;
    for line in watching.said().lines() {
        let look: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        assert_eq!(look["name"], "later");
    }
    assert!(watching.interrupted().await.success());
    for wrong in ["--watch=0", "--watch=0.1", "--watch=x", "--watch=4000"] {
        assert_eq!(up.run(&["queues", "list", wrong]).code, 2, "{wrong}");
    }
    assert_eq!(up.run(&["queues", "show", "absent", "--watch"]).code, 1, "a first look that fails is told");
}

#[tokio::test]
async fn a_look_is_drawn_over_itself_on_a_terminal() {
    let up = Longshore::up().await;
    let watched = [
        &["queues", "list"][..],
        &["workers", "list"],
        &["jobs", "list"],
        &["schedules", "list"],
        &["dlq", "groups"],
        &["dlq", "list"],
        &["resources", "list"],
        &["lanes", "default"],
    ];
    for what in watched {
        let args = [what, &["--watch=0.5"]].concat();
        let mut watching = Running::on_terminal(&mut command(&up, &[], &args)).await;
        // The terminal is cleared once, and drawn at least twice.
        eventually("it is drawn again", SOON, async || watching.said().matches("\u{1b}[H").count() >= 2).await;
        assert_eq!(watching.said().matches("\u{1b}[2J").count(), 1, "{what:?}");
        assert!(watching.interrupted().await.success(), "{what:?}");
    }
}

#[tokio::test]
async fn an_api_that_is_away_for_a_moment_ends_no_look() {
    let up = Longshore::up().await;
    let mut watching = Running::piped(&mut command(&up, &[], &["workers", "list", "--watch=0.5", "--json"])).await;
    watching.says("\"pid\"").await;
    let (data, listen) = (up.data.clone(), up.url.trim_start_matches("http://").to_owned());
    up.terminate().await;
    let before = watching.said().lines().count();
    let mut start = Command::new("setpriv");
    start.args(["--pdeathsig", "KILL", "--"]).arg(binary("longshore")).args(["up", "--json", "--listen", &listen, "--data", path(&data)]);
    let again = Running::piped(&mut start).await;
    again.says("\"ready\":true").await;
    eventually("the new worker is shown", SOON, async || watching.said().lines().count() > before).await;
    assert!(watching.interrupted().await.success());
    drop(again);
}

#[tokio::test]
async fn long_waits_have_a_bar_on_a_terminal_and_nowhere_else() {
    let up = Longshore::up().await;
    let wait = ["enqueue", "demo.sleep", r#"{"ms":700}"#, "--wait"];
    let mut shown = Running::on_terminal(&mut command(&up, &[], &wait)).await;
    shown.says("demo.sleep").await;
    shown.says("running").await;
    assert!(shown.ended().await.success());
    let mut piped = command(&up, &[("CLICOLOR_FORCE", "1")], &wait);
    let out = piped.stdout(Stdio::piped()).stderr(Stdio::piped()).output().expect("it runs");
    assert!(out.status.success() && out.stderr.is_empty() && !out.stdout.contains(&0x1b), "{out:?}");
    let mut documents = Running::on_terminal(&mut command(&up, &[], &[&wait[..], &["--json"]].concat())).await;
    assert!(documents.ended().await.success());
    let said = documents.said();
    assert!(!said.contains(ESC) && serde_json::from_str::<Value>(said.trim()).is_ok(), "{said:?}");
}

#[tokio::test]
async fn colours_are_for_terminals_and_for_those_who_insist() {
    let up = Longshore::up().await;
    let id = up.json(&["enqueue", "demo.echo", "{}", "--wait"])["id"].as_str().expect("an id").to_owned();
    let watch = ["jobs", "watch", &id];
    let piped = |variables: &[(&str, &str)], args: &[&str]| {
        let out = command(&up, variables, args).stdout(Stdio::piped()).stderr(Stdio::piped()).output().expect("it runs");
        assert!(out.status.success(), "{out:?}");
        String::from_utf8(out.stdout).expect("UTF-8")
    };
    assert!(!piped(&[], &watch).contains(ESC));
    assert!(piped(&[("CLICOLOR_FORCE", "1")], &watch).contains("\u{1b}[32m"));
    assert!(!piped(&[("CLICOLOR_FORCE", "0")], &watch).contains(ESC));
    assert!(!piped(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], &watch).contains(ESC));
    assert!(!piped(&[("CLICOLOR_FORCE", "1")], &["jobs", "watch", &id, "--json"]).contains(ESC));
    let mut terminal = Running::on_terminal(&mut command(&up, &[], &watch)).await;
    assert!(terminal.ended().await.success());
    terminal.says("\u{1b}[32m").await;
    let mut plain = Running::on_terminal(&mut command(&up, &[("NO_COLOR", "1")], &watch)).await;
    assert!(plain.ended().await.success());
    plain.says("completed").await;
    assert!(!plain.said().contains("\u{1b}[32m"));
}

#[test]
fn settings_come_from_the_usual_variables_and_secrets_are_not_shown() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=planted"),
        ("OTEL_SERVICE_NAME", "jobs"),
        ("SENTRY_DSN", "https://planted@sentry.example/7"),
    ];
    let shown = run_with(&variables, &["config", "show", "--json"]);
    assert_eq!(shown.code, 0, "{}", shown.told);
    assert!(!shown.out.contains("planted"), "{}", shown.out);
    let rows: Value = serde_json::from_str(&shown.out).expect("JSON");
    let of = |key: &str| (rows[key]["value"].clone(), rows[key]["from"].clone());
    assert_eq!(of("traces.endpoint"), ("\"http://collector:4318/v1/traces\"".into(), "OTEL_EXPORTER_OTLP_ENDPOINT".into()));
    assert_eq!(of("traces.service"), ("\"jobs\"".into(), "OTEL_SERVICE_NAME".into()));
    assert_eq!(of("traces.headers"), ("***".into(), "OTEL_EXPORTER_OTLP_HEADERS".into()));
    assert_eq!(of("sentry.dsn"), ("***".into(), "SENTRY_DSN".into()));
    let ours = run_with(&[variables[0], ("LONGSHORE_TRACES__ENDPOINT", "http://other/v1/traces")], &["config", "show", "--json"]);
    assert!(ours.out.contains("http://other/v1/traces"), "{}", ours.out);
    let off = run_with(&[variables[0], ("OTEL_SDK_DISABLED", "true")], &["config", "show", "--json"]);
    assert!(off.code == 0 && !off.out.contains("collector"), "{}", off.out);
    let wrong = run_with(
        &[("SENTRY_DSN", "planted"), ("LONGSHORE_TRACES__HEADERS", "planted"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "x")],
        &["config", "check"],
    );
    assert!(
        wrong.code == 78
            && !wrong.told.contains("\"planted\"")
            && ["sentry.dsn = ***", "traces.headers = ***", "traces.timeout_ms"].iter().all(|part| wrong.told.contains(part)),
        "{}",
        wrong.told
    );
}
