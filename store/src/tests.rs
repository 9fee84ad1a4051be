//! The store on SQLite. The same statements run on PostgreSQL in the integration tests.

use crate::{GroupChange, GroupWords, HistoryRow, KeyRing, KeyText, Role, Said, Store, StoreError, StoreOptions, ensure_admin_key};
use longshore_base::{Code, ManualClock, Name, Scope, SeededRandom};
use sqlx::{ConnectOptions, Connection};
use std::{os::unix::fs::PermissionsExt, sync::Arc};
use tempfile::TempDir;

async fn fresh() -> (TempDir, Store) {
    let dir = TempDir::new().expect("a temporary folder");
    let store = open(&dir).await;
    (dir, store)
}

async fn open(dir: &TempDir) -> Store {
    let url = format!("sqlite:{}", dir.path().join("store.db").display());
    Store::open(&url, &StoreOptions::default()).await.expect("a new SQLite file opens")
}

#[tokio::test]
async fn a_new_file_is_its_owners_alone() {
    let (dir, store) = fresh().await;
    store.ping().await.expect("an answer");
    for file in std::fs::read_dir(dir.path()).expect("the folder") {
        let file = file.expect("a file");
        assert_eq!(file.metadata().expect("its mode").permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
    }
}

fn name(text: &'static str) -> Name {
    Name::literal(text)
}

#[test]
fn a_key_is_checked_without_a_store() {
    let random = SeededRandom::new(1);
    let key = KeyText::generate(1_700_000_000_000, &*random);
    let text = key.reveal().to_owned();
    assert!(text.starts_with("lsk_"));
    assert_eq!(KeyText::parse(&text).map(|k| k.id()), Some(key.id()));
    assert!(!format!("{key:?}").contains(&text[40..]), "a key does not print its secret");
    for at in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
        let changed = String::from_utf8(changed).expect("ASCII");
        assert!(KeyText::parse(&changed).is_none(), "a key with another character at {at} is refused");
    }
    for garbage in ["", "lsk_", "lsk_é", &text.to_uppercase(), &text[..text.len() - 1], &format!("{text}0")] {
        assert!(KeyText::parse(garbage).is_none(), "`{garbage}` is refused");
    }
}

#[tokio::test]
async fn a_key_lives_until_it_is_revoked() {
    let (_dir, store) = fresh().await;
    let (clock, random) = (ManualClock::at(1_000_000), SeededRandom::new(2));
    let ring = KeyRing::new(store.clone(), Arc::new(clock.clone()));
    let acme = Role::Tenant(name("acme"));
    let made = store.create_key(&name("ci"), &acme, 1_000_000, &*random).await.expect("a key");
    let text = made.text.reveal().to_owned();
    assert_eq!(ring.check(&text).await.expect("the store answers").map(|k| k.role), Some(acme.clone()));
    assert_eq!(store.keys(&Scope::All).await.expect("keys")[0].last_used_at, Some(1_000_000));

    let stranger = KeyText::generate(1_000_000, &*random);
    assert!(ring.check(stranger.reveal()).await.expect("the store answers").is_none(), "a well-formed key that nobody made");

    assert!(store.revoke_key(made.key.id, 1_000_500).await.expect("revoked"));
    clock.advance(KeyRing::FRESH);
    assert!(ring.check(&text).await.expect("the store answers").is_none(), "refused once the cached answer is old");
    assert!(store.revoke_key(made.key.id, 2_000_000).await.expect("again"), "repeating it is no error");
    assert_eq!(store.keys(&Scope::All).await.expect("keys")[0].revoked_at, Some(1_000_500), "the first time stays");
    assert!(!store.revoke_key(stranger.id(), 1).await.expect("an answer"));
}

#[tokio::test]
async fn the_secret_is_not_in_the_file() {
    let (dir, store) = fresh().await;
    let made = store.create_key(&name("a"), &Role::Operator, 1, &*SeededRandom::new(3)).await.expect("a key");
    store.close().await;
    let secret = &made.text.reveal()[36..];
    for entry in std::fs::read_dir(dir.path()).expect("the folder") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()));
    }
}

