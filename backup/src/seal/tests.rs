//! The way out and back, and everything that can be done to what lies there in between.

use super::{Sums, Way, seal};
use crate::{BackupError, Identities, Manifest, Means, Recipients, Stored, Target, Tell, manifest::tests::draft, unseal::unseal};
use age::secrecy::ExposeSecret;
use longshore_base::{Code, SystemClock};
use longshore_config::Secret;
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;

const FILE: &str = "db/run/data-1.sqlite.zst.age";

struct Place {
    dir: TempDir,
    target: Target,
    identity: Secret<String>,
    recipients: Recipients,
}

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().expect("a folder");
        let means = Means { aws: BTreeMap::new(), scratch: dir.path().join("scratch"), path: "".into(), clock: SystemClock::new() };
        let target = Target::open(&format!("file://{}", dir.path().join("target").display()), &means).expect("a target");
        let identity = age::x25519::Identity::generate();
        let recipients = Recipients::parse(&[identity.to_public().to_string()]).expect("a recipient");
        Self { dir, target, identity: Secret::new(identity.to_string().expose_secret().to_owned()), recipients }
    }

    fn way<'a>(&'a self, tell: &'a Tell) -> Way<'a> {
        Way { files: &self.target.files, file: FILE, recipients: &self.recipients, tell, of: None }
    }

    async fn store(&self, bytes: Vec<u8>) -> Manifest {
        let tell = Tell::nobody();
        let write = move |out: &mut dyn Write, _: &crate::halt::Halt| {
            out.write_all(&bytes).expect("it is taken");
            Ok(())
        };
        let ((), Sums { plain, stored }) = seal(self.way(&tell), write).await.expect("it is stored");
        let mut draft = draft();
        draft.data = Stored { file: FILE.into(), bytes: stored.bytes, sha256: stored.sha256 };
        (draft.plain, draft.encrypt_to) = (plain, self.recipients.texts());
        draft.sealed()
    }

    /// What a sink gets, and whether it saw an end.
    async fn read(&self, manifest: &Manifest) -> (Result<(), BackupError>, Vec<u8>, bool) {
        let got = Arc::new(Mutex::new((Vec::new(), false)));
        let kept = Arc::clone(&got);
        let sink = move |from: &mut dyn Read, _: &crate::halt::Halt| {
            let mut buffer = [0; 10_000];
            loop {
                let read = from.read(&mut buffer).map_err(|error| BackupError::local("the sink", &error))?;
                let mut kept = kept.lock().expect("nobody panicked");
                kept.0.extend_from_slice(&buffer[..read]);
                if read == 0 {
                    kept.1 = true;
                    return Ok(());
                }
            }
        };
        let identities = Identities::parse(&self.identity).expect("an identity");
        let result = unseal(manifest, identities, &self.target.files, &Tell::nobody(), sink).await;
        let (bytes, ended) = std::mem::take(&mut *got.lock().expect("nobody panicked"));
        (result, bytes, ended)
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("target").join(FILE)
    }
}

/// Does not shrink to nothing, and is not the same everywhere.
fn some(n: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..n).map(|at| if at % 3 == 0 { next() } else { 65 }).collect()
}

#[tokio::test]
async fn what_goes_out_comes_back() {
    let place = Place::new();
    for size in [0, 1, 65_535, 65_536, 131_072, 1_000_003] {
        let bytes = some(size);
        let manifest = place.store(bytes.clone()).await;
        assert_eq!(manifest.backup.plain.bytes, size as u64);
        assert_eq!(std::fs::metadata(place.path()).expect("the file").len(), manifest.backup.data.bytes);
        let (result, got, ended) = place.read(&manifest).await;
        result.expect("it is read");
        assert!(got == bytes && ended, "{size} bytes");
    }
}

