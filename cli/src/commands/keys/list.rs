//! `keys list` — every key, revoked ones included.

use super::{Where, local};
use crate::{host::Host, paint::Paint, print, stop::Stop};
use clap::Args as ClapArgs;

/// Nothing but where to ask.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Where,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let answer = match args.place.local {
        true => local::list(&args.place, host).await?,
        false => host.client(&args.place.remote)?.get(&["v1", "keys"], &[]).await?,
    };
    if host.json {
        print::json(&answer);
        return Ok(());
    }
    let now = host.clock.now();
    let mut table = print::Table::new(&["ID", "NAME", "ROLE", "TENANT", ">AGE", ">USED", "STATE"]);
    for key in answer["keys"].as_array().into_iter().flatten() {
        let field = |name| print::text(key, name);
        let state = if key["revoked_at"].is_null() { "valid" } else { "revoked" };
        table.row([
            field("id"),
            field("name"),
            field("role"),
            field("tenant"),
            print::age(key, "created_at", now),
            print::age(key, "last_used_at", now),
            state.into(),
        ]);
    }
    table.print("no keys", Paint::of(host));
    Ok(())
}
