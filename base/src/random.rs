//! Chance as an argument: jitter, ids and keys come from here, so that a test can repeat a run by its seed.

use rand::{Rng, SeedableRng, rngs::StdRng};
use std::sync::{Arc, Mutex};

/// Where a process takes chance from.
pub trait Random: Send + Sync + std::fmt::Debug + 'static {
    /// Fills `out` with random bytes. [`SystemRandom`]'s are fit for keys.
    fn fill(&self, out: &mut [u8]);
    /// 64 random bits.
    fn bits(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
    /// A number in `0.0..1.0`.
    fn unit(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let bits = (self.bits() >> 11) as f64;
        bits / (1u64 << 53) as f64
    }
}

/// The operating system's randomness, through a generator seeded from it (ChaCha12, fit for keys).
#[derive(Debug)]
pub struct SystemRandom(SeededRandom);

impl SystemRandom {
    /// The source for `main`.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self(SeededRandom { rng: Mutex::new(rand::make_rng()) }))
    }
}
impl Random for SystemRandom {
    fn fill(&self, out: &mut [u8]) {
        self.0.fill(out);
    }
}

/// Repeatable chance for tests.
#[derive(Debug)]
pub struct SeededRandom {
    rng: Mutex<StdRng>,
}
impl SeededRandom {
    /// The same seed gives the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { rng: Mutex::new(StdRng::seed_from_u64(seed)) })
    }
}
impl Random for SeededRandom {
    fn fill(&self, out: &mut [u8]) {
        self.rng.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill_bytes(out);
    }
}
