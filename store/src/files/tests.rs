//! The same promises on a folder and on a bucket of a server that checks signatures.

mod s3;

use super::{Files, FilesError, FilesOptions};
use bytes::Bytes;
use futures::TryStreamExt;
use longshore_base::{Code, Millis};
use s3::S3;
use std::{
    path::Path,
    time::{Duration, UNIX_EPOCH},
};
use tempfile::TempDir;

/// `on_both!(a, b)`: the cases by name on a folder and on a bucket, each of them empty.
macro_rules! on_both {
    ($($case:ident),* $(,)?) => {
        mod on_a_folder {
            $(#[tokio::test] async fn $case() {
                let dir = tempfile::TempDir::new().expect("a temporary folder");
                super::$case(super::folder(&dir)).await;
            })*
        }
        mod on_a_bucket {
            $(#[tokio::test] async fn $case() {
                let server = super::S3::start().await;
                super::$case(server.open("s3://kept/here/and-there", server.keys()).expect("a bucket opens")).await;
            })*
        }
    };
}
on_both!(
    what_is_put_is_read,
    a_file_of_many_parts_is_whole,
    a_dropped_writer_leaves_nothing,
    lists_and_folders,
    a_copy_lives_by_itself,
    names_lead_nowhere_else,
    a_reader_takes_no_more_than_it_wants,
);

fn folder(dir: &TempDir) -> Files {
    Files::open(&format!("file://{}", dir.path().join("files").display()), FilesOptions::default()).expect("a folder opens")
}

/// Bytes that differ from place to place.
fn some(n: usize) -> Bytes {
    (0..n).map(|at| (at * 7 + at / 251) as u8).collect()
}

async fn names(files: &Files, folder: &str) -> Vec<String> {
    let listed: Vec<_> = files.list(folder).expect("a name").map_ok(|file| file.name).try_collect().await.expect("a list");
    let mut listed = listed;
    listed.sort();
    listed
}

async fn what_is_put_is_read(files: Files) {
    assert_eq!(files.head("a/b").await.expect("an answer"), None);
    assert!(matches!(files.read("a/b", 10).await, Err(FilesError::Missing { name }) if name == "a/b"));
    for bytes in [some(0), some(1), some(100_000)] {
        files.put("a/b", bytes.clone()).await.expect("put");
        assert_eq!(files.read("a/b", 100_000).await.expect("read"), bytes);
        let meta = files.head("a/b").await.expect("an answer").expect("it is there");
        assert_eq!((meta.name.as_str(), meta.bytes), ("a/b", bytes.len() as u64));
        assert!(meta.modified > 1_700_000_000_000, "a time: {}", meta.modified);
    }
    files.delete("a/b").await.expect("removed");
    files.delete("a/b").await.expect("removed again");
    assert_eq!(files.head("a/b").await.expect("an answer"), None);
    files.check("probe").await.expect("everything is allowed");
    assert_eq!(names(&files, "").await, [""; 0]);
}

async fn a_file_of_many_parts_is_whole(files: Files) {
    let bytes = some(20 << 20);
    let mut writer = files.writer("large/one").expect("a name");
    for part in bytes.chunks(1_000_001) {
        writer.write(part).await.expect("written");
    }
    assert_eq!(files.head("large/one").await.expect("an answer"), None, "it is not there before it is whole");
    assert_eq!(names(&files, "").await, [""; 0]);
    assert_eq!(writer.finish().await.expect("finished"), bytes.len() as u64);
    let mut reader = files.get("large/one").await.expect("it is there");
    assert_eq!(reader.bytes(), bytes.len() as u64);
    let mut at = 0;
    while let Some(chunk) = reader.next().await.expect("a piece") {
        assert_eq!(chunk, bytes[at..at + chunk.len()]);
        at += chunk.len();
    }
    assert_eq!(at, bytes.len());

    let mut small = files.writer("large/small").expect("a name");
    small.write(b"few").await.expect("written");
    assert_eq!(small.finish().await.expect("finished"), 3);
    assert_eq!(files.read("large/small", 3).await.expect("read"), "few");
    assert_eq!(files.writer("large/none").expect("a name").finish().await.expect("finished"), 0);
    assert_eq!(files.read("large/none", 3).await.expect("read"), "");
}

