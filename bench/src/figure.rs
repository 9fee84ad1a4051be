//! What a measurement finds: numbers with a name and a unit, and how they spread.

use serde::Serialize;

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    More,
    Less,
}

/// One number of one round.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    pub(crate) value: f64,
}

impl Sample {
    pub(crate) fn more(name: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self { name: name.into(), unit, better: Better::More, value }
    }
    pub(crate) fn less(name: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self { name: name.into(), unit, better: Better::Less, value }
    }
}

/// How values are spread: (share of them, value), for a plot.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

/// What one round found.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) samples: Vec<Sample>,
    pub(crate) curves: Vec<Curve>,
}

impl Taken {
    pub(crate) fn put(&mut self, sample: Sample) {
        self.samples.push(sample);
    }
    /// The usual four and the largest, and the curve.
    pub(crate) fn spread(&mut self, name: &str, unit: &'static str, values: Vec<f64>) {
        let spread = Spread::of(values);
        for (of, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
            self.put(Sample::less(format!("{name} {of}"), unit, spread.at(share)));
        }
        self.curves.push(Curve { name: name.to_owned(), unit, points: SHARES.iter().map(|share| (*share, spread.at(*share))).collect() });
    }
}

const SHARES: &[f64] = &[0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1.0];

/// One number of all rounds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    pub(crate) median: f64,
    pub(crate) rounds: Vec<f64>,
    /// The other binary's rounds, where two are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) other: Option<Other>,
}

/// The same figure of the binary that this one is compared with.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Other {
    pub(crate) median: f64,
    pub(crate) rounds: Vec<f64>,
    /// The median over the rounds of this one over that one.
    pub(crate) ratio: f64,
}

impl Figure {
    /// One for each name, in the order of the first round; the other's rounds stand at the same places.
    pub(crate) fn of(rounds: &[Vec<Sample>], other: &[Vec<Sample>]) -> Vec<Self> {
        let values = |rounds: &[Vec<Sample>], name: &str| -> Vec<f64> {
            rounds.iter().filter_map(|samples| samples.iter().find(|sample| sample.name == name)).map(|sample| sample.value).collect()
        };
        let one = |first: &Sample| {
            let (own, others) = (values(rounds, &first.name), values(other, &first.name));
            let ratios: Vec<f64> = own.iter().zip(&others).map(|(own, other)| own / other).collect();
            let other = (!others.is_empty()).then(|| Other { median: median(&others), rounds: others, ratio: median(&ratios) });
            Self { name: first.name.clone(), unit: first.unit, better: first.better, median: median(&own), rounds: own, other }
        };
        rounds.first().into_iter().flatten().map(one).collect()
    }
}

/// Values in order.
#[derive(Debug)]
pub(crate) struct Spread(Vec<f64>);

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }
    /// The value that this share of them does not exceed; 0 of nothing.
    pub(crate) fn at(&self, share: f64) -> f64 {
        self.0.get((self.0.len().saturating_sub(1) as f64 * share).round() as usize).copied().unwrap_or(0.0)
    }
}

/// The middle one; the upper of two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Figure, Sample, Spread, median};

    #[test]
    fn values_in_any_order_are_spread() {
        let of = Spread::of((0..=100).rev().map(f64::from).collect());
        assert!((of.at(0.5), of.at(0.99), of.at(1.0)) == (50.0, 99.0, 100.0), "{of:?}");
        assert!(Spread::of(Vec::new()).at(0.99) == 0.0);
        assert!(median(&[3.0, 1.0, 2.0]) == 2.0);
    }

    #[test]
    fn a_ratio_is_of_rounds_that_were_beside_each_other() {
        let round = |value| vec![Sample::more("drain", "jobs/s", value)];
        let figures = Figure::of(&[round(10.0), round(20.0), round(90.0)], &[round(10.0), round(40.0), round(30.0)]);
        let other = figures[0].other.as_ref().expect("it was compared");
        assert!((figures[0].median, other.median, other.ratio) == (20.0, 30.0, 1.0), "{figures:?}");
        assert!(Figure::of(&[round(1.0)], &[])[0].other.is_none());
    }
}
