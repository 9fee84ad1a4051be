//! Jobs that a job makes, and waiting for them and for signals.

use super::Context;
use crate::{Cause, Failure, JobRequest, RequestError};
use longshore_base::Code;
use longshore_queue::{Child, Delivered, Delivery, Enqueued, Inbox, JobId, NewJob, Parent, Signal, Wait, WaitOn, WaitPolicy};
use std::time::Duration;

impl Context {
    /// Enqueues another job of the same tenant. Each call makes a job: a handler that is repeated makes one more.
    /// See [`Context::enqueue_once`] and [`Context::child`] for jobs that are made once.
    ///
    /// # Errors
    /// Fatal when the request has faults or names another tenant; Retry when the broker cannot be reached.
    pub async fn enqueue(&self, request: JobRequest) -> Result<Enqueued, Failure> {
        let request = self.inherit(request)?;
        let parts = &self.inner.parts;
        let job = parts.tools.checker.check(request, &*parts.tools.random).await.map_err(|e| self.refused(&e))?;
        self.put(job).await
    }

    /// Enqueues another job of the same tenant, once for this job and `key`, however often this one runs.
    ///
    /// # Errors
    /// As [`Context::enqueue`].
    pub async fn enqueue_once(&self, key: &str, request: JobRequest) -> Result<Enqueued, Failure> {
        let request = self.inherit(request)?;
        let seed = [self.id().as_bytes().as_slice(), b"/once/", key.as_bytes()].concat();
        let job = self.inner.parts.tools.checker.check_derived(request, self.id().time(), &seed).await.map_err(|e| self.refused(&e))?;
        self.put(job).await
    }

    /// Enqueues a child, for which this job may wait: once for this job and `key`, however often this one runs.
    ///
    /// # Errors
    /// As [`Context::enqueue`], and [`Failure::Cancelled`] when the lease is lost. A child cannot be `unique`: nobody
    /// would tell this job of the end of the other one.
    pub async fn child(&self, key: impl Into<String>, request: JobRequest) -> Result<JobId, Failure> {
        let (parent, key, token) = (self.id(), key.into(), self.token());
        self.may_keep("the child's key", &key)?;
        let mut request = self.inherit(request)?;
        request.parent = Some(Parent { id: parent, key: key.clone() });
        let parts = &self.inner.parts;
        let job = parts.tools.checker.check(request, &*parts.tools.random).await.map_err(|e| self.refused(&e))?;
        let child = job.id;
        let opened = parts.tools.broker.deliver(vec![Delivery::ChildOpened { parent, token, key, child }]).await;
        match opened.and_then(|mut each| each.pop().unwrap_or(Ok(Delivered::Gone))).map_err(|e| self.inner.failure(&e))? {
            Delivered::Kept | Delivered::Repeated => {}
            Delivered::Gone => {
                self.inner.lose();
                return Err(Failure::Cancelled);
            }
        }
        self.put(job).await?;
        Ok(child)
    }

    /// The children and the mailbox, as they are now.
    ///
    /// # Errors
    /// Retry when the broker cannot be reached.
    pub async fn inbox(&self) -> Result<Inbox, Failure> {
        self.inner.parts.tools.broker.inbox(self.id()).await.map_err(|e| self.inner.failure(&e))
    }
    /// The children, in the order of their keys.
    ///
    /// # Errors
    /// As [`Context::inbox`].
    pub async fn children(&self) -> Result<Vec<Child>, Failure> {
        Ok(self.inbox().await?.children)
    }
    /// The signals, in the order of arrival.
    ///
    /// # Errors
    /// As [`Context::inbox`].
    pub async fn signals(&self) -> Result<Vec<Signal>, Failure> {
        Ok(self.inbox().await?.signals)
    }

    /// `return Err(cx.wait(…))` sleeps without a slot until the condition is met; then the handler runs again from its
    /// start. Without a timeout; a failed child wakes it. See [`Context::woken`].
    #[must_use]
    pub fn wait(&self, on: WaitOn) -> Failure {
        Failure::Wait(Wait { on, timeout: None, on_timeout: WaitPolicy::Wake, on_child_failed: WaitPolicy::Wake })
    }
    /// As [`Context::wait`], until no child is open.
    #[must_use]
    pub fn wait_children(&self) -> Failure {
        self.wait(WaitOn::AllChildren)
    }
    /// As [`Context::wait`], for a signal, at most `timeout`.
    #[must_use]
    pub fn wait_signal(&self, name: impl Into<String>, timeout: Option<Duration>) -> Failure {
        let (on_timeout, on_child_failed) = (WaitPolicy::Wake, WaitPolicy::Ignore);
        Failure::Wait(Wait { on: WaitOn::Signal(name.into()), timeout, on_timeout, on_child_failed })
    }
    /// As [`Context::wait`], with every choice made by the caller.
    #[must_use]
    pub fn wait_with(&self, wait: Wait) -> Failure {
        Failure::Wait(wait)
    }

    fn inherit(&self, mut request: JobRequest) -> Result<JobRequest, Failure> {
        let tenant = request.tenant.get_or_insert_with(|| self.tenant().clone());
        if tenant != self.tenant() {
            let message = format!("a job of tenant {} cannot enqueue for tenant {tenant}", self.tenant());
            return Err(Failure::Fatal(Cause::new(Code::RequestInvalid, message)));
        }
        self.may_keep_json("the args of the other job", &request.args)?;
        if let Some(unique) = &request.unique {
            self.may_keep("the unique key of the other job", &unique.key)?;
        }
        request.client = request.client.or_else(|| self.client().cloned());
        // No operation begins another one.
        request.internal = false;
        Ok(request)
    }

    async fn put(&self, mut job: NewJob) -> Result<Enqueued, Failure> {
        job.trace = self.trace().cloned();
        let parts = &self.inner.parts;
        let mut each = parts.tools.broker.enqueue(vec![job.clone()]).await.map_err(|e| self.inner.failure(&e))?;
        match each.pop() {
            Some(enqueued) => {
                let enqueued = enqueued.map_err(|e| self.inner.failure(&e))?;
                parts.tools.checker.blobs().settle(&job, enqueued.id).await;
                Ok(enqueued)
            }
            None => Err(Failure::Retry(Cause::new(Code::Internal, "the broker answered nothing for the job"))),
        }
    }

    pub(super) fn refused(&self, error: &RequestError) -> Failure {
        match error {
            RequestError::Faults { code, .. } => Failure::Fatal(Cause::new(code, error.told())),
            RequestError::Broker(error) => self.inner.failure(error),
            RequestError::Blob(error) => error.failure(),
        }
    }
}