async fn a_dropped_writer_leaves_nothing(files: Files) {
    for ends in [true, false] {
        let mut writer = files.writer("half").expect("a name");
        writer.write(&some(9 << 20)).await.expect("written");
        if ends {
            writer.abort().await.expect("taken back")
        } else {
            drop(writer)
        }
        assert_eq!(files.head("half").await.expect("an answer"), None);
        assert_eq!(names(&files, "").await, [""; 0]);
    }
}

async fn lists_and_folders(files: Files) {
    for name in ["a", "b/c", "b/d/e", "bc/f"] {
        files.put(name, some(3)).await.expect("put");
    }
    assert_eq!(names(&files, "").await, ["a", "b/c", "b/d/e", "bc/f"]);
    assert_eq!(names(&files, "b").await, ["b/c", "b/d/e"]);
    assert_eq!(names(&files, "b/d").await, ["b/d/e"]);
    assert_eq!(names(&files, "nothing").await, [""; 0]);
}

async fn a_copy_lives_by_itself(files: Files) {
    assert!(matches!(files.copy("one", "two").await, Err(FilesError::Missing { name }) if name == "one"));
    files.put("one", some(300_000)).await.expect("put");
    files.copy("one", "deep/two").await.expect("copied");
    files.copy("one", "deep/two").await.expect("copied again");
    files.put("one", some(1)).await.expect("put");
    files.delete("one").await.expect("removed");
    assert_eq!(files.read("deep/two", 300_000).await.expect("read"), some(300_000));
}

async fn names_lead_nowhere_else(files: Files) {
    for name in ["", "/", "/etc/passwd", "..", "a/../b", "a//b", "a/", ".", "a\\b", "a b", "ä", "a\n", "file#1"] {
        assert!(matches!(files.put(name, some(1)).await, Err(FilesError::Name(_))), "{name:?}");
        assert!(matches!(files.read(name, 1).await, Err(FilesError::Name(_))), "{name:?}");
    }
    for name in ["a:b", "a.b-c_d", "1#x", "...", "a=b", "a+b@c"] {
        files.put(name, some(1)).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(names(&files, "").await, [name]);
        files.delete(name).await.expect("removed");
    }
}

async fn a_reader_takes_no_more_than_it_wants(files: Files) {
    files.put("a", some(11)).await.expect("put");
    match files.read("a", 10).await {
        Err(error @ FilesError::TooLarge { bytes: 11, most: 10, .. }) => assert_eq!(error.code(), Code::FilesDamaged),
        other => panic!("{other:?}"),
    }
    assert_eq!(files.read("a", 11).await.expect("read"), some(11));
}

#[tokio::test]
async fn what_an_interrupted_writer_left_is_removed_when_it_is_old() {
    let dir = TempDir::new().expect("a temporary folder");
    let files = folder(&dir);
    files.put("a/b", some(3)).await.expect("put");
    let left = dir.path().join("files/a/b#3");
    std::fs::write(&left, "half").expect("written");
    let modified =
        std::fs::metadata(&left).and_then(|meta| meta.modified()).expect("a time").duration_since(UNIX_EPOCH).expect("since 1970");
    let modified = Millis::try_from(modified.as_millis()).expect("a time");
    assert_eq!(names(&files, "").await, ["a/b"], "it is no file");
    assert_eq!(files.remove_unfinished(modified).await.expect("cleaned"), 0, "it may still be written to");
    assert!(left.exists());
    assert_eq!(files.remove_unfinished(modified + 1).await.expect("cleaned"), 1);
    assert!(!left.exists() && dir.path().join("files/a/b").exists());
}

