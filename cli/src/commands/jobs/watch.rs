//! `jobs watch` — the timeline as it grows, and what the job's code tells meanwhile.

use crate::{
    client::{Client, Event, Events, Remote},
    commands::{jobs::follow, tail},
    host::Host,
    paint::Paint,
    print,
    progress::Progress,
    stop::Stop,
};
use clap::Args as ClapArgs;
use longshore_base::Millis;
use serde_json::{Value, json};

/// Which job.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The job's id
    id: String,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.remote)?;
    let mut events = Events::open(&client, host, &["v1", "jobs", &args.id, "events"], Vec::new()).await?;
    let mut screen =
        Screen { client: &client, host, paint: Paint::of(host), id: &args.id, told: 0, before: None, bar: Progress::of(host, "job") };
    let mut state = String::new();
    while let Some(event) = events.next().await? {
        if matches!(event.name.as_str(), "job" | "state") {
            state = print::text(&event.data, "state");
        }
        screen.show(&event).await;
        if follow::is_ended(&state) {
            break;
        }
    }
    let job = match client.get(&["v1", "jobs", &args.id], &[]).await {
        Ok(job) => job,
        // It was not kept for long; how it ended was told.
        Err(stop) if stop.is_unreachable() => return Err(stop),
        Err(_) => json!({ "state": state }),
    };
    screen.bar.end();
    screen.timeline(&job, None);
    if job["state"] == "completed" {
        return Ok(());
    }
    let error = follow::last_error(&job).map(|error| format!(": {error}")).unwrap_or_default();
    Err(Stop::failed(format!("the job is {}{error}", print::text(&job, "state"))))
}

/// What was shown so far.
struct Screen<'a> {
    client: &'a Client,
    host: &'a Host,
    paint: Paint,
    id: &'a str,
    /// Entries of the timeline.
    told: usize,
    /// The time of the last one.
    before: Option<Millis>,
    bar: Progress,
}

impl Screen<'_> {
    async fn show(&mut self, event: &Event) {
        match event.name.as_str() {
            "job" => self.timeline(&event.data, None),
            // The timeline says more than the event: who ran it, and why it failed.
            "state" => match self.client.get(&["v1", "jobs", self.id], &[]).await {
                Ok(job) => self.timeline(&job, print::millis(&event.data["at"])),
                Err(_) => self.entry(&event.data),
            },
            _ if self.host.json => print::json(&tail::document(event)),
            "told" => {
                let time = follow::time_of_day(&print::text(&event.data, "at"));
                self.bar.told(&event.data["progress"]);
                // A bar says it better than a line for each step.
                for (what, said) in tail::line::said(&event.data).into_iter().filter(|(what, _)| what != "progress" || !self.bar.is_shown())
                {
                    self.bar.line(&format!("{time}            {} {said}", self.paint.as_what(&what, &format!("{what:<10}"))));
                }
            }
            "missed" => print::aside(&format!("missed: {}", tail::line::missed(&event.data))),
            other => {
                self.bar.line(&format!("{}            {}", follow::time_of_day(&print::text(&event.data, "at")), other.replace('_', " ")))
            }
        }
    }

    /// What is new in the timeline, up to this time.
    fn timeline(&mut self, job: &Value, until: Option<Millis>) {
        let entries = job["timeline"].as_array().map_or(&[][..], Vec::as_slice);
        for entry in entries.iter().skip(self.told) {
            if until.zip(print::millis(&entry["at"])).is_some_and(|(until, at)| at > until) {
                break;
            }
            self.told += 1;
            self.entry(entry);
        }
    }

    fn entry(&mut self, entry: &Value) {
        if self.host.json {
            print::json(&tail::document(&Event { name: "state".into(), data: entry.clone() }));
        } else {
            let state = print::text(entry, "state");
            self.bar.say(&state);
            self.bar.line(&follow::entry(entry, self.before).replacen(&state, &self.paint.as_what(&state, &state), 1));
        }
        self.before = print::millis(&entry["at"]).or(self.before);
    }
}
