//! `tail` — what happens to jobs, while it happens.

pub(crate) mod line;

use crate::{
    client::{Event, Events, Remote},
    host::Host,
    paint::Paint,
    print,
    stop::Stop,
};
use clap::Args as ClapArgs;
use serde_json::{Value, json};

/// What to listen to.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// In this queue; it must exist
    #[arg(long)]
    queue: Option<String>,
    /// Of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Of this kind
    #[arg(long)]
    kind: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.remote)?;
    let filter = [("queue", &args.queue), ("tenant", &args.tenant), ("kind", &args.kind)];
    let query = filter.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
    let mut events = Events::open(&client, host, &["v1", "events"], query).await?;
    if !host.json {
        print::aside(&format!("listening to {}; Ctrl-C ends it", client.base()));
    }
    let paint = Paint::of(host);
    while let Some(event) = events.next().await? {
        let told = if host.json { vec![document(&event).to_string()] } else { line::lines(&event, &paint) };
        // Whoever reads the output has gone.
        if !told.iter().all(|line| print::put(line)) {
            return Ok(());
        }
    }
    Ok(())
}

/// For programs: the data, with the event's name in it.
pub(crate) fn document(event: &Event) -> Value {
    let mut document = json!({ "event": event.name });
    if let (Some(document), Some(data)) = (document.as_object_mut(), event.data.as_object()) {
        document.extend(data.clone());
    }
    document
}