#[tokio::test]
async fn a_file_that_was_cut_is_told() {
    let dir = TempDir::new().expect("a temporary folder");
    let files = folder(&dir);
    files.put("a", some(5_000_000)).await.expect("put");
    let mut reader = files.get("a").await.expect("open");
    std::fs::File::options().write(true).open(dir.path().join("files/a")).and_then(|file| file.set_len(10)).expect("cut");
    let told = loop {
        match reader.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a cut file reads as a whole one"),
            Err(error) => break error,
        }
    };
    assert!(matches!(told, FilesError::Cut { .. } | FilesError::Unavailable { .. }), "{told:?}");
    assert!(told.is_transient());
}

#[tokio::test]
async fn addresses_are_read_strictly() {
    let open = |url: &str| Files::open(url, FilesOptions::default());
    for url in
        ["", "files", "/files", "file://files", "http://x/y", "s3://", "s3:///x", "s3://key:secret@bucket", "s3://b?x=1", "s3://b/../c"]
    {
        let error = open(url).expect_err(url);
        assert_eq!(error.code(), Code::ConfigInvalid, "{url}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    for (url, place) in [("s3://b", "s3://b"), ("s3://b/", "s3://b"), ("s3://b/c/d/", "s3://b/c/d")] {
        let files = open(url).expect(url);
        assert_eq!((files.place(), files.is_folder()), (place, false));
    }
    let dir = TempDir::new().expect("a temporary folder");
    std::fs::write(dir.path().join("a"), "").expect("a file");
    let error = open(&format!("file://{}/a/b", dir.path().display())).expect_err("a file is no folder");
    assert_eq!(error.code(), Code::FilesUnavailable);
}

#[tokio::test]
async fn a_bucket_that_refuses_is_told_from_one_that_is_down() {
    let server = S3::start().await;
    let with = |changes: &[(&str, &str)]| {
        let mut keys = server.keys();
        keys.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), longshore_config::Secret::new((*value).to_owned()))));
        server.open("s3://kept", keys).expect("it opens without a call")
    };
    let wrong = with(&[("AWS_SECRET_ACCESS_KEY", "nobodys-secret")]);
    for told in [wrong.put("a", some(1)).await.expect_err("refused"), wrong.read("a", 1).await.expect_err("refused")] {
        assert!(matches!(told, FilesError::Denied { .. }), "{told:?}");
        assert!(!told.is_transient() && !format!("{told:?}").contains("nobodys-secret"), "{told:?}");
    }
    let right = with(&[]);
    right.put("a", some(1)).await.expect("put");
    assert!(Path::new(&server.folder()).join("kept/a").exists(), "where the server keeps it");
    drop(server);
    let told = right.read("a", 1).await.expect_err("nobody listens");
    assert!(matches!(told, FilesError::Unavailable { .. }) && told.is_transient(), "{told:?}");
    assert_eq!(told.code(), Code::FilesUnavailable);
}

/// A server is silent for longer than usual while it puts a large file together.
#[tokio::test]
async fn a_bucket_may_take_its_time_to_finish_a_file() {
    let silence = Duration::from_secs(1);
    let server = S3::slow(silence * 2).await;
    let options = FilesOptions { aws: server.keys(), silence, ..FilesOptions::default() };
    let files = Files::open("s3://kept", options).expect("it opens");
    let mut writer = files.writer("large").expect("a writer");
    writer.write(&some(9 << 20)).await.expect("two parts");
    assert_eq!(writer.finish().await.expect("it is finished"), 9 << 20);
    assert_eq!(files.read("large", 10 << 20).await.expect("read"), some(9 << 20));
}

#[tokio::test]
async fn options_that_cannot_be_used_are_told_at_once() {
    let server = S3::start().await;
    let mut half = server.keys();
    half.remove("AWS_SECRET_ACCESS_KEY");
    let error = server.open("s3://kept", half).expect_err("a key without its secret");
    assert!(matches!(error, FilesError::Options(_)), "{error:?}");
    assert!(server.open("s3://kept", server.keys()).is_ok(), "variables of other programs harm nothing");
    assert!(server.keys().contains_key("AWS_PAGER"));
}
