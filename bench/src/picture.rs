//! What tenants had of the slots over time, as an SVG that reads on light and dark pages.

use std::fmt::Write;

/// Runs of several tenants.
#[derive(Debug)]
pub(crate) struct Shares {
    pub(crate) broker: String,
    /// Name and weight.
    pub(crate) tenants: Vec<(String, f64)>,
    /// Whose (an index), and from when to when, in microseconds.
    pub(crate) runs: Vec<(usize, u64, u64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 56.0;
const TOP: f64 = 44.0;
const RIGHT: f64 = 120.0;
const BOTTOM: f64 = 40.0;
/// Each point tells of so much time.
const BUCKET_US: u64 = 500_000;
/// The axis ends here.
const SHARE_MOST: f64 = 0.7;
const COLOURS: [&str; 3] = ["#2f6fde", "#c2571a", "#2a8a4a"];

impl Shares {
    /// The part of the slots' time that each tenant had in each bucket, the last, incomplete ones left out.
    fn over_time(&self) -> Vec<Vec<f64>> {
        let first = self.runs.iter().map(|(_, from, _)| *from).min().unwrap_or(0);
        let last = self.runs.iter().map(|(_, from, _)| *from).max().unwrap_or(0);
        let buckets = ((last - first) / BUCKET_US) as usize;
        let mut time = vec![vec![0.0; self.tenants.len()]; buckets];
        for (tenant, from, to) in &self.runs {
            for (n, bucket) in time.iter_mut().enumerate() {
                let begin = first + n as u64 * BUCKET_US;
                bucket[*tenant] += (begin + BUCKET_US).min(*to).saturating_sub(begin.max(*from)) as f64;
            }
        }
        for bucket in &mut time {
            let all: f64 = bucket.iter().sum();
            bucket.iter_mut().for_each(|part| *part /= all.max(1.0));
        }
        time
    }

    /// The largest distance of a tenant's share over the whole time from what its weight is worth, as a part of that.
    pub(crate) fn worst(&self) -> f64 {
        let weights: f64 = self.tenants.iter().map(|(_, weight)| weight).sum();
        let time = |of: usize| self.runs.iter().filter(|run| run.0 == of).map(|(_, from, to)| (to - from) as f64).sum::<f64>();
        let all: f64 = (0..self.tenants.len()).map(time).sum();
        let off = |(n, (_, weight)): (usize, &(String, f64))| ((time(n) / all) / (weight / weights) - 1.0).abs();
        self.tenants.iter().enumerate().map(off).fold(0.0, f64::max)
    }

    pub(crate) fn svg(&self) -> String {
        let over_time = self.over_time();
        let (wide, high) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
        let seconds = over_time.len() as f64 * BUCKET_US as f64 / 1e6;
        let x = |second: f64| LEFT + wide * second / seconds.max(1e-9);
        let y = |share: f64| TOP + high * (1.0 - share / SHARE_MOST);
        let weights: f64 = self.tenants.iter().map(|(_, weight)| weight).sum();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\" \
             fill=\"#222\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n<text x=\"{LEFT}\" y=\"22\" font-size=\"14\">\
             Share of the slots' time, weights 1 : 2 : 4, 14 slots, broker: {}</text>\n",
            self.broker
        );
        for tenth in (0..=7).map(f64::from) {
            let at = y(tenth / 10.0);
            let _ = writeln!(svg, "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>", LEFT + wide);
            let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.0} %</text>", LEFT - 8.0, at + 4.0, tenth * 10.0);
        }
        for second in 0..=seconds as u32 {
            let second = f64::from(second);
            let _ =
                writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{second} s</text>", x(second), HEIGHT - BOTTOM + 18.0);
        }
        for (n, (name, weight)) in self.tenants.iter().enumerate() {
            let (colour, due) = (COLOURS[n % COLOURS.len()], weight / weights);
            let _ = writeln!(
                svg,
                "<rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{wide}\" height=\"{:.1}\" fill=\"{colour}\" opacity=\"0.15\"/>",
                y(due * 1.05),
                y(due * 0.95) - y(due * 1.05)
            );
            let mut points = String::new();
            for (at, bucket) in over_time.iter().enumerate() {
                let _ = write!(points, "{:.1},{:.1} ", x((at as f64 + 0.5) * BUCKET_US as f64 / 1e6), y(bucket[n]));
            }
            let _ = writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>", points.trim_end());
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name}: {weight} of {weights}</text>",
                LEFT + wide + 8.0,
                y(due) + 4.0
            );
        }
        svg + "</svg>\n"
    }
}

#[cfg(test)]
mod tests {
    use super::Shares;

    #[test]
    fn a_share_is_a_part_of_the_time_that_was_used() {
        let runs = (0..20).flat_map(|n| [(0, n * 100_000, n * 100_000 + 100_000), (1, n * 100_000, n * 100_000 + 50_000)]).collect();
        let shares = Shares { broker: "x".into(), tenants: vec![("a".into(), 2.0), ("b".into(), 1.0)], runs };
        for bucket in shares.over_time() {
            assert!((bucket[0] - 2.0 / 3.0).abs() < 1e-9 && (bucket[1] - 1.0 / 3.0).abs() < 1e-9, "{bucket:?}");
        }
        assert!(shares.worst() < 1e-9);
        assert!(shares.svg().ends_with("</svg>\n"));
    }
}
