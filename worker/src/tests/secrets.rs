//! A secret goes no further than its attempt, however that ends.

use super::{
    house::{House, options},
    kinds::Act,
};
use crate::Options;
use async_trait::async_trait;
use longshore_base::Name;
use longshore_jobs::{Secret, SecretError, SecretKeeper, SecretProvider, Veil};
use longshore_queue::State;
use std::sync::Arc;

#[derive(Debug)]
struct One;

#[async_trait]
impl SecretProvider for One {
    async fn get(&self, _: &Name, name: &str) -> Result<Option<Secret<String>>, SecretError> {
        Ok((name == "token").then(|| Secret::new("tok-12345-x".to_owned())))
    }
}

#[tokio::test]
async fn errors_panics_and_outputs_leave_without_it() {
    let house = House::new("errors_panics_and_outputs_leave_without_it").await;
    let logs = Veil::default();
    let worker = house.worker(Options { secrets: SecretKeeper::new(Arc::new(One), logs.clone()), ..options() });
    let id = house.enqueue(Act::Tell).await;
    let job = house.until_job(id, "it has ended", |job| job.state.is_ended()).await;
    assert_eq!(job.state, State::Completed);
    assert_eq!(job.output.as_ref().map(|output| output.get()), Some("\"done with ***\""));
    let errors: Vec<_> = job.history.iter().filter_map(|event| event.error.as_ref()).map(|error| error.message.as_str()).collect();
    assert_eq!(errors, ["refused with ***", "no way with ***"]);
    assert!(!format!("{job:?}").contains("12345"));
    assert!(logs.is_in("tok-12345-x"));
    worker.stop_now().await;
}

#[tokio::test]
async fn without_it_the_job_is_dead_at_once_and_says_which() {
    let house = House::new("without_it_the_job_is_dead_at_once_and_says_which").await;
    let worker = house.worker(options());
    let id = house.enqueue(Act::Tell).await;
    let job = house.until_job(id, "it has ended", |job| job.state.is_ended()).await;
    assert_eq!((job.state, super::house::last_code(&job)), (State::Dead, Some("secrets.absent")));
    let told = job.history.iter().rev().find_map(|event| event.error.as_ref()).map(|error| error.message.as_str());
    assert_eq!(told, Some("tenant default has no secret `token`"));
    worker.stop_now().await;
}
