//! `jobs list` — a page of jobs, or all of them.

use crate::{
    client::{Client, Remote},
    host::Host,
    print,
    screen::{View, Watch},
    stop::Stop,
};
use clap::Args as ClapArgs;
use serde_json::json;

/// Which jobs.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// In this queue
    #[arg(long)]
    queue: Option<String>,
    /// In this state
    #[arg(long, value_parser = ["scheduled", "ready", "running", "retrying", "waiting", "completed", "cancelled", "dead"])]
    state: Option<String>,
    /// Of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// For this client
    #[arg(long)]
    client: Option<String>,
    /// Of this kind
    #[arg(long)]
    kind: Option<String>,
    /// With this tag
    #[arg(long)]
    tag: Option<String>,
    /// So many at most
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Where the page before ended
    #[arg(long)]
    cursor: Option<String>,
    /// Every page, up to --limit jobs in each call
    #[arg(long, conflicts_with = "cursor")]
    all: bool,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.remote)?;
    args.watch.show(host, async || look(&args, &client, host).await).await
}

async fn look(args: &Args, client: &Client, host: &Host) -> Result<View, Stop> {
    let read = client.pages(&["v1", "jobs"], &args.query(), args.cursor.clone(), args.all).await?;
    let now = host.clock.now();
    let mut table = print::Table::new(&["ID", "KIND", "QUEUE", "TENANT", "STATE", ">ATTEMPTS", ">AGE", "DUE"]);
    for job in &read.items {
        let field = |name| print::text(job, name);
        let attempts = format!("{}/{}", field("attempts"), field("attempts_max"));
        let due = if matches!(job["state"].as_str(), Some("scheduled" | "retrying" | "waiting")) {
            print::age(job, "run_at", now)
        } else {
            String::new()
        };
        table.row([
            field("id"),
            field("kind"),
            field("queue"),
            field("tenant"),
            field("state"),
            attempts,
            print::age(job, "created_at", now),
            due,
        ]);
    }
    let document = json!({ "items": read.items, "cursor": read.cursor, "scanned": read.scanned });
    Ok(View::table(document, &table, "no job matches").hint(read.more()))
}

impl Args {
    fn query(&self) -> Vec<(&'static str, String)> {
        let named = [
            ("queue", self.queue.as_ref()),
            ("state", self.state.as_ref()),
            ("tenant", self.tenant.as_ref()),
            ("client", self.client.as_ref()),
            ("kind", self.kind.as_ref()),
            ("tag", self.tag.as_ref()),
        ];
        let given = named.into_iter().filter_map(|(name, value)| Some((name, value?.clone())));
        given.chain([("limit", self.limit.to_string())]).collect()
    }
}
