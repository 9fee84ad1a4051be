//! Realistic messages: what must share a fingerprint, and what must not.

use super::{fingerprint, normalise};

#[track_caller]
fn check(message: &str, expected: &str) {
    assert_eq!(normalise(message), expected, "of: {message}");
}

#[test]
fn what_changes_from_job_to_job_is_taken_out() {
    check("connection to 10.1.2.3:5432 refused", "connection to # refused");
    check("connect to [2001:db8::1]:443: timed out", "connect to [#]:#: timed out");
    check("no route to fe80::1", "no route to #");
    check("listener ::1 is gone", "listener # is gone");
    check("job 0193a5b2-7c11-7abc-8def-0123456789ab is gone", "job # is gone");
    check("object aabbccdd-eeff-aabb-ccdd-eeffaabbccdd is gone", "object # is gone");
    check("blob 9f86d081884c7d65 not found", "blob # not found");
    check("blob deadbeefdeadbeef not found", "blob # not found");
    check("took 950ms, limit 1.5s", "took #, limit #");
    check("1,024 of 2_048 rows", "# of #_# rows");
    check("at 2026-11-22T16:49:44.123Z: no answer", "at #: no answer");
    check("at 2026-11-22 16:49:44+02:00: no answer", "at #: no answer");
    check("until Sun, 22 Nov 2026 16:49:44 GMT", "until #");
    check("until Sun Nov  6 08:49:37 1994", "until #");
    check("request req_1aB2c3 failed", "request req_# failed");
    check("worker-12 on node7 died", "worker-# on node# died");
    check("unknown column 'price_eur' in `orders`", "unknown column ? in ?");
    check(r#"{"error":{"code":190,"trace":"Ab9\"x"}}"#, "{?:{?:#,?:?}}");
    check("user bob.smith@mail.example.org not found", "user # not found");
    check("dsn postgres://app:pw@db.internal:5432/x", "dsn postgres://#/x");
    check("“blue” is no size", "? is no size");
}

#[test]
fn words_stay_words() {
    check("can't open the users' files: it isn't there", "can't open the users' files: it isn't there");
    check("a lone \" mark and ` another", "a lone \" mark and ` another");
    check("you may try on Sunday; the Mayor decides", "you may try on Sunday; the Mayor decides");
    check("std::io::Error in a::b", "std::io::Error in a::b");
    check("Größe überschritten: 12 Stück für 日本", "Größe überschritten: # Stück für 日本");
    check("  many \n\t spaces  ", "many spaces ");
}

#[test]
fn alike_shares_and_unlike_differs() {
    let of = |message: &str| fingerprint("ads.google.sync", "handler.failed", message);
    assert_eq!(of("quota of account 123-456-7890 exceeded, retry in 30s"), of("quota of account 999-111-2222 exceeded, retry in 1.5s"));
    assert_ne!(of("quota exceeded"), of("permission denied"));
    assert_ne!(of("x"), fingerprint("ads.google.sync", "attempt.timeout", "x"), "the code counts");
    assert_ne!(of("x"), fingerprint("ads.meta.sync", "handler.failed", "x"), "the kind counts");
    assert_eq!(of("x").len(), 16);
    // A stored fingerprint is compared with new ones for months: the function is part of the format.
    assert_eq!(fingerprint("demo.fail", "demo.failed", "asked to fail"), "9542f429f0cd4a11");
}

#[test]
fn every_text_is_read_to_its_end_or_its_bound() {
    for nasty in ["'", "''", "\\", "'\\", "@", "a@", "a@b", "ä@b", "::", ":::::::1", "日@1", "\u{0}", "\"日", "1@2@3", "x'\u{301}"] {
        normalise(nasty);
    }
    let long = "'a ".repeat(3_000);
    assert!(normalise(&long).len() < 1_024);
}
