//! `keys create` — a new key, told once.

use super::{Where, local};
use crate::{host::Host, print, stop::Stop};
use clap::Args as ClapArgs;
use serde_json::json;

/// Whose key.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// A name to know it by
    pub(super) name: String,
    /// operator: everything; tenant: one tenant's jobs
    #[arg(long, value_parser = ["operator", "tenant"], default_value = "operator")]
    pub(super) role: String,
    /// The tenant; makes a tenant's key
    #[arg(long)]
    pub(super) tenant: Option<String>,
    #[command(flatten)]
    pub(super) place: Where,
}

pub(crate) async fn run(mut args: Args, host: &Host) -> Result<(), Stop> {
    if args.tenant.is_some() {
        args.role = "tenant".into();
    } else if args.role == "tenant" {
        return Err(Stop::usage("--role tenant needs --tenant NAME"));
    }
    let made = if args.place.local {
        local::create(&args, host).await?
    } else {
        let mut body = json!({ "name": args.name, "role": args.role });
        if let Some(tenant) = &args.tenant {
            body["tenant"] = json!(tenant);
        }
        host.client(&args.place.remote)?.post(&["v1", "keys"], body).await?
    };
    if host.json {
        print::json(&made);
    } else {
        print::line(&print::text(&made, "key"));
        print::aside(&format!("this is the only time it is told; its id is {}", print::text(&made, "id")));
    }
    Ok(())
}
