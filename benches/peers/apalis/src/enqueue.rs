//! The callers: all jobs of a file in bulk calls, or one after the other with 20 ms between.

use crate::{Args, BATCH, Failed, record::now_us};
use apalis::prelude::TaskSink;
use redis::AsyncCommands;
use std::time::Duration;

/// In calls of 1,000; prints when the first began and when the last was answered.
pub(crate) async fn enqueue(file: &str) -> Result<(), Failed> {
    let mut left = read(file)?;
    let mut calls = Vec::new();
    while !left.is_empty() {
        let rest = left.split_off(left.len().min(BATCH));
        calls.push(std::mem::replace(&mut left, rest));
    }
    let mut storage = crate::storage().await?;
    let _: String = storage.get_connection().ping().await?;
    let began = now_us();
    for call in calls {
        storage.push_bulk(call).await?;
    }
    println!("{}", serde_json::json!({ "began_us": began, "ended_us": now_us() }));
    Ok(())
}

/// Prints when each was called and when it was acknowledged.
pub(crate) async fn pickup(file: &str) -> Result<(), Failed> {
    let mut storage = crate::storage().await?;
    let mut every = tokio::time::interval(Duration::from_millis(20));
    let (mut called, mut acknowledged) = (Vec::new(), Vec::new());
    for args in read(file)? {
        every.tick().await;
        called.push(now_us());
        storage.push(args).await?;
        acknowledged.push(now_us());
    }
    println!("{}", serde_json::json!({ "called_us": called, "acknowledged_us": acknowledged }));
    Ok(())
}

fn read(file: &str) -> Result<Vec<Args>, Failed> {
    std::fs::read_to_string(file)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}
