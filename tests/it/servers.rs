//! The harness itself: servers start, answer, and are where the settings say; the proxy breaks what it is told to break.

use crate::harness::{
    cluster, postgres,
    proxy::{Fault, Proxy},
    redis::{self, Redis},
};
use std::{sync::atomic::Ordering, time::Duration};

async fn ping(port: u16) -> Result<String, ::redis::RedisError> {
    let config = ::redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_millis(500)));
    let client = ::redis::Client::open(format!("redis://127.0.0.1:{port}"))?;
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    ::redis::cmd("PING").query_async(&mut connection).await
}

#[tokio::test]
async fn shared_redis_answers() {
    assert_eq!(ping(redis::shared().await.port).await.expect("an answer"), "PONG");
    assert_eq!(redis::shared().await.pid(), redis::shared().await.pid(), "one for all");
}

#[tokio::test]
async fn killed_redis_keeps_what_it_acknowledged() {
    let mut redis = Redis::start(&[]).await;
    let _: () = ::redis::cmd("SET").arg("k").arg("v").query_async(&mut redis.connect().await).await.expect("set");
    redis.kill_and_restart().await;
    let kept: String = ::redis::cmd("GET").arg("k").query_async(&mut redis.connect().await).await.expect("get");
    assert_eq!(kept, "v");
}

#[tokio::test]
async fn shared_cluster_knows_the_slots() {
    let cluster = cluster::shared().await;
    let mut c = cluster.nodes[0].connect().await;
    for key in ["a", "{queue/0}:x", "ü", "{}a"] {
        let told: u16 = ::redis::cmd("CLUSTER").arg("KEYSLOT").arg(key).query_async(&mut c).await.expect("a slot");
        assert_eq!(told, cluster::slot(key), "{key}");
    }
}

#[tokio::test]
async fn shared_postgres_makes_databases() {
    let url = postgres::shared().await.database("harness");
    assert!(url.ends_with("/harness"));
}

#[tokio::test]
async fn proxy_cuts_the_reply_after_the_request_went_through() {
    let redis = redis::shared().await;
    let proxy = Proxy::before(redis.port).await;
    let mut direct = redis.connect().await;
    let client = ::redis::Client::open(format!("redis://127.0.0.1:{}", proxy.port)).expect("an address");
    for round in 1..=20_u64 {
        let mut c = client.get_multiplexed_async_connection().await.expect("a connection");
        proxy.set(Fault::CutReply(b"INCR".to_vec()));
        let answer: Result<u64, _> = ::redis::cmd("INCR").arg("proxy:cut").query_async(&mut c).await;
        assert!(answer.is_err(), "the reply was to be lost");
        let count: u64 = ::redis::cmd("GET").arg("proxy:cut").query_async(&mut direct).await.expect("a count");
        assert_eq!((count, proxy.counters().cut.load(Ordering::Relaxed)), (round, round));
    }
}

#[tokio::test]
async fn proxy_refuses_swallows_and_heals() {
    let redis = redis::shared().await;
    let proxy = Proxy::before(redis.port).await;
    assert!(ping(proxy.port).await.is_ok());
    proxy.set(Fault::Refuse);
    assert!(ping(proxy.port).await.is_err());
    proxy.set(Fault::HalfOpen);
    assert!(ping(proxy.port).await.is_err());
    assert!(proxy.counters().refused.load(Ordering::Relaxed) > 0 && proxy.counters().swallowed.load(Ordering::Relaxed) > 0);
    proxy.set(Fault::Delay(Duration::from_millis(20)));
    assert!(ping(proxy.port).await.is_ok());
    proxy.set(Fault::None);
    assert!(ping(proxy.port).await.is_ok());
}
