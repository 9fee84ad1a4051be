//! The listener: how many connections, how slow they may be, and how they end.

use crate::{ApiState, Limits, routes::wired};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use longshore_base::Clock;
use std::{sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_io_timeout::TimeoutStream;

/// How long to wait after an accept that failed, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const STREAMS_MAX: u32 = 100;
const PING_EVERY: Duration = Duration::from_secs(20);

/// Serves until `shutdown` completes, then lets open requests end within [`Limits::grace`].
pub async fn serve(listener: TcpListener, state: ApiState, shutdown: impl Future<Output = ()> + Send) {
    let (clock, limits) = (Arc::clone(&state.clock), state.limits.clone());
    let (router, api) = wired(state);
    let (service, server, graceful) = (TowerToHyperService::new(router), builder(&limits), GracefulShutdown::new());
    let permits = Arc::new(Semaphore::new(limits.connections_max));
    tokio::pin!(shutdown);
    loop {
        let next = async {
            // Beyond the bound a connection waits in the kernel's queue, which is bounded too.
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, accept(&listener, &*clock).await)
        };
        let (permit, stream) = tokio::select! {
            next = next => next,
            () = &mut shutdown => break,
        };
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(limits.stall_time));
        let connection = server.serve_connection(TokioIo::new(Box::pin(stream)), service.clone()).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = &*error, "a connection ended badly: {error}");
            }
            drop(permit);
        });
    }
    drop(listener);
    // Streams of events would never end by themselves.
    api.hub.stop();
    if tokio::time::timeout(limits.grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still open {:?} after the shutdown began; they are cut off", limits.grace);
    }
}

async fn accept(listener: &TcpListener, clock: &dyn Clock) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small and written whole; a failure here only costs time.
                stream.set_nodelay(true).ok();
                return stream;
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                clock.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_headers(limits.headers_max)
        .max_buf_size(limits.head_bytes_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY);
    builder
}
