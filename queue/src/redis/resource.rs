//! Outside quotas.

use super::{RedisBroker, Result, queues::Queue};
use crate::{BrokerError, Job, Obstacle, ResourceChange, ResourceState};
use longshore_base::Name;
use redis::Value;

impl RedisBroker {
    pub(super) async fn change_resource(&self, _name: &Name, _change: &ResourceChange, _expected: Option<u64>) -> Result<ResourceState> {
        Err(BrokerError::NotFound)
    }
    pub(super) async fn all_resources(&self) -> Result<Vec<ResourceState>> {
        Ok(Vec::new())
    }
    pub(super) async fn resource_obstacle(&self, _queue: &Queue, _job: &Job, _part: &[Value]) -> Result<Option<Obstacle>> {
        Ok(None)
    }
}
