//! A TCP proxy that breaks connections on purpose, and counts how often it did.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::{Notify, watch},
    task::JoinHandle,
};

/// What the proxy does to what passes through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// New connections are closed at once; open ones too.
    Refuse,
    /// Every chunk from the server waits this long.
    Delay(Duration),
    /// Requests pass, replies do not, and nobody is told: the connection looks alive.
    HalfOpen,
    /// The next request that contains these bytes reaches the server; its reply is read, thrown away, and the connection is closed.
    /// Armed for one request; arm it again for the next.
    CutReply(Vec<u8>),
}

/// How often it did what.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) opened: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) cut: AtomicU64,
    pub(crate) swallowed: AtomicU64,
}

/// A proxy in front of one server; ends when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    fault: watch::Sender<Fault>,
    counters: Counters,
    /// Taken by the one request that is to lose its reply.
    armed: Mutex<Option<Vec<u8>>>,
    cut: Notify,
}

impl Proxy {
    /// Listens on a free port of the loopback, in front of `upstream`.
    pub(crate) async fn before(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let shared = Arc::new(Shared {
            fault: watch::Sender::new(Fault::None),
            counters: Counters::default(),
            armed: Mutex::new(None),
            cut: Notify::new(),
        });
        let task = tokio::spawn(accept(listener, SocketAddr::from(([127, 0, 0, 1], upstream)), Arc::clone(&shared)));
        Self { port, shared, task }
    }

    /// From now on, this happens.
    pub(crate) fn set(&self, fault: Fault) {
        let armed = if let Fault::CutReply(bytes) = &fault { Some(bytes.clone()) } else { None };
        *self.shared.armed.lock().unwrap_or_else(PoisonError::into_inner) = armed;
        self.shared.fault.send_replace(fault);
    }

    /// How often it did what.
    pub(crate) fn counters(&self) -> &Counters {
        &self.shared.counters
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, shared: Arc<Shared>) {
    let mut links = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while links.try_join_next().is_some() {}
        if *shared.fault.borrow() == Fault::Refuse {
            shared.counters.refused.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        shared.counters.opened.fetch_add(1, Ordering::Relaxed);
        links.spawn(link(client, upstream, Arc::clone(&shared)));
    }
}

/// One connection: ends when either side ends, when all are refused, or when its reply is to be cut.
async fn link(client: TcpStream, upstream: SocketAddr, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    drop((client.set_nodelay(true), server.set_nodelay(true)));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let cutting = Arc::new(AtomicU64::new(0));
    let mut fault = shared.fault.subscribe();
    tokio::select! {
        () = requests(from_client, to_server, &shared, &cutting) => {}
        () = replies(from_server, to_client, &shared, &cutting) => {}
        _ = fault.wait_for(|fault| *fault == Fault::Refuse) => {
            shared.counters.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn requests(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, shared: &Shared, cutting: &AtomicU64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        let hit = {
            let mut armed = shared.armed.lock().unwrap_or_else(PoisonError::into_inner);
            let hit = armed.as_ref().is_some_and(|wanted| buffer[..n].windows(wanted.len()).any(|bytes| bytes == wanted));
            if hit {
                *armed = None;
            }
            hit
        };
        if hit {
            // Before the bytes go out, so that the reply cannot overtake the mark.
            cutting.store(1, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

async fn replies(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, shared: &Shared, cutting: &AtomicU64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        if cutting.load(Ordering::SeqCst) == 1 {
            shared.counters.cut.fetch_add(1, Ordering::Relaxed);
            shared.cut.notify_waiters();
            return;
        }
        let fault = shared.fault.borrow().clone();
        match fault {
            Fault::HalfOpen => {
                shared.counters.swallowed.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            Fault::Delay(by) => {
                drop(tokio::time::timeout(by, std::future::pending::<()>()).await);
            }
            Fault::None | Fault::Refuse | Fault::CutReply(_) => {}
        }
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}
