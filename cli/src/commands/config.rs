//! `config check|show` — what would hold if a role were started here with these flags.

use crate::{host::Host, paint::Paint, print, roles::flags::AllFlags, stop::Stop};
use clap::Subcommand;
use serde_json::{Map, json};

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Report every fault of the configuration; exit 78 if there is one
    Check(AllFlags),
    /// Print every key with its value and where it came from
    Show(AllFlags),
}

pub(crate) fn run(command: &Command, host: &Host) -> Result<(), Stop> {
    match command {
        Command::Check(flags) => {
            flags.settings(host)?;
            if host.json {
                print::json(&json!({ "ok": true }));
            } else {
                print::line("the configuration has no fault");
            }
        }
        Command::Show(flags) => {
            let settings = flags.settings(host)?;
            if host.json {
                let rows = settings.shown().iter().map(|row| (row.key.clone(), json!({ "value": row.value, "from": row.from })));
                print::json(&json!(rows.collect::<Map<_, _>>()));
                return Ok(());
            }
            let mut table = print::Table::new(&["KEY", "VALUE", "FROM"]);
            for row in settings.shown() {
                table.row([row.key.clone(), row.value.clone(), row.from.clone()]);
            }
            table.print("", Paint::of(host));
        }
    }
    Ok(())
}
