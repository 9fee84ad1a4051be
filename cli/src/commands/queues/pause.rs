//! `queues pause` — start no more of a queue's jobs, or of a part of them.

use crate::{
    client::Remote,
    commands::{gate::Pause, scope::Scope},
    host::Host,
    print,
    stop::Stop,
};
use clap::Args as ClapArgs;

/// What, for how long and why.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    pause: Pause,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let path = args.scope.path("pause")?;
    let answer = host.client(&args.remote)?.post(&path, args.pause.body(host)).await?;
    if host.json {
        print::json(&answer);
    } else {
        let (name, flags) = (args.scope.name(), args.scope.flags());
        print::line(&format!("{name} is paused; running jobs go on; `{} queues resume {flags}` ends it", host.name));
    }
    Ok(())
}
