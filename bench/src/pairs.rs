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
    let pair = async |n| {
        let (one, other) = in_turn(n, async || with(n).await, async || without(n).await).await?;
        if !one.compares(other) {
            return Ok(Err(format!("the host took {:.0} and {:.0} % of the machine", one.stolen * 100.0, other.stolen * 100.0)));
        }
        Ok(Ok((one.per_s, other.per_s)))
    };
    let (found, disturbed) = again((wanted, TRIES, tell), pair).await?;
    let ratios: Vec<f64> = found.iter().map(|(with, without)| with / without).collect();
    let (with_per_s, without_per_s) = found.into_iter().unzip();
    Ok(Pairs { ratio_median: median(&ratios), with_per_s, without_per_s, disturbed })
}

/// So many pairs that compare, and how many did not: `pair` tells why, and it is done again, up to `tries` for each that is wanted.
///
/// # Errors
/// A pair's, and when the host leaves too few that compare.
pub(crate) async fn again<T>(
    (wanted, tries, tell): (usize, usize, &Tell),
    pair: impl AsyncFn(usize) -> Result<Result<T, String>, String>,
) -> Result<(Vec<T>, usize), String> {
    let (mut found, mut disturbed) = (Vec::new(), 0);
    for n in 0..wanted * tries {
        match pair(n).await? {
            Ok(compares) => found.push(compares),
            Err(why) => {
                tell(&format!("{why}: again"));
                disturbed += 1;
            }
        }
        if found.len() == wanted {
            return Ok((found, disturbed));
        }
    }
    Err(format!("of {} pairs the host left only {} that compare; {wanted} are wanted: try again later", wanted * tries, found.len()))
}
