use super::{Contents, Draft, Engine, Manifest, Stored, Sum, Table};
use std::collections::BTreeMap;

pub(crate) fn draft() -> Draft {
    let table = |name: &str, rows, hash: &str| Table { name: name.into(), rows, hash: Some(hash.into()) };
    Draft {
        format: Draft::FORMAT,
        name: "db".into(),
        run: "20261122T000000Z-1".into(),
        job: "1".into(),
        engine: Engine::Postgres,
        engine_version: "15.8".into(),
        started_at: "2026-11-22T00:00:00.000Z".into(),
        started_at_ms: 1_795_305_600_000,
        duration_ms: 12,
        data: Stored { file: "db/20261122T000000Z-1/data-1.pgdump.zst.age".into(), bytes: 10, sha256: "ab".into() },
        plain: Sum { bytes: 20, sha256: "cd".into() },
        encrypt_to: vec!["age1x".into()],
        tools: BTreeMap::from([("pg_dump".to_owned(), "pg_dump (PostgreSQL) 15.8".to_owned())]),
        contents: Contents {
            method: "m".into(),
            tables: vec![table("public.a", 1, "h"), table("public.b", 2, "i")],
            digest: None,
            unknown: None,
            encoding: Some("UTF8".into()),
        },
    }
}

#[test]
fn what_is_written_is_read() {
    let manifest = draft().sealed();
    assert_eq!(Manifest::from_text(manifest.to_text().as_bytes()), Ok(manifest.clone()));
    assert_eq!(manifest.file(), "db/20261122T000000Z-1/manifest.json");
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let text = draft().sealed().to_text().into_bytes();
    for at in 0..text.len() - 1 {
        for bit in 0..8 {
            let mut flipped = text.clone();
            flipped[at] ^= 1 << bit;
            assert!(Manifest::from_text(&flipped).is_err(), "byte {at}, bit {bit}: {}", String::from_utf8_lossy(&flipped));
        }
    }
}

#[test]
fn a_newer_form_says_so() {
    let text = draft().sealed().to_text().replace("\"format\": 1", "\"format\": 2, \"more\": []");
    let why = Manifest::from_text(text.as_bytes()).unwrap_err();
    assert!(why.contains("newer program"), "{why}");
}

#[test]
fn differences_are_named() {
    let one = draft().contents;
    assert_eq!(one.difference(&one), None);
    let mut other = one.clone();
    other.tables[0].rows = 7;
    other.tables[1].hash = Some("j".into());
    assert_eq!(one.difference(&other).unwrap(), "public.a has 7 rows instead of 1, public.b has other contents");
    other.tables.remove(0);
    other.tables[0] = Table { name: "public.c".into(), rows: 0, hash: None };
    assert_eq!(one.difference(&other).unwrap(), "public.a is missing, public.b is missing, public.c is new");
    let digest = |digest: &str| Contents { tables: Vec::new(), digest: Some(digest.into()), ..one.clone() };
    assert!(digest("a").difference(&digest("b")).is_some());
    assert!(digest("a").difference(&digest("a")).is_none());
}
