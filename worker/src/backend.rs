//! The apalis runtime over our broker: the only file that knows apalis.
//!
//! apalis ends a worker on any backend error, parks it for ever when the stream ends, and polls all of it in one future. So this
//! backend cannot fail, never ends, and does no I/O while it is polled: leasing (`pool.rs`), extending and acking have tasks of
//! their own, and what arrives here is a leased job that may start at once.

use crate::{attempt, floor::Floor, patience::Patience, running::Running};
use apalis::layers::catch_panic::{CatchPanicLayer, PanicError};
use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    error::BoxDynError,
    task::{Task, builder::TaskBuilder},
    worker::{builder::WorkerBuilder, context::WorkerContext, ext::parallelize::ParallelizeExt},
};
use futures::{FutureExt, future::BoxFuture};
use longshore_jobs::Attempted;
use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    task::{Context, Poll},
};
use tokio::{runtime::Handle, sync::mpsc::UnboundedReceiver};
use tower::{Layer, Service};

type Job = Arc<Running>;
/// Outlives an apalis worker, so that a new one can go on where an old one broke.
pub(crate) type Starts = Arc<Mutex<UnboundedReceiver<Job>>>;

/// Runs the apalis worker until the floor is stopped. Should one end before, the next takes over under a new name.
pub(crate) async fn run(floor: Arc<Floor>, starts: Starts, handlers: Handle) {
    let mut patience = Patience::new();
    for restart in 0u32.. {
        let context = WorkerContext::new(&format!("{}-{restart}", floor.id));
        let handlers = handlers.clone();
        let worker = WorkerBuilder::new(&context)
            .backend(LeasedJobs { floor: floor.clone(), starts: starts.clone() })
            .parallelize(move |attempt| handlers.spawn(attempt))
            .layer(CatchPanicLayer::with_panic_handler(|panic| PanicError(attempt::panic_message(panic.as_ref()))))
            .build(Handler(floor.clone()));
        let running = std::panic::AssertUnwindSafe(worker.run()).catch_unwind().boxed();
        tokio::select! {
            biased;
            () = floor.stopped.cancelled() => return,
            end = running => tracing::error!(worker = %floor.id, ?end, "the worker runtime ended; starting it again"),
        }
        patience.wait(&*floor.clock, &*floor.random).await;
    }
}

/// Leased jobs, as a source of apalis tasks.
struct LeasedJobs {
    floor: Arc<Floor>,
    starts: Starts,
}

impl Backend for LeasedJobs {
    type Task = Task<Job>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Self::Task, Infallible>>> {
        let next = self.starts.lock().unwrap_or_else(PoisonError::into_inner).poll_recv(cx);
        match next {
            Poll::Ready(Some(job)) => Poll::Ready(Some(Ok(TaskBuilder::new(job).build()))),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for LeasedJobs {
    type Args = Job;
    type Id = ();
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Settle;

    fn config(&self) -> &() {
        &()
    }
    fn middleware(&mut self, _: &mut WorkerContext) -> Settle {
        Settle(self.floor.clone())
    }
}

/// The backend's own layer. apalis puts it outside all others, so it sees what the whole stack came to, panics included.
#[derive(Clone)]
struct Settle(Arc<Floor>);

#[derive(Clone)]
struct Settling<S> {
    inner: S,
    floor: Arc<Floor>,
}

impl<S> Layer<S> for Settle {
    type Service = Settling<S>;
    fn layer(&self, inner: S) -> Settling<S> {
        Settling { inner, floor: self.0.clone() }
    }
}

impl<S> Service<Task<Job>> for Settling<S>
where
    S: Service<Task<Job>, Response = Attempted, Error = BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<(), BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx)
    }
    fn call(&mut self, task: Task<Job>) -> Self::Future {
        let (job, floor) = (task.args.clone(), self.floor.clone());
        let attempt = self.inner.call(task);
        Box::pin(async move {
            let attempted = attempt.await.unwrap_or_else(|broken| Attempted::Panicked(broken_message(broken)));
            if job.came_back() {
                floor.stuck.fetch_sub(1, Ordering::AcqRel);
            }
            attempt::settle(&job, attempted, &floor);
            Ok(())
        })
    }
}

/// The innermost service: one attempt.
#[derive(Clone)]
struct Handler(Arc<Floor>);

impl Service<Task<Job>> for Handler {
    type Response = Attempted;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Attempted, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, task: Task<Job>) -> Self::Future {
        // Of the task nothing else is needed, for as long as the attempt may take.
        let (job, floor) = (task.args, self.0.clone());
        Box::pin(async move { Ok(attempt::run(&job, &floor).await) })
    }
}

fn broken_message(broken: BoxDynError) -> String {
    match broken.downcast::<PanicError>() {
        Ok(panic) => panic.0,
        Err(other) => other.to_string(),
    }
}
