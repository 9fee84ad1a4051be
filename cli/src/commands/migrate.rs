//! `migrate` — bring the store's schema up to what this binary needs, before the roles are started.

use crate::{host::Host, print, roles::flags::Records, roles::parts, stop::Stop};
use clap::Args as ClapArgs;
use longshore_config::StorePlace;
use serde_json::json;
use std::path::PathBuf;

/// Which store.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The data folder [default: ./longshore-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    records: Records,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let settings = args.records.settings(host, args.data.as_deref())?;
    if matches!(settings.store, StorePlace::Sqlite(_)) {
        parts::folder(&settings, host)?;
    }
    parts::store(&settings, true).await?.close().await;
    if host.json {
        print::json(&json!({ "migrated": true, "store": settings.store.to_string() }));
    } else {
        print::line(&format!("{} has the schema that this binary needs", settings.store));
    }
    Ok(())
}
