//! The parts that roles open: the data folder, the store, the broker. A failure says what to do.

use crate::{host::Host, stop::Stop};
use longshore_config::Settings;
use longshore_store::{Store, StoreError, StoreOptions};
use std::error::Error;

/// Makes the data folder if it is not there, and sees that files can be made in it.
pub(crate) fn folder(settings: &Settings, host: &Host) -> Result<(), Stop> {
    let data = &settings.data;
    let failed = |error: std::io::Error| {
        let todo = "what to do: give a folder that this user may write to with --data, or make room on its disk";
        Stop::failed(format!("the data folder {} cannot be used: {error}\n  {todo}", data.display()))
    };
    std::fs::create_dir_all(data).map_err(failed)?;
    let probe = data.join(format!(".probe-{:016x}", host.random.bits()));
    let written = std::fs::write(&probe, b"longshore");
    let removed = std::fs::remove_file(&probe);
    written.and(removed).map_err(failed)
}

/// Opens the store; `migrate` brings PostgreSQL's schema up to date, SQLite's is in any case.
pub(crate) async fn store(settings: &Settings, migrate: bool) -> Result<Store, Stop> {
    let options = StoreOptions { migrate, ..StoreOptions::default() };
    let opened = Store::open(settings.store.address().expose(), &options).await;
    opened.map_err(|error| {
        let told = format!("the store {}: {}", settings.store, chain(&error));
        match error {
            StoreError::Older { .. } => {
                Stop::failed(format!("{told}\n  what to do: `longshore migrate --store …`, or start with `longshore up`"))
            }
            _ => Stop::unreachable(format!("{told}\n  what to do: check that it runs and that --store names it")),
        }
    })
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let (mut told, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        let text = cause.to_string();
        if !told.ends_with(&text) {
            told = format!("{told}: {text}");
        }
        next = cause.source();
    }
    told
}
