//! `scale QUEUE N` — how many of a queue's jobs may run at once, over all workers; with `--auto`, the cap follows the backlog.

use crate::{client::Remote, host::Host, length, print, stop::Stop};
use clap::Args as ClapArgs;
use serde_json::{Value, json};
use std::time::Duration;

/// Which queue, and how far.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The queue's name
    queue: String,
    /// So many jobs at once; holds over restarts
    #[arg(value_name = "N", required_unless_present_any = ["auto", "no_cap"])]
    slots: Option<u32>,
    /// As many as the backlog wants; the scheduler sets the cap every few seconds
    #[arg(long, conflicts_with = "slots", requires_all = ["max", "clear_in"])]
    auto: bool,
    /// With --auto: at least so many
    #[arg(long, value_name = "N", requires = "auto", default_value_t = 1)]
    min: u32,
    /// With --auto: at most so many
    #[arg(long, value_name = "N", requires = "auto")]
    max: Option<u32>,
    /// With --auto: clear the backlog in this time, such as 30s
    #[arg(long, value_name = "LENGTH", requires = "auto", value_parser = length::duration)]
    clear_in: Option<Duration>,
    /// With --auto: so many more or less in one change
    #[arg(long, value_name = "N", requires = "auto")]
    step: Option<u32>,
    /// With --auto: take nothing away so soon after a change, such as 5m
    #[arg(long, value_name = "LENGTH", requires = "auto", value_parser = length::duration)]
    cool_down: Option<Duration>,
    /// As many as the workers have; not by itself any more
    #[arg(long, conflicts_with_all = ["slots", "auto"])]
    no_cap: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let answer = host.client(&args.remote)?.put(&["v1", "queues", &args.queue, "scale"], args.body()).await?;
    if host.json {
        print::json(&answer);
    } else {
        print::line(&args.told());
    }
    Ok(())
}

impl Args {
    fn body(&self) -> Value {
        if !self.auto {
            return json!({ "slots": self.slots });
        }
        let mut auto = json!({ "min": self.min, "max": self.max, "clear_in_ms": self.clear_in.map(length::ms) });
        if let Some(step) = self.step {
            auto["step"] = step.into();
        }
        if let Some(cool_down) = self.cool_down {
            auto["cool_down_ms"] = length::ms(cool_down).into();
        }
        json!({ "auto": auto })
    }

    fn told(&self) -> String {
        match (self.auto, self.slots) {
            (true, _) => format!("{} follows its backlog, with {} to {} at once", self.queue, self.min, self.max.unwrap_or(self.min)),
            (false, Some(slots)) => format!("{} runs at most {slots} at once, over all workers", self.queue),
            (false, None) => format!("{} runs as many at once as its workers have room for", self.queue),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Args;
    use clap::Parser;
    use serde_json::{Value, json};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn body(flags: &[&str]) -> Option<Value> {
        Line::try_parse_from(["scale", "q"].iter().chain(flags)).ok().map(|line| line.args.body())
    }

    #[test]
    fn by_hand_or_by_itself() {
        assert_eq!(body(&["3"]), Some(json!({ "slots": 3 })));
        assert_eq!(body(&["--no-cap"]), Some(json!({ "slots": null })));
        let auto = ["--auto", "--min", "2", "--max", "40", "--clear-in", "30s"];
        assert_eq!(body(&auto), Some(json!({ "auto": { "min": 2, "max": 40, "clear_in_ms": 30_000 } })));
        let calm = [auto.as_slice(), &["--step", "5", "--cool-down", "5m"]].concat();
        assert_eq!(
            body(&calm),
            Some(json!({ "auto": { "min": 2, "max": 40, "clear_in_ms": 30_000, "step": 5, "cool_down_ms": 300_000 } }))
        );
        for flags in [
            vec![],
            vec!["--auto"],
            vec!["--auto", "--max", "4"],
            vec!["3", "--auto", "--max", "4", "--clear-in", "1s"],
            vec!["3", "--max", "5"],
            vec!["3", "--no-cap"],
        ] {
            assert_eq!(body(&flags), None, "{flags:?}");
        }
    }
}
