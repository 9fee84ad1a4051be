//! `idle`: what processes cost that have nothing to do.

use crate::{
    clock::{now_us, pass, seconds_since},
    deployment::{Deployment, Setup, WORKERS},
    figure::{Sample, Taken},
};
use std::time::Duration;

/// What begins has ended by then.
const SETTLE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(20);

pub(crate) async fn take(setup: &Setup) -> Result<Taken, String> {
    let mut deployment = setup.start().await?;
    deployment.api.enqueue("idle", 1).await?;
    deployment.api.completed("idle", 1).await?;
    let few = look(&deployment).await?;
    let mut taken = Taken::default();
    taken.put(Sample::less("CPU of one worker process", "%", few.worker_cpu));
    taken.put(Sample::less("CPU of all processes of Longshore", "%", few.cpu));
    if let (Some(commands), Some(cpu)) = (few.commands, few.redis_cpu) {
        deployment.add_workers(WORKERS).await?;
        let more = look(&deployment).await?.commands.unwrap_or_default();
        taken.put(Sample::less("Redis commands of one worker", "1/s", (more - commands) / WORKERS as f64));
        taken.put(Sample::less("Redis commands of all", "1/s", commands));
        taken.put(Sample::less("CPU of Redis", "%", cpu));
    }
    Ok(taken)
}

/// Per second, or in percent of one processor.
#[derive(Debug)]
struct Cost {
    cpu: f64,
    worker_cpu: f64,
    commands: Option<f64>,
    redis_cpu: Option<f64>,
}

async fn look(deployment: &Deployment) -> Result<Cost, String> {
    pass(SETTLE).await;
    let all = || deployment.roles().iter().map(|role| role.cpu()).sum::<Result<f64, _>>();
    let workers = || deployment.workers().iter().map(|role| role.cpu()).sum::<Result<f64, _>>();
    let redis = || deployment.redis.as_ref().map(|redis| Ok::<_, String>((redis.commands()?, redis.cpu()?))).transpose();
    let (began, before) = (now_us(), (all()?, workers()?, redis()?));
    pass(LOOK).await;
    let (after, took) = ((all()?, workers()?, redis()?), seconds_since(began));
    let spent = after.2.zip(before.2).map(|(after, before)| (after.0 - before.0, after.1 - before.1));
    Ok(Cost {
        cpu: (after.0 - before.0) / took * 100.0,
        worker_cpu: (after.1 - before.1) / took * 100.0 / deployment.workers().len().max(1) as f64,
        // Our own looks: two calls, each of INFO three times.
        commands: spent.map(|(commands, _)| (commands - OWN_COMMANDS) / took),
        redis_cpu: spent.map(|(_, cpu)| cpu / took * 100.0),
    })
}

/// What lies between the two counts: INFO for the processor's two times, and INFO for the second count.
const OWN_COMMANDS: f64 = 3.0;
