//! `dlq export` — letters as JSON lines: one complete letter in each, as `dlq import` reads them.

use crate::{client::Remote, commands::filter::Filter, host::Host, print, progress::Progress, stop::Stop};
use clap::Args as ClapArgs;
use serde_json::json;
use std::{
    fs::File,
    io::{BufWriter, ErrorKind, Write},
    path::{Path, PathBuf},
};

/// Which letters, and where to.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Into this file, which must not be there yet [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.remote)?;
    let query = args.filter.query()?;
    let Some(file) = &args.output else {
        let mut stream = client.stream(&["v1", "dead-letters", "export"], &query).await?;
        while let Some(part) = stream.next().await? {
            let mut out = std::io::stdout().lock();
            match out.write_all(&part).and_then(|()| out.flush()) {
                Ok(()) => {}
                // Whoever reads has had enough.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(Stop::failed(format!("stdout cannot be written: {error}"))),
            }
        }
        return Ok(());
    };
    if file.exists() {
        return Err(Stop::usage(format!("{} is there already; name another file, or remove it first", file.display())));
    }
    // What broke off half way never stands under the name that was asked for.
    let mut name = file.clone().into_os_string();
    name.push(".part");
    let part = PathBuf::from(name);
    let bar = Progress::of(host, "exporting");
    let lines = write(&client, &query, &part, &bar).await?;
    bar.end();
    std::fs::rename(&part, file).map_err(|error| unwritable(file, &error))?;
    if host.json {
        print::json(&json!({ "file": file, "letters": lines }));
    } else {
        print::line(&format!("{lines} letters in {}", file.display()));
    }
    Ok(())
}

/// Writes the answer down; answers the number of its lines.
async fn write(client: &crate::client::Client, query: &[(&str, String)], path: &Path, bar: &Progress) -> Result<usize, Stop> {
    let mut stream = client.stream(&["v1", "dead-letters", "export"], query).await?;
    let mut out = BufWriter::new(File::create(path).map_err(|error| unwritable(path, &error))?);
    let mut lines = 0;
    while let Some(bytes) = stream.next().await? {
        lines += bytes.iter().filter(|byte| **byte == b'\n').count();
        out.write_all(&bytes).map_err(|error| unwritable(path, &error))?;
        bar.say(&format!("{lines} letters"));
    }
    let file = out.into_inner().map_err(|error| unwritable(path, error.error()))?;
    file.sync_all().map_err(|error| unwritable(path, &error))?;
    Ok(lines)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Stop {
    Stop::failed(format!("{} cannot be written: {error}", path.display()))
}
