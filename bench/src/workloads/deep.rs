//! `deep` and `tenants`: lease and ack of a queue with very many waiting jobs, or very many active tenants, beside the same of a small one, in
//! interleaved pairs in this process.

use crate::{
    api::TENANTS,
    deployment::Setup,
    figure::{Sample, Taken, median},
    loops::Loop,
    pairs::in_turn,
};

const WAITING: usize = 1_000_000;
const MANY: usize = 10_000;
const PAIRS: usize = 5;
/// Of one side of a pair.
const JOBS: u64 = 20_000;
const BATCH: usize = 100;

/// A million waiting jobs beside no more than are leased.
pub(crate) async fn waiting(setup: &Setup) -> Result<Taken, String> {
    let (_place, _redis, broker) = setup.bare().await?;
    let (mut deep, mut short) = (Loop::new(broker.clone(), "deep", TENANTS)?, Loop::new(broker, "short", TENANTS)?);
    let size = setup.options.size.unwrap_or(WAITING) as u64;
    deep.fill(size).await?;
    let ratio = pairs(setup, &mut deep, &mut short).await?;
    Ok(told(&format!("{size} waiting jobs over a short queue"), ratio))
}

/// Ten thousand tenants, each with work, beside one.
pub(crate) async fn tenants(setup: &Setup) -> Result<Taken, String> {
    let (_place, _redis, broker) = setup.bare().await?;
    let size = setup.options.size.unwrap_or(MANY) as u64;
    let (mut many, mut one) = (Loop::new(broker.clone(), "many", size)?, Loop::new(broker, "one", 1)?);
    // No tenant runs dry while it is measured.
    many.fill(size * 2).await?;
    let ratio = pairs(setup, &mut many, &mut one).await?;
    Ok(told(&format!("{size} tenants over one"), ratio))
}

fn told(what: &str, (large, small, ratio): (f64, f64, f64)) -> Taken {
    let mut taken = Taken::default();
    taken.put(Sample::more(format!("lease and ack, {what}"), "ratio", ratio));
    taken.put(Sample::more("lease and ack, the large one", "jobs/s", large));
    taken.put(Sample::more("lease and ack, the small one", "jobs/s", small));
    taken
}

/// Jobs a second of each, and the median ratio.
async fn pairs(setup: &Setup, large: &mut Loop, small: &mut Loop) -> Result<(f64, f64, f64), String> {
    let (mut larges, mut smalls, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..setup.options.rounds.unwrap_or(PAIRS) {
        let pair = in_turn(n, async || one(&mut *large).await, async || one(&mut *small).await).await?;
        larges.push(pair.0);
        smalls.push(pair.1);
        ratios.push(pair.0 / pair.1);
    }
    Ok((median(&larges), median(&smalls), median(&ratios)))
}

/// What is taken is put back first, so that a large one stays large.
async fn one(queue: &mut Loop) -> Result<f64, String> {
    queue.fill(JOBS).await?;
    Ok(JOBS as f64 / queue.drain(JOBS, BATCH).await?)
}