#[tokio::test]
async fn a_flipped_byte_is_found_wherever_it_is_and_no_sink_sees_an_end() {
    let place = Place::new();
    let manifest = place.store(some(300_000)).await;
    let whole = std::fs::read(place.path()).expect("the file");
    for at in [0, 30, 90, 150, 250, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        std::fs::write(place.path(), flipped).expect("written");
        let (result, _, ended) = place.read(&manifest).await;
        let error = result.expect_err("it is damaged");
        assert_eq!((error.code(), error.is_transient(), ended), (Code::BackupDamaged, false, false), "byte {at}: {error}");
    }
}

#[tokio::test]
async fn a_cut_file_is_told_as_cut() {
    let place = Place::new();
    let manifest = place.store(some(300_000)).await;
    let whole = std::fs::read(place.path()).expect("the file");
    for length in [0, 10, 70_000, whole.len() - 1] {
        std::fs::write(place.path(), &whole[..length]).expect("written");
        let (result, got, ended) = place.read(&manifest).await;
        assert_eq!((result.unwrap_err().code(), got.len(), ended), (Code::BackupTruncated, 0, false), "{length} bytes");
    }
    std::fs::write(place.path(), [&whole[..], b"more"].concat()).expect("written");
    assert_eq!(place.read(&manifest).await.0.unwrap_err().code(), Code::BackupDamaged);
    std::fs::remove_file(place.path()).expect("removed");
    assert_eq!(place.read(&manifest).await.0.unwrap_err().code(), Code::BackupDamaged);
}

#[tokio::test]
async fn other_data_of_the_same_length_is_never_ended() {
    let place = Place::new();
    // Well sealed for the right recipient, and not what the manifest says.
    let mut manifest = place.store(some(200_000)).await;
    manifest.backup.plain.sha256 = "0".repeat(64);
    let (result, _, ended) = place.read(&manifest).await;
    assert_eq!((result.unwrap_err().code(), ended), (Code::BackupDamaged, false));
}

#[tokio::test]
async fn another_identity_opens_nothing() {
    let place = Place::new();
    let manifest = place.store(some(1_000)).await;
    let other = Place { identity: Secret::new(age::x25519::Identity::generate().to_string().expose_secret().to_owned()), ..place };
    let (result, got, _) = other.read(&manifest).await;
    let error = result.unwrap_err();
    assert_eq!((error.code(), got.len()), (Code::BackupIdentity, 0));
    assert!(!error.to_string().contains("SECRET"), "{error}");
    for text in ["", "nonsense", "AGE-SECRET-KEY-1QQQQ"] {
        let error = Identities::parse(&Secret::new(text.to_owned())).expect_err(text);
        assert_eq!(error.code(), Code::BackupIdentity);
        assert!(text.is_empty() || !error.to_string().contains(text), "{error}");
    }
}

#[tokio::test]
async fn a_source_that_fails_leaves_no_file() {
    let place = Place::new();
    let tell = Tell::nobody();
    let write = |out: &mut dyn Write, _: &crate::halt::Halt| {
        out.write_all(&some(20 << 20)).expect("it is taken");
        Err::<(), _>(BackupError::transient(Code::BackupSource, "the tool failed"))
    };
    let error = seal(place.way(&tell), write).await.expect_err("it failed");
    assert_eq!(error.code(), Code::BackupSource);
    assert!(!place.path().exists());
}

#[tokio::test]
async fn a_dropped_attempt_stops_its_thread() {
    let place = Place::new();
    let tell = Tell::nobody();
    let ended = Arc::new(Mutex::new(false));
    let told = Arc::clone(&ended);
    let write = move |out: &mut dyn Write, halt: &crate::halt::Halt| {
        let piece = some(100_000);
        while halt.look().is_ok() && out.write_all(&piece).is_ok() {}
        *told.lock().expect("nobody panicked") = true;
        Ok(())
    };
    let endless = seal(place.way(&tell), write);
    assert!(tokio::time::timeout(Duration::from_millis(50), endless).await.is_err(), "it does not end by itself");
    let stopped = async {
        let mut pace = tokio::time::interval(Duration::from_millis(5));
        while !*ended.lock().expect("nobody panicked") {
            pace.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), stopped).await.expect("the thread ends");
    assert!(!place.path().exists());
}
