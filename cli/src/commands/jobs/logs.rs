//! `jobs logs` — what the job's code wrote down, and with `--follow` what it writes.

use crate::{
    client::{Events, Remote},
    commands::{
        jobs::follow,
        tail::line::{missed, tame},
    },
    host::Host,
    paint::Paint,
    print,
    stop::Stop,
};
use clap::Args as ClapArgs;
use serde_json::Value;

/// Which job.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The job's id
    id: String,
    /// Stay, and print lines as they are written, until the job has ended; with --json a line each
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.remote)?;
    if args.follow {
        // Listens before it reads, so that no line falls in between.
        let events = Events::open(&client, host, &["v1", "jobs", &args.id, "events"], Vec::new()).await?;
        let kept = client.get(&["v1", "jobs", &args.id, "logs"], &[]).await?;
        return stay(events, &kept, host).await;
    }
    let answer = client.get(&["v1", "jobs", &args.id, "logs"], &[]).await?;
    if host.json {
        print::json(&answer);
        return Ok(());
    }
    show(lines(&answer), host);
    if lines(&answer).is_empty() {
        print::aside("the job has written no log lines");
    }
    tell_dropped(&answer);
    Ok(())
}

async fn stay(mut events: Events<'_>, kept: &Value, host: &Host) -> Result<(), Stop> {
    tell_dropped(kept);
    show(lines(kept), host);
    // Lines that were written between the two calls are in both.
    let mut twice = lines(kept).to_vec();
    while let Some(event) = events.next().await? {
        match event.name.as_str() {
            "told" => {
                for line in event.data["logs"].as_array().into_iter().flatten() {
                    match twice.iter().position(|known| known == line) {
                        Some(known) => drop(twice.remove(known)),
                        None => show(std::slice::from_ref(line), host),
                    }
                }
            }
            "missed" => print::aside(&format!("missed: {}", missed(&event.data))),
            "job" | "state" if follow::is_ended(&print::text(&event.data, "state")) => break,
            _ => {}
        }
    }
    Ok(())
}

fn lines(answer: &Value) -> &[Value] {
    answer["logs"].as_array().map_or(&[][..], Vec::as_slice)
}

fn show(lines: &[Value], host: &Host) {
    let paint = Paint::of(host);
    for line in lines {
        if host.json {
            print::json(line);
            continue;
        }
        let (time, level) = (follow::time_of_day(&print::text(line, "at")), print::text(line, "level"));
        let text: Vec<_> = print::text(line, "message").lines().map(tame).collect();
        print::line(&format!("{time}  {}  {}", paint.as_what(&level, &format!("{level:<5}")), text.join("\n                     ")));
    }
}

fn tell_dropped(answer: &Value) {
    if let Some(dropped @ 1..) = answer["dropped"].as_u64() {
        print::aside(&format!("{dropped} older lines are not kept any more: a job's log holds 64 KiB"));
    }
}
