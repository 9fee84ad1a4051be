//! The parts that roles open: the data folder, the store, the broker. A failure says what to do.

use crate::{host::Host, stop::Stop};
use longshore_base::chain;
use longshore_config::{BrokerPlace, Secret, Settings, StorePlace};
use longshore_jobs::{Blobs, Checker};
use longshore_queue::{Broker, BrokerError, Fault, Health, RedisBroker, RedisOptions, RedisTls, SqliteBroker, SqliteOptions};
use longshore_store::{Files, FilesOptions, Store, StoreError, StoreOptions};
use std::sync::Arc;

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
            _ if matches!(settings.store, StorePlace::Sqlite(_)) => Stop::failed(format!(
                "{told}\n  what to do: see that the file can be read and written and is a database, or name another with --store"
            )),
            _ => Stop::unreachable(format!("{told}\n  what to do: check that it runs and that --store names it")),
        }
    })
}

/// Opens the place of the files. Nothing is sent: a bucket that does not answer holds up only those jobs that need it.
pub(crate) fn files(settings: &Settings, host: &Host) -> Result<Files, Stop> {
    let options = FilesOptions { aws: host.environment.aws.clone(), ..FilesOptions::default() };
    Files::open(&settings.files.address(), options).map_err(|error| {
        let todo = "what to do: name a folder that this user may write to, or a bucket, with --files, and see to its AWS_… variables";
        Stop::failed(format!("the files {}: {}\n  {todo}", settings.files, chain(&error)))
    })
}

/// Where large args and outputs lie. Several machines that share a Redis see each other's files only in a bucket or a shared folder.
pub(crate) fn blobs(settings: &Settings, host: &Host) -> Result<Blobs, Stop> {
    let files = files(settings, host)?;
    if files.is_folder() && !settings.broker.is_sqlite() {
        tracing::info!(
            files = files.place(),
            "args and outputs over 256 KiB lie in this folder; processes on other machines need the same one, or a bucket (--files)"
        );
    }
    Ok(Blobs::new(files))
}

/// Opens the broker and refuses one that is set up in a way that loses jobs.
pub(crate) async fn broker(settings: &Settings, host: &Host) -> Result<Arc<dyn Broker>, Stop> {
    let refused = |error| broker_stop(settings, &error);
    let broker = connect(settings, host).await.map_err(refused)?;
    let health = broker.health().await.map_err(refused)?;
    for fault in &health.faults {
        tracing::warn!(
            key = fault.key,
            value = fault.value,
            allowed = fault.allowed,
            mend = fault.mend,
            fatal = fault.fatal,
            "the broker's set-up has a fault"
        );
    }
    let fatal: Vec<_> = health.faults.iter().filter(|fault| fault.fatal).collect();
    if fatal.is_empty() {
        return Ok(broker);
    }
    let line =
        |fault: &&Fault| format!("\n  {} = {}: allowed is {}\n    what to do: {}", fault.key, fault.value, fault.allowed, fault.mend);
    let lines: String = fatal.iter().map(line).collect();
    Err(Stop::failed(format!("the broker {} is set up in a way that loses jobs{lines}", settings.broker)))
}

/// Registers the kinds that this binary carries. What is not taken over is logged; the role still starts.
pub(crate) async fn register(settings: &Settings, host: &Host, broker: &dyn Broker, checker: &Checker) -> Result<(), Stop> {
    // A kind's queue is there from the start, so that its first job is not held up until workers find a new queue.
    for record in host.catalog.records() {
        broker.home(&record.queue).await.map_err(|error| broker_stop(settings, &error))?;
    }
    let refused = checker.register(host.catalog.records()).await.map_err(|error| broker_stop(settings, &error))?;
    for (kind, why) in refused {
        tracing::error!(%kind, why, "the kind's new version was not taken over; the one before stays");
    }
    Ok(())
}

/// Makes the first admin key if there is none. Answers whether it did.
pub(crate) async fn admin_key(settings: &Settings, host: &Host, store: &Store) -> Result<bool, Stop> {
    let made = longshore_store::ensure_admin_key(store, &*host.clock, &*host.random, &settings.key_file()).await;
    made.map_err(|error| Stop::failed(chain(&error)))
}

