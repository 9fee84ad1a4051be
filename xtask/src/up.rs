//! `cargo xtask up`: from a checkout to a running Longshore with one command to try.
//! A debug build: it is ready in half the time of a release build, shares its crates with `cargo xtask test`,
//! and trying things out does not need the speed. Figures come from `cargo xtask bench`.

use crate::{cargo, env};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

const DATA: &str = "longshore-data";

pub(crate) fn run(args: &[String]) -> Result<bool, String> {
    let (ours, theirs): (Vec<_>, Vec<_>) = args.iter().filter(|arg| *arg != "--").partition(|arg| *arg == "--fresh");
    if !ours.is_empty() {
        clear(Path::new(DATA))?;
    }
    let data = data_of(&theirs);
    if Path::new(data).join("queue.db").exists() {
        println!("xtask: going on with the data in {data} (`cargo xtask up --fresh` starts over)");
    }
    println!("xtask: building Longshore (a debug build; the first one takes some minutes)");
    let binary = cargo::build("longshore", &[])?;

    let mut longshore = Command::new(binary);
    longshore.args(["up", "--json"]).args(&theirs).stdout(Stdio::piped()).stdin(Stdio::null());
    if !theirs.iter().any(|arg| arg.starts_with("--data")) {
        longshore.args(["--data", DATA]);
    }
    let watch = env::Watch::start();
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| error.to_string())?;
    let mut child = longshore.spawn().map_err(|error| format!("cannot start longshore: {error}"))?;
    let pid = child.id();
    // Ctrl-C reaches the child from the terminal, SIGTERM only us: it is passed on. Either way the child decides when it is done.
    std::thread::spawn(move || signals.forever().filter(|signal| *signal == SIGTERM).for_each(|_| terminate(pid)));
    if let Some(ready) = ready_line(&mut child) {
        greet(&ready, watch.passed());
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    Ok(status.success())
}

/// Waits for the line that says so; None: the child ended before.
fn ready_line(child: &mut Child) -> Option<serde_json::Value> {
    let lines = BufReader::new(child.stdout.take()?).lines().map_while(Result::ok);
    let mut lines = lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok());
    let ready = lines.find(|line| line["ready"] == true);
    // Whatever comes later is read, so that the child never waits for a full pipe.
    std::thread::spawn(move || lines.for_each(|line| println!("{line}")));
    ready
}

fn greet(ready: &serde_json::Value, took: std::time::Duration) {
    let (url, key) = (ready["url"].as_str().unwrap_or("?"), ready["key_file"].as_str().unwrap_or("?"));
    println!();
    println!("Longshore is up after {} ms.", took.as_millis());
    println!("  address    {url}");
    println!("  key file   {key}");
    println!("Try it, in another terminal:");
    println!("  curl -s {url}/v1/jobs -H \"Authorization: Bearer $(cat {key})\" \\");
    println!("       -H 'Content-Type: application/json' -d '{{\"kind\": \"demo.echo\", \"args\": {{\"hello\": \"world\"}}}}'");
    println!("Ctrl-C stops it.");
}

fn data_of<'a>(args: &'a [&String]) -> &'a str {
    let after = args.windows(2).find(|pair| pair[0] == "--data").map(|pair| pair[1].as_str());
    after.or_else(|| args.iter().find_map(|arg| arg.strip_prefix("--data="))).unwrap_or(DATA)
}

/// Removes the data of an earlier run, and nothing that is not one.
fn clear(data: &Path) -> Result<(), String> {
    if !data.exists() {
        return Ok(());
    }
    if !data.join("queue.db").exists() && !data.join("store.db").exists() {
        return Err(format!("{} holds no queue.db or store.db, so it is not removed", data.display()));
    }
    std::fs::remove_dir_all(data).map_err(|error| format!("cannot remove {}: {error}", data.display()))
}

fn terminate(pid: u32) {
    let sent = Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status();
    if !sent.is_ok_and(|status| status.success()) {
        eprintln!("xtask: could not pass SIGTERM on to process {pid}");
    }
}
