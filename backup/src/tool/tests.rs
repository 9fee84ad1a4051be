use super::{Process, Tool, Version, last};
use crate::Means;
use longshore_base::{Code, SystemClock};
use std::{collections::BTreeMap, process::Stdio, time::Duration};
use tokio::io::{AsyncBufReadExt, BufReader};

fn means() -> Means {
    Means { aws: BTreeMap::new(), scratch: std::env::temp_dir(), path: "/usr/bin:/bin".into(), clock: SystemClock::new() }
}

#[test]
fn versions_are_read() {
    for (text, version) in [
        ("pg_dump (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)", (15, 8)),
        ("redis-cli 7.0.15", (7, 0)),
        ("Redis server v=7.2.4 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", (7, 2)),
        ("postgres (PostgreSQL) 17beta1", (17, 0)),
        ("15", (15, 0)),
    ] {
        assert_eq!(Version::read(text), Some(Version(version.0, version.1)), "{text}");
    }
    assert_eq!(Version::read("nothing"), None);
    assert!(Version(7, 2) > Version(7, 0) && Version(10, 0) > Version(9, 6));
}

#[tokio::test]
async fn a_tool_that_is_absent_is_named() {
    let error = Tool::find("no-such-tool", &means()).await.unwrap_err();
    assert_eq!(error.code(), Code::BackupToolMissing);
    assert!(error.to_string().contains("no-such-tool") && !error.is_transient(), "{error}");
    let tool = Tool::find("sh", &Means { path: "/nowhere".into(), ..means() }).await;
    assert_eq!(tool.unwrap_err().code(), Code::BackupToolMissing, "nothing but PATH is searched");
}

#[tokio::test]
async fn an_older_tool_is_refused() {
    let tool = Tool::find("psql", &means()).await.expect("Debian's");
    assert!(tool.must_know(Version(9, 6), "the server").is_ok());
    let error = tool.must_know(Version(99, 0), "the server").unwrap_err();
    assert_eq!(error.code(), Code::BackupToolOld);
    assert!(error.to_string().contains("psql") && error.to_string().contains("99.0"), "{error}");
}

#[tokio::test]
async fn a_dropped_process_takes_its_children_along() {
    let tool = Tool::find("psql", &means()).await.expect("Debian's");
    let mut command = tool.of_shell();
    command.args(["-c", "sleep 1000 & echo $!; wait"]).stdout(Stdio::piped());
    let mut process = Process::start("sh", command).expect("it starts");
    let mut lines = BufReader::new(process.child.stdout.take().expect("piped")).lines();
    let child = lines.next_line().await.expect("a line").expect("a number");
    let lives = || std::path::Path::new(&format!("/proc/{child}/stat")).exists() && !is_zombie(&child);
    assert!(lives());
    drop(process);
    let gone = async {
        let mut pace = tokio::time::interval(Duration::from_millis(5));
        while lives() {
            pace.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("it ends with the group");
}

fn is_zombie(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

#[tokio::test]
async fn nothing_of_our_environment_gets_in() {
    let tool = Tool::find("psql", &means()).await.expect("Debian's");
    let mut command = tool.of_shell();
    command.args(["-c", "/usr/bin/env | sort | cut -d= -f1 | tr '\\n' ' '"]);
    let (_, out, _) = tool.answer(command, Duration::from_secs(10)).await.expect("it runs");
    let names: Vec<_> = out.split_whitespace().filter(|name| !matches!(*name, "PWD" | "OLDPWD" | "_" | "SHLVL")).collect();
    assert_eq!(names, ["LC_ALL", "PATH"]);
}

#[tokio::test]
async fn a_tool_that_hangs_is_given_up() {
    let tool = Tool::find("psql", &means()).await.expect("Debian's");
    let mut command = tool.of_shell();
    command.args(["-c", "sleep 1000"]);
    let error = tool.answer(command, Duration::from_millis(50)).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("did not answer"), "{error}");
}

#[test]
fn the_last_lines_are_told() {
    assert_eq!(last("a\nb\n\nc\rd\n"), "b; c; d");
    assert_eq!(last(""), "");
}
