//! A server that lives as long as the attempt that looks at a backup: behind a small shell that waits for the end of its stdin, so that the server
//! ends even when this process is killed.

use crate::{
    BackupError, Means,
    means::ANSWER_MAX,
    tool::{Process, Tool, last},
};
use futures::future::BoxFuture;
use longshore_base::Code;
use std::{process::Stdio, time::Duration};

/// Runs the arguments as a program, asks it to end when stdin ends, and waits for it. A command in the background has no stdin of its own, hence 3.
const KEEPER: &str =
    "exec 3<&0; \"$@\" </dev/null & server=$!; (cat >/dev/null; kill -INT $server) <&3 2>/dev/null & exec 3<&-; wait $server";

/// Starting may take as long as it takes to load the data.
const START_MAX: Duration = Duration::from_mins(30);
const PACE: Duration = Duration::from_millis(50);

/// One server.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    name: &'static str,
}

impl Server {
    /// Starts a server's program with these arguments, as this user or another one.
    pub(crate) fn start(tool: &Tool, args: &[&str], user: Option<(u32, u32)>) -> Result<Self, BackupError> {
        let mut command = tool.of_shell();
        command.args(["-c", KEEPER, "sh"]).arg(tool.path()).args(args).stdin(Stdio::piped());
        if let Some((user, group)) = user {
            command.uid(user).gid(group);
        }
        Ok(Self { process: Process::start(tool.name, command)?, name: tool.name })
    }

    /// Waits until it answers.
    pub(crate) async fn ready<'a>(&mut self, means: &Means, answers: impl Fn() -> BoxFuture<'a, bool>) -> Result<(), BackupError> {
        let began = means.clock.elapsed();
        while means.clock.elapsed() - began < START_MAX {
            if answers().await {
                return Ok(());
            }
            if let Ok(Some(_)) = self.process.child.try_wait() {
                let (_, told) = self.process.ended().await?;
                return Err(BackupError::fatal(Code::BackupRestore, format!("{} ended: {}", self.name, last(&told))));
            }
            means.clock.sleep(PACE).await;
        }
        Err(BackupError::fatal(Code::BackupRestore, format!("{} did not start within {START_MAX:?}", self.name)))
    }

    /// Asks it to end, and waits.
    pub(crate) async fn end(mut self) {
        drop(self.process.child.stdin.take());
        drop(self.process.ended_within(ANSWER_MAX).await);
    }
}