#[tokio::test]
async fn keys_are_listed_by_scope() {
    let (_dir, store) = fresh().await;
    let random = SeededRandom::new(4);
    for (label, role) in [("op", Role::Operator), ("a", Role::Tenant(name("acme"))), ("b", Role::Tenant(name("other")))] {
        store.create_key(&name(label), &role, 1, &*random).await.expect("a key");
    }
    assert_eq!(store.keys(&Scope::All).await.expect("all").len(), 3);
    let own = store.keys(&Scope::Tenant(name("acme"))).await.expect("acme's");
    assert_eq!(own.iter().map(|k| k.name.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn the_first_key_is_made_once_and_kept_private() {
    let (dir, store) = fresh().await;
    let (clock, random, path) = (ManualClock::at(5_000), SeededRandom::new(5), dir.path().join("admin.key"));
    assert!(ensure_admin_key(&store, &clock, &*random, &path).await.expect("made"));
    let first = std::fs::read_to_string(&path).expect("the file");
    assert_eq!(std::fs::metadata(&path).expect("the file").permissions().mode() & 0o777, 0o600);
    assert!(!ensure_admin_key(&store, &clock, &*random, &path).await.expect("there"), "it is there already");
    let ring = KeyRing::new(store.clone(), Arc::new(clock.clone()));
    assert_eq!(ring.check(first.trim()).await.expect("an answer").map(|k| k.role), Some(Role::Operator));

    std::fs::remove_file(&path).expect("removed");
    assert!(ensure_admin_key(&store, &clock, &*random, &path).await.expect("made again"));
    assert_ne!(std::fs::read_to_string(&path).expect("the file"), first);

    for key in store.keys(&Scope::All).await.expect("keys") {
        store.revoke_key(key.id, 6_000).await.expect("revoked");
    }
    assert!(ensure_admin_key(&store, &clock, &*random, &path).await.expect("made"), "no operator's key was valid");
    let names: Vec<_> = std::fs::read_dir(dir.path()).expect("the folder").map(|e| e.expect("an entry").file_name()).collect();
    assert!(!names.iter().any(|n| n.to_string_lossy().ends_with(".new")), "no half-written file is left: {names:?}");

    let nowhere = dir.path().join("no/such/folder/admin.key");
    let refused = ensure_admin_key(&store, &clock, &*random, &nowhere).await;
    assert!(matches!(refused, Err(StoreError::KeyFile { .. })), "{refused:?}");
}

fn row(id: &str, tenant: &'static str, state: &str) -> HistoryRow {
    HistoryRow {
        id: id.to_owned(),
        tenant: name(tenant),
        queue: name("q"),
        kind: name("demo.echo"),
        client: None,
        state: state.to_owned(),
        reason: None,
        fingerprint: None,
        created_at: 1,
        ended_at: 2,
        job: format!(r#"{{"id":"{id}","state":"{state}","note":"\u0000"}}"#),
    }
}

#[tokio::test]
async fn history_is_replaced_by_id_and_seen_by_scope() {
    let (_dir, store) = fresh().await;
    store.keep_history(&[row("1", "acme", "dead"), row("2", "other", "completed")]).await.expect("kept");
    store.keep_history(&[row("1", "acme", "completed")]).await.expect("kept again");
    let all = store.history(&Scope::All, "1").await.expect("an answer").expect("a row");
    assert!(all.contains("completed"), "{all}");
    assert!(store.history(&Scope::Tenant(name("acme")), "1").await.expect("an answer").is_some());
    assert!(store.history(&Scope::Tenant(name("acme")), "2").await.expect("an answer").is_none(), "another tenant's does not exist");
    assert!(store.history(&Scope::All, "3").await.expect("an answer").is_none());
}

#[tokio::test]
async fn what_is_said_of_a_group_stays_until_it_is_changed() {
    let (dir, store) = fresh().await;
    let (own, others) = (Scope::Tenant(name("acme")), Scope::Tenant(name("other")));
    let note = |text: Option<&str>| GroupChange { note: Some(text.map(str::to_owned)), acknowledged: None };
    let known = |known| GroupChange { note: None, acknowledged: Some(known) };
    let said = |by: &str, at| Some(Said { by: by.to_owned(), at });
    let of = |note: Option<&str>, noted, acknowledged| GroupWords {
        fingerprint: "f1".to_owned(),
        note: note.map(str::to_owned),
        noted,
        acknowledged,
    };
    let say = |scope, change, by, now| {
        let store = store.clone();
        async move { store.say_of_group(&scope, "f1", &change, &name(by), now).await.expect("said") }
    };
    assert_eq!(say(own.clone(), GroupChange::default(), "ann", 1).await, of(None, None, None), "nothing said, nothing kept");
    assert!(store.said_of_groups(&own).await.expect("an answer").is_empty());
    assert_eq!(say(own.clone(), known(true), "ann", 2).await, of(None, None, said("ann", 2)));
    assert_eq!(
        say(own.clone(), note(Some("the shop is down")), "bob", 3).await,
        of(Some("the shop is down"), said("bob", 3), said("ann", 2))
    );
    say(Scope::All, note(Some("operators know")), "op", 4).await;
    assert!(store.said_of_groups(&others).await.expect("an answer").is_empty(), "another tenant's words do not exist");
    assert_eq!(store.said_of_groups(&Scope::All).await.expect("an answer"), [of(Some("operators know"), said("op", 4), None)]);
    let both = GroupChange { note: Some(None), acknowledged: Some(false) };
    assert_eq!(say(own.clone(), both, "ann", 5).await, of(None, said("ann", 5), None));
    store.close().await;
    let again = open(&dir).await;
    assert_eq!(again.said_of_groups(&own).await.expect("an answer"), [of(None, said("ann", 5), None)]);
}

#[tokio::test]
async fn processes_that_start_together_migrate_once() {
    let dir = TempDir::new().expect("a temporary folder");
    let stores = futures::future::join_all((0..8).map(|_| open(&dir))).await;
    for store in stores {
        store.ping().await.expect("it answers");
    }
}

/// As a process does that opens the same file at the same moment: for that long its journal cannot be turned to WAL.
#[tokio::test]
async fn a_file_that_another_process_is_opening_is_waited_for() {
    let dir = TempDir::new().expect("a temporary folder");
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("store.db")).create_if_missing(true);
    let mut other = file.connect().await.expect("the other one opens it first");
    sqlx::raw_sql("begin immediate").execute(&mut other).await.expect("it writes");
    let mut store = std::pin::pin!(open(&dir));
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut store).await;
    assert!(early.is_err(), "the file is still being written");
    other.close().await.expect("it is done");
    store.await.ping().await.expect("it answers");
}

/// Each attempt waits for the lock by itself; all of them together do not wait for longer than a few times that.
#[tokio::test]
async fn a_file_that_stays_locked_is_given_up() {
    let dir = TempDir::new().expect("a temporary folder");
    let path = dir.path().join("store.db");
    let mut other = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true).connect().await.expect("open");
    let url = format!("sqlite:{}", path.display());
    let options = StoreOptions { timeout: std::time::Duration::from_millis(500), ..StoreOptions::default() };
    for lock in ["begin immediate", "rollback; begin exclusive"] {
        sqlx::raw_sql(lock).execute(&mut other).await.expect("a lock");
        let opened = Store::open(&url, &options);
        let answer = tokio::time::timeout(std::time::Duration::from_secs(5), opened).await.expect("an answer in time");
        assert_eq!(answer.expect_err("locked").code(), Code::StoreUnavailable, "{lock}");
    }
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let options = StoreOptions::default();
    let refused = |url: &'static str| async move { Store::open(url, &StoreOptions::default()).await.expect_err("refused") };
    let error = refused("mysql://user:secret@host/db").await;
    assert_eq!(error.code(), Code::ConfigInvalid);
    assert!(!error.to_string().contains("secret"), "{error}");
    assert_eq!(refused("sqlite:/no/such/folder/store.db").await.code(), Code::StoreUnavailable);
    let dir = TempDir::new().expect("a temporary folder");
    std::fs::write(dir.path().join("store.db"), "this is no database, and long enough to be looked at as one: ".repeat(20))
        .expect("a file");
    let garbage = Store::open(&format!("sqlite:{}", dir.path().join("store.db").display()), &options).await;
    assert!(matches!(garbage, Err(StoreError::Unavailable { .. })), "{garbage:?}");
}

#[tokio::test]
async fn a_closed_store_is_unavailable() {
    let (_dir, store) = fresh().await;
    store.close().await;
    assert_eq!(store.ping().await.expect_err("closed").code(), Code::StoreUnavailable);
}
