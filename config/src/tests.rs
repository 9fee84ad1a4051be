//! Every fault that an operator can make, as the report tells it.

mod secrets;

use crate::{BrokerPlace, Environment, Flag, LogFormat, Secret, Settings, StorePlace, redacted};
use expect_test::{Expect, expect};
use std::{io::Write, path::Path, time::Duration};

/// Loads `file` (TOML text), variables and flags; the report with the file's path replaced.
fn load(file: &str, variables: &[(&str, &str)], flags: &[(&'static str, &'static str, &str)]) -> Result<Settings, String> {
    let mut on_disk = tempfile::NamedTempFile::new().expect("a temporary file");
    on_disk.write_all(file.as_bytes()).expect("written");
    let environment = Environment::of(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let flags: Vec<_> = flags.iter().map(|(flag, key, value)| Flag { flag, key, value: (*value).to_owned() }).collect();
    let loaded = Settings::load(Some(on_disk.path()), &environment, &flags);
    loaded.map_err(|faults| faults.to_string().replace(&on_disk.path().display().to_string(), "longshore.toml"))
}

#[track_caller]
fn refused(file: &str, variables: &[(&str, &str)], flags: &[(&'static str, &'static str, &str)], report: Expect) {
    report.assert_eq(&load(file, variables, flags).expect_err("faults"));
}

#[test]
fn the_defaults_are_sound_and_as_promised() {
    let s = load("", &[], &[]).expect("no fault");
    assert_eq!(s.worker.lease, Duration::from_secs(15));
    assert_eq!(s.worker.heartbeat, Duration::from_secs(5));
    assert_eq!(s.worker.concurrency, 32);
    assert!(s.scheduler.tick <= Duration::from_millis(500));
    assert_eq!((s.keep.completed, s.keep.completed_max), (Duration::from_secs(24 * 3600), 100_000));
    assert_eq!((s.keep.dead, s.keep.dead_alert), (None, Some(10_000)), "dead letters stay");
    assert_eq!(s.api.body_bytes_max, 32 << 20);
    assert_eq!(s.broker, BrokerPlace::Sqlite("./longshore-data/queue.db".into()));
    assert_eq!(s.store, StorePlace::Sqlite("./longshore-data/store.db".into()));
    assert_eq!(s.key_file(), Path::new("./longshore-data/admin.key"));
}

#[test]
fn every_default_is_explained() {
    let mut commented = false;
    for line in crate::layers::DEFAULTS.lines() {
        let is_key = line.contains(" = ") && !line.starts_with('#');
        assert!(!is_key || commented, "{line}: no comment above it");
        commented = line.starts_with('#');
    }
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file = "listen = \"127.0.0.1:1\"\n[worker]\nlease_ms = 20000\nconcurrency = 2\nqueues = [\"a\"]\n[log]\nformat = \"json\"\n";
    let variables = [("LONGSHORE_WORKER__CONCURRENCY", "3"), ("LONGSHORE_WORKER__QUEUES", "b, c"), ("LONGSHORE_LISTEN", "127.0.0.1:2")];
    let s = load(file, &variables, &[("--listen", "listen", "localhost:3")]).expect("no fault");
    assert_eq!((s.listen.port(), s.worker.concurrency, s.worker.lease), (3, 3, Duration::from_secs(20)));
    assert_eq!(s.worker.queues.iter().map(|q| q.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(s.log.format, LogFormat::Json);
    let from = |key: &str| s.shown().iter().find(|row| row.key == key).map(|row| row.from.clone()).expect("shown");
    assert_eq!(from("listen"), "--listen");
    assert_eq!(from("worker.concurrency"), "LONGSHORE_WORKER__CONCURRENCY");
    assert_eq!(from("worker.grace_ms"), "default");
}

#[test]
fn what_is_not_a_key_in_the_environment_is_left_alone() {
    let e = Environment::of(
        [("LONGSHORE_API", "http://a"), ("LONGSHORE_SECRET_GOOGLE", "s3cret"), ("PATH", "/bin"), ("LONGSHORE_KEY", "lsk_x")]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    assert!(e.settings.is_empty());
    assert_eq!(e.api.as_deref(), Some("http://a"));
    assert_eq!(e.secrets["GOOGLE"].expose(), "s3cret");
    assert!(!format!("{e:?}").contains("s3cret") && !format!("{e:?}").contains("lsk_x"));
}

#[test]
fn all_faults_come_in_one_report() {
    refused(
        "data = 3\nlissten = \"x\"\n[worker]\nlease_ms = \"15000\"\nqueues = [\"a b\", 2]\n[schedular]\ntick_ms = 5\n",
        &[("LONGSHORE_WORKER__CONCURRENCY", "0"), ("LONGSHORE_LOG__FORMAT", "xml"), ("LONGSHORE_WORKER__GRACE", "5")],
        &[("--allow-outbound", "allow_outbound", "10.0.0.0/8,10.0.0.0/99"), ("--listen", "listen", "7171")],
        expect![[r#"
            the configuration has 10 faults; nothing was started

              allow_outbound = "10.0.0.0/8,10.0.0.0/99" (from --allow-outbound): holds "10.0.0.0/99", which is not a network
                allowed: CIDR such as 10.1.0.0/16 or fd00::/8
              data = 3 (from longshore.toml): is not text
                allowed: a folder
              lissten = "x" (from longshore.toml): is not a key
                allowed: the nearest key is listen; config/default.toml lists all
              listen = "7171" (from --listen): is not an address and a port
                allowed: IP:PORT, such as 127.0.0.1:7171 or [::]:7171; port 0 takes a free one
              log.format = "xml" (from LONGSHORE_LOG__FORMAT): is no such format
                allowed: pretty · json
              schedular.tick_ms = 5 (from longshore.toml): is not a key
                allowed: the nearest key is scheduler.tick_ms; config/default.toml lists all
              worker.concurrency = "0" (from LONGSHORE_WORKER__CONCURRENCY): is out of range
                allowed: 1..=10000 jobs at once
              worker.grace = "5" (from LONGSHORE_WORKER__GRACE): is not a key
                allowed: the nearest key is worker.grace_ms; config/default.toml lists all
              worker.lease_ms = "15000" (from longshore.toml): is not a whole number
                allowed: 300..=3600000 ms, and at least 3 × worker.heartbeat_ms
              worker.queues = ["a b", 2] (from longshore.toml): holds "a b", which is not a name
                allowed: names: [A-Za-z0-9][A-Za-z0-9._:-]{0,127}"#]],
    );
}

#[test]
fn relations_are_checked_when_their_values_are_sound() {
    refused(
        "[worker]\nlease_ms = 400\n",
        &[],
        &[],
        expect![[r#"
            the configuration has 1 fault; nothing was started

              worker.lease_ms = 400 (from longshore.toml): is below worker.heartbeat_ms × 3 (= 15000), so that one lost heartbeat could cost a job its lease
                allowed: 15000..=3600000 ms, or a smaller worker.heartbeat_ms"#]],
    );
    refused(
        "broker = \"sqlite:/d/one.db\"\nstore = \"sqlite:/d/one.db\"\n[worker]\nlease_ms = -1\n",
        &[],
        &[],
        expect![[r#"
            the configuration has 2 faults; nothing was started

              store = "sqlite:/d/one.db" (from longshore.toml): is the broker's file
                allowed: another file: a busy store would hold up the queue
              worker.lease_ms = -1 (from longshore.toml): is out of range
                allowed: 300..=3600000 ms, and at least 3 × worker.heartbeat_ms"#]],
    );
}

#[test]
fn files_that_cannot_be_used_are_named() {
    refused(
        "worker = 3\nlog = [",
        &[],
        &[],
        expect![[r#"
            the configuration has 1 fault; nothing was started

              file (from longshore.toml): TOML parse error at line 2, column 8
                  |
                2 | log = [
                  |        ^
                unclosed array, expected `]`
                allowed: a TOML file that can be read"#]],
    );
    refused(
        "worker = 3\n",
        &[],
        &[],
        expect![[r#"
            the configuration has 1 fault; nothing was started

              worker = 3 (from longshore.toml): is a value where a table belongs
                allowed: [worker] and keys below it"#]],
    );
    let missing = Settings::load(Some(Path::new("/nowhere/longshore.toml")), &Environment::default(), &[]).expect_err("no file");
    expect![[r#"
        the configuration has 1 fault; nothing was started

          file (from /nowhere/longshore.toml): cannot be read: No such file or directory (os error 2)
            allowed: a TOML file that can be read"#]]
    .assert_eq(&missing.to_string());
}

#[test]
fn broker_addresses() {
    for (text, told) in [
        ("sqlite:/d/q.db", Ok("sqlite:/d/q.db")),
        ("sqlite:///d/q.db", Ok("sqlite:/d/q.db")),
        ("redis://:pw@h:6380/2", Ok("redis://:***@h:6380/2")),
        ("rediss://u:p@w@h", Ok("rediss://u:***@h")),
        ("unix:///run/redis.sock?db=1", Ok("unix:///run/redis.sock?db=1")),
        ("redis+cluster://u:p@h1,h2:7001", Ok("redis+cluster://u:***@h1,h2:7001")),
        ("sqlite:", Err("names no file after sqlite:")),
        ("sqlite::memory:", Err("names no file after sqlite:")),
        ("redis://h/x", Err("names the database \"x\", which is not a number")),
        ("redis://h:99999", Err("is no address: invalid port number")),
        ("redis+cluster://h1,h2:x", Err("is no address: invalid port number in \"h2:x\"")),
        ("redis+cluster://h1/2", Err("names a database, and a cluster has only one")),
        ("rediss+cluster://h1,h2", Ok("rediss+cluster://h1,h2")),
        ("redis+sentinel://h1,h2:7/master/0", Ok("redis+sentinel://h1,h2:7/master/0")),
        (
            "rediss+sentinel://u:p@h1/main?sentinel_user=w&sentinel_password=a@b",
            Ok("rediss+sentinel://u:***@h1/main?sentinel_user=w&sentinel_password=***"),
        ),
        (
            "redis+sentinel://h1/main?sentinel_password=a@b&sentinel_user=w",
            Ok("redis+sentinel://h1/main?sentinel_password=***&sentinel_user=w"),
        ),
        ("redis+sentinel://h1,h2", Err("names no master behind the Sentinels")),
        ("redis+sentinel://h1/main/x", Err("names the database \"x\", which is not a number")),
        ("redis+sentinel://h1:x/main", Err("is no address: invalid port number in \"h1:x\"")),
        (
            "redis+sentinel://h1/main?password=x",
            Err("has something behind the question mark that is neither sentinel_user=… nor sentinel_password=…"),
        ),
        ("unix://run/redis.sock", Err("names no absolute path of a socket")),
        ("amqp://h", Err("has no scheme that is known")),
        ("queue.db", Err("has no scheme that is known")),
    ] {
        let parsed = BrokerPlace::parse(text).map(|place| place.to_string());
        assert_eq!(parsed.as_deref().map_err(String::as_str), told, "{text}");
    }
}

#[test]
fn files_for_tls_are_there_are_pem_and_are_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let (ca, none) = (file("ca.pem", "-----BEGIN CERTIFICATE-----\n"), file("none.pem", "nothing"));
    let good = format!("broker = \"rediss://h\"\n[redis]\nca_file = \"{ca}\"\n");
    assert_eq!(load(&good, &[], &[]).expect("no fault").redis.ca_file.as_deref(), Some(Path::new(&ca)));
    for (text, told) in [
        (format!("broker = \"redis://h\"\n[redis]\nca_file = \"{ca}\"\n"), "does not ask for TLS"),
        (format!("broker = \"rediss://h\"\n[redis]\nclient_cert_file = \"{ca}\"\n"), "is one of two"),
        (format!("broker = \"rediss://h\"\n[redis]\nca_file = \"{none}\"\n"), "is no PEM file"),
        (format!("broker = \"rediss://h\"\n[redis]\nca_file = \"{none}.gone\"\n"), "cannot be read"),
    ] {
        let report = load(&text, &[], &[]).expect_err(told);
        assert!(report.contains(told) && report.contains("1 fault"), "{report}");
    }
}

#[test]
fn store_and_files_addresses() {
    refused(
        "store = \"postgres://u:hidden@h\"\nfiles = \"ftp://x\"\n",
        &[("LONGSHORE_BROKER", "redis//:hidden@h")],
        &[],
        expect![[r#"
            the configuration has 3 faults; nothing was started

              broker = "redis//:***@h" (from LONGSHORE_BROKER): has no scheme that is known
                allowed: sqlite:PATH · redis://[user:password@]host[:port][/db] · rediss://… · unix:///path.sock[?db=N] · redis+cluster://host[:port],host[:port] · redis+sentinel://host[:port],host[:port]/master[/db]
              files = "ftp://x" (from longshore.toml): has no scheme that is known
                allowed: file:///folder · s3://bucket[/prefix]
              store = "postgres://u:***@h" (from longshore.toml): names no database
                allowed: sqlite:PATH · postgres://[user:password@]host[:port]/database"#]],
    );
}

#[test]
fn secrets_do_not_print() {
    let secret = Secret::new("hidden");
    assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    assert_eq!(redacted("postgres://u@h/d?password=hidden&x=1"), "postgres://u@h/d?password=***&x=1");
    refused(
        "",
        &[("LONGSHORE_DB_PASSWORD", "hidden")],
        &[],
        expect![[r#"
            the configuration has 1 fault; nothing was started

              db_password = *** (from LONGSHORE_DB_PASSWORD): is not a key
                allowed: the nearest key is data; config/default.toml lists all"#]],
    );
}
