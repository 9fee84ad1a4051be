//! `drain`: jobs are enqueued in bulk while nobody works, then drained, then both happen at once.

use crate::{
    clock::{now_us, rate},
    deployment::{Deployment, Setup},
    figure::{Sample, Taken},
};

pub(crate) async fn take(setup: &Setup) -> Result<Taken, String> {
    let (deployment, jobs) = (setup.start().await?, setup.jobs());
    let mut taken = Taken::default();
    let Deployment { api, redis, .. } = &deployment;
    api.paused("drain").await?;
    let before = deployment.bytes()?;
    let began = now_us();
    api.enqueue("drain", jobs).await?;
    taken.put(Sample::more("enqueue", "jobs/s", rate(jobs, began)));
    if redis.is_some() {
        taken.put(Sample::less("memory of a waiting job", "bytes", (deployment.bytes()? - before) / jobs as f64));
    }
    let cpu = || redis.as_ref().map(|redis| redis.cpu()).transpose();
    let workers = || deployment.workers().iter().map(|worker| worker.cpu()).sum::<Result<f64, _>>();
    let (cpu_before, workers_before) = (cpu()?, workers()?);
    taken.put(Sample::more("drain", "jobs/s", api.drain("drain", jobs).await?));
    if let Some((after, before)) = cpu()?.zip(cpu_before) {
        taken.put(Sample::less("Redis CPU (drain)", "µs/job", (after - before) * 1e6 / jobs as f64));
    }
    let who = if redis.is_some() { "CPU of workers (drain)" } else { "CPU of Longshore (drain)" };
    taken.put(Sample::less(who, "µs/job", (workers()? - workers_before) * 1e6 / jobs as f64));
    let began = now_us();
    api.enqueue("both", jobs).await?;
    api.completed("both", jobs).await?;
    taken.put(Sample::more("both at once", "jobs/s", rate(jobs, began)));
    Ok(taken)
}
