//! `bare`: lease and ack in a loop in this process, without workers and without an API: what the broker alone can do.

use crate::{
    api::TENANTS,
    deployment::Setup,
    figure::{Sample, Taken},
    loops::Loop,
};

pub(crate) async fn take(setup: &Setup) -> Result<Taken, String> {
    let (_place, redis, broker) = setup.bare().await?;
    let (mut taken, jobs) = (Taken::default(), setup.jobs());
    for batch in [100, 10] {
        let mut queue = Loop::new(broker.clone(), &format!("bare-{batch}"), TENANTS)?;
        let cpu = || redis.as_ref().map(|redis| redis.cpu()).transpose();
        let before = cpu()?;
        let filled = queue.fill(jobs).await?;
        let between = cpu()?;
        let took = queue.drain(jobs, batch).await?;
        let after = cpu()?;
        if batch == 100 {
            taken.put(Sample::more("enqueue by 1,000", "jobs/s", jobs as f64 / filled));
        }
        taken.put(Sample::more(format!("lease and ack by {batch}"), "jobs/s", jobs as f64 / took));
        let each = |from: Option<f64>, to: Option<f64>| to.zip(from).map(|(to, from)| (to - from) * 1e6 / jobs as f64);
        if let (Some(enqueue), Some(work)) = (each(before, between), each(between, after)) {
            if batch == 100 {
                taken.put(Sample::less("Redis CPU, enqueue by 1,000", "µs/job", enqueue));
            }
            taken.put(Sample::less(format!("Redis CPU, lease and ack by {batch}"), "µs/job", work));
        }
    }
    Ok(taken)
}
