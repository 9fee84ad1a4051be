//! The store's promises on both databases: the statements are one text, so the cases are one text too.

use crate::harness::{folder, postgres};
use longshore_base::{ManualClock, Name, Scope, SeededRandom};
use longshore_store::{HistoryRow, KeyRing, Role, Store, StoreError, StoreOptions, ensure_admin_key};
use std::sync::Arc;

const MIGRATES: StoreOptions = StoreOptions { migrate: true, connections_max: 4, timeout: std::time::Duration::from_secs(10) };
const NOW: i64 = 1_800_000_000_000;

/// The same cases by name on both.
macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test] async fn $case() { super::$case(format!("sqlite:{}/store.db", super::folder("store").display())).await; })*
        }
        mod on_postgres {
            $(#[tokio::test] async fn $case() { super::$case(super::postgres::shared().await.database(concat!("store_", stringify!($case)))).await; })*
        }
    };
}
cases!(
    processes_that_start_together_migrate_once,
    keys_live_until_they_are_revoked,
    the_first_key_is_made_once,
    history_is_kept_by_id_and_scope
);

async fn open(url: &str) -> Store {
    Store::open(url, &MIGRATES).await.expect("the store opens")
}

async fn processes_that_start_together_migrate_once(url: String) {
    let stores = futures::future::join_all((0..6).map(|_| open(&url))).await;
    for store in &stores {
        store.ping().await.expect("it answers");
    }
    let plain = StoreOptions { migrate: false, ..MIGRATES };
    Store::open(&url, &plain).await.expect("a schema that is up to date needs no right to migrate");
}

async fn keys_live_until_they_are_revoked(url: String) {
    let store = open(&url).await;
    let (clock, random) = (ManualClock::at(NOW), SeededRandom::new(11));
    let tenant = Role::Tenant(Name::literal("acme"));
    let made = store.create_key(&Name::literal("ci"), &tenant, NOW, &*random).await.expect("a key");
    store.create_key(&Name::literal("ops"), &Role::Operator, NOW + 1, &*random).await.expect("a key");
    // Two nodes, one store: what one revokes the other refuses once its answer is old.
    let [here, there] = [0, 1].map(|_| KeyRing::new(store.clone(), Arc::new(clock.clone())));
    for ring in [&here, &there] {
        assert_eq!(ring.check(made.text.reveal()).await.expect("an answer").map(|key| key.role), Some(tenant.clone()));
    }
    assert!(store.revoke_key(made.key.id, NOW + 5).await.expect("an answer"));
    assert!(store.revoke_key(made.key.id, NOW + 9).await.expect("an answer"), "repeating it is no error");
    clock.advance(KeyRing::FRESH);
    for ring in [&here, &there] {
        assert!(ring.check(made.text.reveal()).await.expect("an answer").is_none());
    }
    let own = store.keys(&Scope::Tenant(Name::literal("acme"))).await.expect("keys");
    assert_eq!(own.len(), 1);
    assert_eq!((own[0].revoked_at, own[0].last_used_at), (Some(NOW + 5), Some(NOW)));
    assert_eq!(store.keys(&Scope::All).await.expect("keys").len(), 2);
}

async fn the_first_key_is_made_once(url: String) {
    let store = open(&url).await;
    let (clock, random, file) = (ManualClock::at(NOW), SeededRandom::new(12), folder("admin").join("admin.key"));
    assert!(ensure_admin_key(&store, &clock, &*random, &file).await.expect("made"));
    assert!(!ensure_admin_key(&store, &clock, &*random, &file).await.expect("there"));
    let ring = KeyRing::new(store, Arc::new(clock));
    let text = std::fs::read_to_string(file).expect("the file");
    assert_eq!(ring.check(text.trim()).await.expect("an answer").map(|key| key.role), Some(Role::Operator));
}

async fn history_is_kept_by_id_and_scope(url: String) {
    let store = open(&url).await;
    let row = |id: &str, tenant, state: &str| HistoryRow {
        id: id.into(),
        tenant: Name::literal(tenant),
        queue: Name::literal("q"),
        kind: Name::literal("demo.echo"),
        client: Some(Name::literal("shop")),
        state: state.into(),
        reason: (state == "dead").then(|| "fatal".into()),
        fingerprint: None,
        created_at: NOW,
        ended_at: NOW + 1,
        job: format!(r#"{{"state":"{state}","text":"\u0000 é 😀"}}"#),
    };
    let many: Vec<_> = (0..500).map(|n| row(&format!("job-{n}"), "acme", "dead")).collect();
    store.keep_history(&many).await.expect("kept");
    store.keep_history(&[row("job-7", "acme", "completed"), row("else", "other", "dead")]).await.expect("kept again");
    let acme = Scope::Tenant(Name::literal("acme"));
    assert_eq!(store.history(&acme, "job-7").await.expect("an answer"), Some(row("job-7", "acme", "completed").job));
    assert_eq!(store.history(&acme, "job-8").await.expect("an answer"), Some(row("job-8", "acme", "dead").job));
    assert!(store.history(&acme, "else").await.expect("an answer").is_none(), "another tenant's does not exist");
    assert!(store.history(&Scope::All, "else").await.expect("an answer").is_some());
}

#[tokio::test]
async fn a_role_that_may_not_migrate_refuses_an_older_postgres() {
    let url = postgres::shared().await.database("store_older");
    let plain = StoreOptions { migrate: false, ..MIGRATES };
    let refused = Store::open(&url, &plain).await.expect_err("there is no schema yet");
    assert!(matches!(refused, StoreError::Older { found: 0, .. }), "{refused}");
    assert!(refused.to_string().contains("longshore migrate"), "{refused}");
    open(&url).await;
    Store::open(&url, &plain).await.expect("once it is migrated");
}
