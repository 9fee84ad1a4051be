//! `doctor` — everything that is wrong with a set-up, in one report: configuration, folders and their disks, store, broker, workers, files,
//! API, key. Each finding says what it means and what mends it.
//!
//! Exit: 0 without a fault (notes are no faults), 69 if all that is wrong is that something cannot be reached, else 1; a faulty
//! configuration ends with 78 before anything is looked at.

mod broker;
mod disk;
mod files;

use crate::{
    client::{Client, Remote},
    host::Host,
    paint::Paint,
    print,
    roles::{flags::AllFlags, parts},
    stop::Stop,
};
use clap::Args as ClapArgs;
use longshore_config::{Settings, StorePlace};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The flags of the roles, and the API to look at.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: AllFlags,
    /// The API's address [LONGSHORE_API] [default: http://127.0.0.1:7171]
    #[arg(long, value_name = "URL", help_heading = "Connection")]
    api: Option<String>,
    /// The file that holds the key [default: LONGSHORE_KEY, else DIR/admin.key]
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    key_file: Option<PathBuf>,
}

/// How good or bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing fails now.
    Note,
    /// It does not work.
    Fault,
    /// It cannot be reached; whether it works is not known.
    Unreachable,
}

impl Grade {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Fault => "fault",
            Self::Unreachable => "unreachable",
        }
    }
}

/// What a look at one part came to.
#[derive(Debug)]
struct Finding {
    part: &'static str,
    grade: Grade,
    /// The setting, where it is about one.
    key: Option<String>,
    told: String,
    /// What to do; empty: nothing.
    mend: String,
}

impl Finding {
    const fn new(part: &'static str, grade: Grade, told: String) -> Self {
        Self { part, grade, key: None, told, mend: String::new() }
    }
    const fn ok(part: &'static str, told: String) -> Self {
        Self::new(part, Grade::Ok, told)
    }
    const fn note(part: &'static str, told: String) -> Self {
        Self::new(part, Grade::Note, told)
    }
    const fn fault(part: &'static str, told: String) -> Self {
        Self::new(part, Grade::Fault, told)
    }
    fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = mend.into();
        self
    }
    /// From what would end a role; its second line says what to do.
    fn stop(part: &'static str, stop: &Stop) -> Self {
        let grade = if stop.is_unreachable() { Grade::Unreachable } else { Grade::Fault };
        let (told, mend) = stop.message().split_once("\n  what to do: ").unwrap_or((stop.message(), ""));
        Self::new(part, grade, told.to_owned()).mend(mend)
    }
    fn json(&self) -> Value {
        json!({ "part": self.part, "grade": self.grade.word(), "key": self.key, "detail": self.told, "what_to_do": self.mend })
    }
}

pub(crate) async fn run(args: &Args, host: &Host) -> Result<(), Stop> {
    let settings = args.flags.settings(host)?;
    let mut findings =
        vec![Finding::ok("version", format!("longshore {}", env!("CARGO_PKG_VERSION"))), Finding::ok("configuration", "no fault".into())];
    findings.push(folder(&settings, host));
    findings.extend(disk::all(&settings));
    findings.push(store(&settings).await);
    findings.extend(broker::all(&settings, host).await);
    findings.extend(files::all(&settings, host).await);
    let remote = Remote { api: args.api.clone(), key_file: args.key_file.clone(), data: Some(settings.data.clone()) };
    findings.extend(api(&host.client(&remote)?).await);
    tell(&findings, host);
    verdict(&findings)
}

fn tell(findings: &[Finding], host: &Host) {
    if host.json {
        let sound = verdict(findings).is_ok();
        return print::json(&json!({ "ok": sound, "findings": findings.iter().map(Finding::json).collect::<Vec<_>>() }));
    }
    let mut table = print::Table::new(&["PART", "GRADE", "FINDING"]);
    for finding in findings {
        table.row([finding.part.into(), finding.grade.word().into(), finding.told.replace('\n', " ")]);
        if !finding.mend.is_empty() {
            table.row([String::new(), String::new(), format!("  what to do: {}", finding.mend.replace('\n', " "))]);
        }
    }
    table.print("", Paint::of(host));
}

fn verdict(findings: &[Finding]) -> Result<(), Stop> {
    let count = |grade| findings.iter().filter(|finding| finding.grade == grade).count();
    let several = |n: usize, what: &str| if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") };
    match (count(Grade::Fault), count(Grade::Unreachable)) {
        (0, 0) => Ok(()),
        (0, gone) => Err(Stop::unreachable(format!("{} cannot be reached", several(gone, "part")))),
        (faults, 0) => Err(Stop::failed(several(faults, "fault"))),
        (faults, gone) => Err(Stop::failed(format!("{}, and {} cannot be reached", several(faults, "fault"), several(gone, "part")))),
    }
}

fn folder(settings: &Settings, host: &Host) -> Finding {
    let shown = settings.data.display();
    if !settings.data.exists() {
        return Finding::note("data folder", format!("{shown} is not there yet; the first role makes it"));
    }
    match parts::folder(settings, host) {
        Ok(()) => Finding::ok("data folder", format!("{shown} can be written to")),
        Err(stop) => Finding::stop("data folder", &stop),
    }
}

async fn store(settings: &Settings) -> Finding {
    if let StorePlace::Sqlite(path) = &settings.store
        && let Some(missing) = not_there("store", path)
    {
        return missing;
    }
    match parts::store(settings, false).await {
        Ok(store) => {
            let answered = store.ping().await;
            store.close().await;
            match answered {
                Ok(()) => Finding::ok("store", format!("{} answers", settings.store)),
                Err(error) => Finding::fault("store", longshore_base::chain(&error)),
            }
        }
        Err(stop) => Finding::stop("store", &stop),
    }
}

async fn api(client: &Client) -> Vec<Finding> {
    let ready = match client.get(&["readyz"], &[]).await {
        Ok(_) => Finding::ok("api", format!("{} is ready", client.base())),
        Err(stop) if stop.is_no_answer() => return vec![Finding::note("api", stop.message().to_owned())],
        Err(stop) => Finding::fault("api", format!("{} is not ready: {}", client.base(), stop.message())),
    };
    let key = match client.get(&["v1", "queues"], &[]).await {
        Ok(answer) => Finding::ok("key", format!("is accepted; {} queues", answer["queues"].as_array().map_or(0, Vec::len))),
        Err(stop) => Finding::fault("key", stop.message().to_owned()),
    };
    vec![ready, key]
}

fn not_there(part: &'static str, path: &Path) -> Option<Finding> {
    (!path.exists()).then(|| Finding::note(part, format!("{} is not there yet; the first role makes it", path.display())))
}
