//! `doctor` — everything that is wrong with a set-up, in one report: configuration, folder, store, broker, API, key.

use crate::{
    client::{Client, Remote},
    host::Host,
    print,
    roles::{flags::AllFlags, parts},
    stop::Stop,
};
use clap::Args as ClapArgs;
use longshore_config::{BrokerPlace, Settings, StorePlace};
use longshore_queue::BrokerError;
use serde_json::json;
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

/// What a look at one part came to.
#[derive(Debug)]
struct Finding {
    part: &'static str,
    /// ok · note (worth knowing) · fault.
    grade: &'static str,
    told: String,
}

pub(crate) async fn run(args: &Args, host: &Host) -> Result<(), Stop> {
    let settings = args.flags.settings(host)?;
    let mut findings = vec![ok("configuration", "no fault".into()), folder(&settings, host), store(&settings).await];
    findings.extend(broker(&settings, host).await);
    let remote = Remote { api: args.api.clone(), key_file: args.key_file.clone(), data: Some(settings.data.clone()) };
    findings.extend(api(&host.client(&remote)?).await);
    let faults = findings.iter().filter(|finding| finding.grade == "fault").count();
    if host.json {
        let rows: Vec<_> = findings.iter().map(|f| json!({ "part": f.part, "grade": f.grade, "detail": f.told })).collect();
        print::json(&json!({ "ok": faults == 0, "findings": rows }));
    } else {
        let mut table = print::Table::new(&["PART", "GRADE", "FINDING"]);
        findings.iter().for_each(|f| table.row([f.part.into(), f.grade.into(), f.told.replace('\n', " ")]));
        table.print("");
    }
    match faults {
        0 => Ok(()),
        1 => Err(Stop::failed("1 fault")),
        n => Err(Stop::failed(format!("{n} faults"))),
    }
}

const fn ok(part: &'static str, told: String) -> Finding {
    Finding { part, grade: "ok", told }
}
const fn note(part: &'static str, told: String) -> Finding {
    Finding { part, grade: "note", told }
}
const fn fault(part: &'static str, told: String) -> Finding {
    Finding { part, grade: "fault", told }
}

fn folder(settings: &Settings, host: &Host) -> Finding {
    let shown = settings.data.display();
    if !settings.data.exists() {
        return note("data folder", format!("{shown} is not there yet; the first role makes it"));
    }
    match parts::folder(settings, host) {
        Ok(()) => ok("data folder", format!("{shown} can be written to")),
        Err(stop) => fault("data folder", stop.message().to_owned()),
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
            answered.map_or_else(|error| fault("store", parts::chain(&error)), |()| ok("store", format!("{} answers", settings.store)))
        }
        Err(stop) => fault("store", stop.message().to_owned()),
    }
}

async fn broker(settings: &Settings, host: &Host) -> Vec<Finding> {
    if let BrokerPlace::Sqlite(path) = &settings.broker
        && let Some(missing) = not_there("broker", path)
    {
        return vec![missing];
    }
    let health = match parts::connect(settings, host).await {
        Ok(broker) => broker.health().await,
        Err(error) => Err(error),
    };
    match health {
        Ok(health) => {
            let memory = health.memory.map(|(used, most)| format!(", {} of {} MiB used", used >> 20, most >> 20)).unwrap_or_default();
            let class = json!(health.durability);
            let class = class.as_str().unwrap_or_default();
            let mut found = vec![ok("broker", format!("{} answers: {}, {class}{memory}", settings.broker, health.version))];
            found.extend(health.faults.iter().map(|f| {
                let told = format!("{} = {}: allowed is {}", f.key, f.value, f.allowed);
                if f.fatal { fault("broker", told) } else { note("broker", told) }
            }));
            found
        }
        Err(BrokerError::Locked(why)) => vec![note("broker", format!("in use: {why}"))],
        Err(error) => vec![fault("broker", parts::broker_stop(settings, &error).message().to_owned())],
    }
}

async fn api(client: &Client) -> Vec<Finding> {
    let ready = match client.get(&["readyz"], &[]).await {
        Ok(_) => ok("api", format!("{} is ready", client.base())),
        Err(stop) if stop.is_no_answer() => return vec![note("api", stop.message().to_owned())],
        Err(stop) => fault("api", format!("{} is not ready: {}", client.base(), stop.message())),
    };
    let key = match client.get(&["v1", "queues"], &[]).await {
        Ok(answer) => ok("key", format!("is accepted; {} queues", answer["queues"].as_array().map_or(0, Vec::len))),
        Err(stop) => fault("key", stop.message().to_owned()),
    };
    vec![ready, key]
}

fn not_there(part: &'static str, path: &Path) -> Option<Finding> {
    (!path.exists()).then(|| note(part, format!("{} is not there yet; the first role makes it", path.display())))
}
