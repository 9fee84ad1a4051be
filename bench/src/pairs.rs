//! Interleaved pairs of drains, and how much of the machine its host took away meanwhile.

use crate::{figure::median, host::Ticks, workload::Tell};

/// The host took more of the machine's time from one drain of a pair than from the other, by more than this share: their ratio says
/// nothing, and the pair is done again. What it takes from both alike leaves the ratio as it is; in a virtual machine whose processors
/// sleep and wake ten thousand times a second, as they do between a Redis and its callers, that is never nothing.
const STOLEN_APART_MAX: f64 = 0.03;
/// Pairs tried at most, for each that is wanted.
const TRIES: usize = 6;

/// Drains with and without what is measured, in jobs a second; those of one pair have the same place.
#[derive(Debug)]
pub(crate) struct Pairs {
    pub(crate) with_per_s: Vec<f64>,
    pub(crate) without_per_s: Vec<f64>,
    /// The median of with over without; 1 is no loss.
    pub(crate) ratio_median: f64,
    /// Pairs that were done again because the host took more of the machine's time from one of their drains, by more than 3 %.
    pub(crate) disturbed: usize,
}

/// What a drain did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drained {
    pub(crate) per_s: f64,
    /// Share of all processors' time that the host took, 0 to 1.
    stolen: f64,
}

impl Drained {
    fn compares(self, other: Self) -> bool {
        (self.stolen - other.stolen).abs() <= STOLEN_APART_MAX
    }
}

/// A drain that has begun.
#[derive(Debug)]
pub(crate) struct Drain(Ticks);

impl Drain {
    pub(crate) fn begin() -> Self {
        Self(Ticks::now())
    }

    /// It ended, with so many jobs a second.
    pub(crate) fn end(&self, per_s: f64) -> Drained {
        Drained { per_s, stolen: Ticks::now().stolen_since(self.0) }
    }
}

/// Both, one after the other. Who is first changes with `n`, so that what slowly changes on the machine does not favour one of them.
pub(crate) async fn in_turn<T>(
    n: usize,
    one: impl AsyncFnOnce() -> Result<T, String>,
    other: impl AsyncFnOnce() -> Result<T, String>,
) -> Result<(T, T), String> {
    if n.is_multiple_of(2) {
        let first = one().await?;
        return Ok((first, other().await?));
    }
    let first = other().await?;
    Ok((one().await?, first))
}

/// Pairs of drains in turn; a pair that the host disturbed is done again.
///
/// # Errors
/// A drain's, and when the host leaves too few pairs undisturbed.
pub(crate) async fn pairs(
    (wanted, tell): (usize, &Tell),
    with: impl AsyncFn(usize) -> Result<Drained, String>,
    without: impl AsyncFn(usize) -> Result<Drained, String>,
) -> Result<Pairs, String> {
    let (mut with_per_s, mut without_per_s, mut disturbed) = (Vec::new(), Vec::new(), 0);
    for n in 0..wanted * TRIES {
        let pair = in_turn(n, async || with(n).await, async || without(n).await).await?;
        if !pair.0.compares(pair.1) {
            tell(&format!("the host took {:.0} and {:.0} % of the machine: again", pair.0.stolen * 100.0, pair.1.stolen * 100.0));
            disturbed += 1;
            continue;
        }
        with_per_s.push(pair.0.per_s);
        without_per_s.push(pair.1.per_s);
        if with_per_s.len() == wanted {
            let ratios: Vec<f64> = with_per_s.iter().zip(&without_per_s).map(|(with, without)| with / without).collect();
            return Ok(Pairs { ratio_median: median(&ratios), with_per_s, without_per_s, disturbed });
        }
    }
    Err(format!("of {} pairs the host left only {} that compare; {wanted} are wanted: try again later", wanted * TRIES, with_per_s.len()))
}