/// Opens the broker that the settings name.
pub(crate) async fn connect(settings: &Settings, host: &Host) -> Result<Arc<dyn Broker>, BrokerError> {
    match &settings.broker {
        BrokerPlace::Sqlite(path) => {
            let options = SqliteOptions::new(path, host.clock.clone(), host.random.clone());
            Ok(SqliteBroker::open(options)?)
        }
        BrokerPlace::Redis(url) => Ok(RedisBroker::connect(redis(settings, host, url)?).await?),
    }
}

/// Looks at the broker without refusing one that is set up badly; such a one is not opened.
pub(crate) async fn examine(settings: &Settings, host: &Host) -> Result<(Health, Option<Arc<dyn Broker>>), BrokerError> {
    if let BrokerPlace::Redis(url) = &settings.broker {
        let health = RedisBroker::examine(redis(settings, host, url)?).await?;
        if health.faults.iter().any(|fault| fault.fatal) {
            return Ok((health, None));
        }
    }
    let broker = connect(settings, host).await?;
    Ok((broker.health().await?, Some(broker)))
}

fn redis(settings: &Settings, host: &Host, url: &Secret<String>) -> Result<RedisOptions, BrokerError> {
    let mut options = RedisOptions::new(url.expose(), host.clock.clone(), host.random.clone());
    options.op_timeout = settings.redis.response;
    options.tls = tls(settings)?;
    options.high_water = f64::from(settings.redis.memory_percent_max) / 100.0;
    Ok(options)
}

/// The certificates that the settings name; they were there when the settings were checked.
fn tls(settings: &Settings) -> Result<RedisTls, BrokerError> {
    let read = |path: &std::path::PathBuf| {
        std::fs::read(path).map_err(|error| BrokerError::Refused(format!("{} cannot be read: {error}", path.display())))
    };
    let ca = settings.redis.ca_file.as_ref().map(read).transpose()?;
    let client = settings.redis.client_files.as_ref().map(|(cert, key)| Ok::<_, BrokerError>((read(cert)?, read(key)?))).transpose()?;
    Ok(RedisTls { ca, client })
}

/// What to do where Redis lets nobody in, or not to all that is needed. See its documentation, "Redis errors specification" and "ACL".
fn access(why: &str) -> Option<&'static str> {
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if says(&["WRONGPASS", "NOAUTH", "invalid username-password", "invalid password", "Password authentication failed"]) {
        return Some("give --broker (or LONGSHORE_BROKER) the user and the password of this Redis: redis://USER:PASSWORD@HOST");
    }
    says(&["NOPERM"]).then_some("give its user what docs/redis.md lists: ACL SETUSER, then ACL SAVE")
}

/// What a failed call to the broker means for a command.
pub(crate) fn broker_stop(settings: &Settings, error: &BrokerError) -> Stop {
    let told = format!("the broker {}: {error}", settings.broker);
    match error {
        BrokerError::Full { .. } => Stop::failed(format!("{told}\n  what to do: make room, or name another place with --data or --broker")),
        _ if error.is_transient() => {
            let tls = if settings.broker.is_sqlite() { "" } else { "; one that speaks TLS is rediss://, one that does not redis://" };
            Stop::unreachable(format!("{told}\n  what to do: check that it runs and that --broker names it{tls}"))
        }
        BrokerError::Refused(why) => match access(why) {
            Some(todo) => Stop::failed(format!("{told}\n  what to do: {todo}")),
            None => Stop::failed(told),
        },
        _ => Stop::failed(told),
    }
}

#[cfg(test)]
mod tests {
    use super::access;

    #[test]
    fn who_is_not_let_in_is_told_what_to_change() {
        assert!(access("WRONGPASS: invalid username-password pair or user is disabled.").is_some_and(|todo| todo.contains("--broker")));
        assert!(access("NOAUTH: Authentication required.").is_some_and(|todo| todo.contains("PASSWORD")));
        assert!(
            access("NOPERM: this user has no permissions to run the 'info' command").is_some_and(|todo| todo.contains("docs/redis.md"))
        );
        assert_eq!(access("the broker's version 5.0 is too old"), None);
    }
}
