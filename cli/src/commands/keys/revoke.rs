//! `keys revoke` — a key is refused from now on.

use super::{Where, local};
use crate::{host::Host, print, stop::Stop};
use clap::Args as ClapArgs;
use serde_json::json;

/// Which key.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The key's id, as `keys list` tells it
    pub(super) id: uuid::Uuid,
    #[command(flatten)]
    pub(super) place: Where,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let id = args.id.to_string();
    if args.place.local {
        local::revoke(&args, host).await?;
    } else {
        drop(host.client(&args.place.remote)?.delete(&["v1", "keys", &id]).await?);
    }
    if host.json {
        print::json(&json!({ "id": id, "revoked": true }));
    } else {
        print::line(&format!("{id} is revoked; every process refuses it within seconds"));
    }
    Ok(())
}
