//! Redis: what the server sends to a replica; its own `DEBUG DIGEST` is the manifest's.

use super::{
    House,
    house::{read_manifest, shell},
};
use crate::harness::{folder, redis::Redis};
use serde_json::Value;

/// Some of every type, small and large, in two databases.
async fn fill(redis: &Redis) {
    let script = "
        redis.call('SELECT', 0)
        for i = 1, 2000 do redis.call('SET', 's:' .. i, i % 3 == 0 and i or string.rep('text' .. i, i % 40)) end
        redis.call('SET', 'long', string.rep('abc', 100000)) redis.call('SET', 'empty', '') redis.call('SET', 'number', '-9223372036854775808')
        redis.call('SET', 'soon', 1, 'PX', 100) redis.call('SET', 'later', 1, 'EX', 100000)
        for i = 1, 1000 do
          redis.call('RPUSH', 'list', i, 'x' .. i) redis.call('SADD', 'ints', i * 70000) redis.call('SADD', 'words', 'w' .. i)
          redis.call('ZADD', 'scores', i / 7, 'm' .. i) redis.call('HSET', 'fields', 'f' .. i, string.rep('v', i))
        end
        redis.call('RPUSH', 'plain', string.rep('y', 100000), 'z') redis.call('RPUSH', 'few', 1, -1, 4000, 70000, 5000000000, 'text', string.rep('a', 300))
        redis.call('SADD', 'small', 1, 2, -3) redis.call('SADD', 'one', 'a') redis.call('HSET', 'pair', 'a', 1, 'b', string.rep('c', 60))
        redis.call('ZADD', 'near', 1.5, 'a', -0.1, 'b', '+inf', 'c', 1e20, 'd', 3, 'e')
        for i = 1, 300 do redis.call('XADD', 'events', i .. '-1', 'kind', 'k', 'n', i) end
        redis.call('XADD', 'events', '301-5', 'other', 'fields', 'are', 'here', 'too', 'x') redis.call('XDEL', 'events', '7-1', '8-1')
        redis.call('XGROUP', 'CREATE', 'events', 'readers', '0') redis.call('XREADGROUP', 'GROUP', 'readers', 'me', 'COUNT', 10, 'STREAMS', 'events', '>')
        redis.call('SELECT', 3) redis.call('SET', 'elsewhere', 'yes') redis.call('HSET', 'h', 'a', 'b')
        return redis.status_reply('OK')";
    let mut connection = redis.connect().await;
    let _: () = ::redis::cmd("EVAL").arg(script).arg(0).query_async(&mut connection).await.expect("filled");
    let library = "#!lua name=kept\nredis.register_function('f', function() return 1 end)";
    let _: () = ::redis::cmd("FUNCTION").arg("LOAD").arg(library).query_async(&mut connection).await.expect("a function");
}

async fn digest(redis: &Redis) -> String {
    ::redis::cmd("DEBUG").arg("DIGEST").query_async(&mut redis.connect().await).await.expect("a digest")
}

fn keys(manifest: &Value) -> Vec<(String, u64)> {
    let tables = manifest["contents"]["tables"].as_array().expect("databases");
    tables.iter().map(|table| (table["name"].as_str().expect("a name").to_owned(), table["rows"].as_u64().expect("a count"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_to_a_folder_verified_and_loaded_by_hand() {
    let (house, redis) = (House::up().await, Redis::start(&[]).await);
    fill(&redis).await;
    let output = house.backup("cache", redis.url(), &house.in_folder()).await;
    let manifest = house.manifest(&output);
    // A key that has expired is gone for DEBUG DIGEST, and in the file.
    let _: u64 = ::redis::cmd("DEL").arg("soon").query_async(&mut redis.connect().await).await.expect("gone");
    assert_eq!(keys(&manifest).iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["db0", "db3"], "{manifest}");

    let verified = house.verify("cache", &house.in_folder(), "completed").await;
    assert_eq!((&verified["output"]["tables"], &verified["output"]["engine"]), (&2.into(), &"redis".into()), "{verified}");

    let home = folder("restored");
    let data = house.folder.join(manifest["data"]["file"].as_str().expect("a file"));
    shell(&format!("age -d -i '{}' '{}' | zstd -dc > '{}/dump.rdb'", house.key.file.display(), data.display(), home.display()));
    // As a replica it keeps what has expired since, as the documentation says.
    let loaded = Redis::in_folder(home, &["--appendonly", "no", "--replicaof", "127.0.0.1 1"]).await;
    assert_eq!(digest(&loaded).await, manifest["contents"]["digest"].as_str().expect("a digest"), "the contents equal the manifest's hash");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_password_to_a_bucket_and_restored_by_the_command() {
    let (house, redis) = (House::up().await, Redis::start(&["--requirepass", "hidden-word"]).await);
    let source = format!("redis://:hidden-word@127.0.0.1:{}", redis.port);
    shell(&format!("REDISCLI_AUTH=hidden-word redis-cli -p {} SET a b", redis.port));
    let output = house.backup("cache", source, "s3://kept").await;
    let manifest = read_manifest(&house.s3.bucket("kept"), &output);
    assert!(!manifest.to_string().contains("hidden-word"), "{manifest}");
    house.verify("cache", "s3://kept", "completed").await;
    let home = folder("restored");
    let file = home.join("dump.rdb");
    let ran = house.restore("s3://kept", &["--name", "cache", "--to", file.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 0, "{}", ran.told);
    let loaded = Redis::in_folder(home, &["--appendonly", "no"]).await;
    assert_eq!(digest(&loaded).await, manifest["contents"]["digest"].as_str().expect("a digest"));
}
