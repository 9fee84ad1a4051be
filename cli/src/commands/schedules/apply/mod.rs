//! `schedules apply FILE` — make the schedules what a file says. Everything is checked by the API first; the difference is shown; then it is
//! carried out, each change only from the revision that was shown.

mod diff;
mod file;

use crate::{
    client::{Client, Remote},
    host::Host,
    print,
    stop::Stop,
};
use clap::Args as ClapArgs;
use diff::{Change, What};
use file::{Declared, Item};
use reqwest::Method;
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::PathBuf};

/// Which file, and how far to go.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// TOML with a table [[schedule]] for each: its name, tenant or tenants, and the fields of the API
    file: PathBuf,
    /// Show the difference, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove schedules that this file declared before and that are not in it any more
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let text =
        std::fs::read_to_string(&args.file).map_err(|error| Stop::usage(format!("{} cannot be read: {error}", args.file.display())))?;
    let stem = args.file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let declared = file::read(&text, &stem).map_err(|faults| faulty(&args, &faults))?;
    let client = host.client(&args.remote)?;
    let mut changes = look(&args, &client, &declared).await?;
    changes.extend(gone(&client, &declared, &changes).await?);
    if !host.json {
        changes.iter().for_each(|change| print::line(change.text().trim_end()));
    }
    let removes = |change: &&Change| change.what == What::Gone;
    let left = if args.prune { 0 } else { changes.iter().filter(removes).count() };
    let done = if args.dry_run { Vec::new() } else { carry_out(&client, &args, &changes).await? };
    if host.json {
        let told: Vec<_> = changes.iter().map(Change::json).collect();
        print::json(&json!({ "managed_by": declared.managed_by, "dry_run": args.dry_run, "changes": told, "applied": done.len() }));
        return Ok(());
    }
    if left > 0 {
        print::line(&format!("{left} gone from the file and left as they are; --prune removes them"));
    }
    print::line(&summary(&args, &changes, &done));
    Ok(())
}

/// Asks the API about every schedule of the file: how it would be, and how it is.
async fn look(args: &Args, client: &Client, declared: &Declared) -> Result<Vec<Change>, Stop> {
    let (mut changes, mut faults) = (Vec::new(), Vec::new());
    for item in &declared.items {
        let mut query = item.query();
        query.push(("dry_run", "true".into()));
        match client.send(Method::PUT, &item.path(), &query, Some(item.body.clone()), &[]).await {
            Ok(wanted) => changes.push(Change::new(item, before(client, item).await?, wanted)),
            Err(stop) => faults.extend(told(item, stop)?),
        }
    }
    let mut seen = BTreeSet::new();
    for change in &changes {
        if !seen.insert((&change.tenant, &change.name)) {
            faults.push(format!("{}: the file declares it twice", change.title()));
        }
    }
    if faults.is_empty() { Ok(changes) } else { Err(faulty(args, &faults)) }
}

/// How the schedule stands; None: there is none.
async fn before(client: &Client, item: &Item) -> Result<Option<Value>, Stop> {
    match client.get(&item.path(), &item.query()).await {
        Ok(state) => Ok(Some(state)),
        Err(stop) if stop.problem().is_some_and(|problem| problem["status"] == 404) => Ok(None),
        Err(stop) => Err(stop),
    }
}

/// The faults of one schedule; a failure of another sort is one of the whole.
fn told(item: &Item, stop: Stop) -> Result<Vec<String>, Stop> {
    let errors = stop.problem().and_then(|problem| problem["errors"].as_array()).filter(|errors| !errors.is_empty());
    let Some(errors) = errors else { return Err(stop) };
    Ok(errors.iter().map(|fault| format!("{}: {}", item.title(), crate::client::fault_line(fault))).collect())
}

fn faulty(args: &Args, faults: &[String]) -> Stop {
    let lines: String = faults.iter().map(|fault| format!("\n  {fault}")).collect();
    let many = if faults.len() == 1 { "a fault" } else { "faults" };
    let text = format!("{} has {many}; nothing was changed{lines}", args.file.display());
    Stop::failed(text).with_problem(json!({ "detail": "the file has faults; nothing was changed", "faults": faults }))
}

/// Schedules that this file declared and that it does not name any more.
async fn gone(client: &Client, declared: &Declared, changes: &[Change]) -> Result<Vec<Change>, Stop> {
    let named: BTreeSet<_> = changes.iter().map(|change| (change.tenant.as_str(), change.name.as_str())).collect();
    let query = [("managed_by", declared.managed_by.clone()), ("limit", "1000".into())];
    let read = client.pages(&["v1", "schedules"], &query, None, true).await?;
    let found = read.items.into_iter().map(Change::gone);
    Ok(found.filter(|change| !named.contains(&(change.tenant.as_str(), change.name.as_str()))).collect())
}

/// Carries out what is to be done, in the order of the file. Answers what was done.
async fn carry_out<'a>(client: &Client, args: &Args, changes: &'a [Change]) -> Result<Vec<&'a Change>, Stop> {
    let mut done = Vec::new();
    for change in changes {
        let method = match change.what {
            What::Same => continue,
            What::Gone if !args.prune => continue,
            What::Gone => Method::DELETE,
            What::New | What::Changed => Method::PUT,
        };
        let headers = [("If-Match", format!("\"{}\"", change.revision))];
        let query = [("tenant", change.tenant.clone())];
        let sent = client.send(method, &["v1", "schedules", &change.name], &query, change.body.clone(), &headers).await;
        if let Err(stop) = sent {
            let text = format!("{}\n  {}; the rest was not changed", stop.message(), summary(args, changes, &done));
            let text = format!("{}: {text}", change.title());
            return Err(if stop.is_unreachable() { Stop::unreachable(text) } else { Stop::failed(text) });
        }
        done.push(change);
    }
    Ok(done)
}

/// What was done, or would be.
fn summary(args: &Args, changes: &[Change], done: &[&Change]) -> String {
    let all: Vec<&Change> = changes.iter().filter(|change| args.prune || change.what != What::Gone).collect();
    let (of, lead) = if args.dry_run { (all.as_slice(), "nothing was changed; without --dry-run: ") } else { (done, "") };
    let count = |what: What| of.iter().filter(|change| change.what == what).count();
    let same = changes.iter().filter(|change| change.what == What::Same).count();
    format!("{lead}{} made, {} changed, {} removed; {same} as they were", count(What::New), count(What::Changed), count(What::Gone))
}
