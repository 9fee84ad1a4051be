//! Addresses that must not be called, through the real binary: nothing that listens on this machine is reached.

use crate::{harness::eventually, scenarios::Engine};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpListener;

/// Counts connections.
fn count(listener: TcpListener, seen: &Arc<AtomicUsize>) {
    let seen = Arc::clone(seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            seen.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn no_job_reaches_a_listener_of_this_machine() {
    let (seen, trap) = (Arc::new(AtomicUsize::new(0)), TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port"));
    let port = trap.local_addr().expect("bound").port();
    count(trap, &seen);
    // Where this process may, on a port that everybody may call as well; elsewhere the unit tests stand for it.
    if let Ok(web) = TcpListener::bind(("127.0.0.1", 80)).await {
        count(web, &seen);
    }
    let hosts = "127.0.0.1 127.1 0x7f.1 0177.0.0.1 2130706433 127.0.0.1. 0 0.0.0.0 localhost LOCALHOST localHOST %6cocalhost [::1] [::] \
                 [::ffff:127.0.0.1] [::127.0.0.1] [64:ff9b::127.0.0.1] [2002:7f00:1::] ①②⑦.0.0.1 user@127.0.0.1 LocalHost 10.0.0.1 \
                 169.254.169.254 [fd00::1] [fe80::1]";
    let urls = hosts.split_whitespace().flat_map(|host| {
        [format!("http://{host}/x"), format!("http://{host}:{port}/x"), format!("https://{host}/x"), format!("https://{host}:{port}/x")]
    });
    let engine = Engine::up(&[]).await;
    let urls: Vec<String> = urls.collect();
    assert_eq!(urls.len(), 100);
    let ids = engine.enqueue(urls.iter().map(|url| json!({ "kind": "http.request", "args": { "url": url } })).collect()).await;
    engine.queue_until("default", "every job has ended", Duration::from_secs(60), |queue| queue["dead"] == urls.len()).await;
    for (url, id) in urls.iter().zip(&ids) {
        let job = engine.job(id).await;
        let told: Vec<&Value> = job["errors"].as_array().expect("errors").iter().collect();
        assert_eq!((told.len(), &told[0]["code"]), (1, &json!("http.refused")), "{url}: {job:#}");
        let message = told[0]["message"].as_str().expect("a message");
        assert!(!message.contains("127") && !message.contains(&port.to_string()), "no hint on what is behind it: {message}");
    }
    assert_eq!(seen.load(Ordering::SeqCst), 0);
    drop(tokio::net::TcpStream::connect(("127.0.0.1", port)).await);
    eventually("the trap would have seen it", Duration::from_secs(5), async || seen.load(Ordering::SeqCst) == 1).await;
}
