//! `dlq list` — letters in a line each.

use super::last_error;
use crate::{
    client::{Client, Remote},
    commands::filter::Filter,
    host::Host,
    print,
    screen::{View, Watch},
    stop::Stop,
};
use clap::Args as ClapArgs;
use serde_json::json;

/// Which letters.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    filter: Filter,
    /// Letters that were replayed, and nothing else
    #[arg(long)]
    replayed: bool,
    /// So many at most
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Where the page before ended
    #[arg(long)]
    cursor: Option<String>,
    /// Every page, up to --limit letters in each call
    #[arg(long, conflicts_with = "cursor")]
    all: bool,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.remote)?;
    args.watch.show(host, async || look(&args, &client, host).await).await
}

async fn look(args: &Args, client: &Client, host: &Host) -> Result<View, Stop> {
    let mut query = args.filter.query()?;
    query.push(("limit", args.limit.to_string()));
    query.extend(args.replayed.then(|| ("replayed", "true".to_owned())));
    let read = client.pages(&["v1", "dead-letters"], &query, args.cursor.clone(), args.all).await?;
    let now = host.clock.now();
    let mut table = print::Table::new(&["ID", "KIND", "QUEUE", "TENANT", "REASON", ">ATTEMPTS", ">DIED", "ERROR"]);
    for letter in &read.items {
        let field = |name| print::text(letter, name);
        let attempts = format!("{}/{}", field("attempts"), field("attempts_max"));
        let died = print::age(letter, "ended_at", now);
        table.row([field("id"), field("kind"), field("queue"), field("tenant"), field("reason"), attempts, died, last_error(letter)]);
    }
    let document = json!({ "items": read.items, "cursor": read.cursor, "scanned": read.scanned });
    Ok(View::table(document, &table, "no dead letter matches").hint(read.more()))
}
