//! Backups are the operator's: a tenant's key reaches no file and no database of the worker's machine.

use super::{House, house::code};
use serde_json::{Value, json};

async fn with_key(house: &House, key: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
    let method = method.parse().expect("a method");
    let request = house.engine.plain_client().request(method, format!("{}{path}", house.engine.url)).bearer_auth(key).json(&body);
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_cannot_have_them() {
    let house = House::up().await;
    let made = house.engine.call("POST", "/v1/keys", Some(json!({"name": "shop", "role": "tenant", "tenant": "default"}))).await;
    let key = made["key"].as_str().expect("a key");
    let args = house.args("x", "sqlite:/nowhere.db", &house.in_folder());
    let job = json!({"kind": "ops.backup", "args": args});
    let (status, answer) = with_key(&house, key, "POST", "/v1/jobs", job.clone()).await;
    assert_eq!((status, &answer["errors"][0]["pointer"]), (422, &json!("/kind")), "{answer}");
    let (status, answer) = with_key(&house, key, "POST", "/v1/jobs/batch", json!({"jobs": [job]})).await;
    assert_eq!((status, answer["results"][0]["error"]["status"].as_u64()), (202, Some(422)), "{answer}");
    let schedule = json!({"every_ms": 60_000, "kind": "ops.backup", "args": args});
    let (status, answer) = with_key(&house, key, "PUT", "/v1/schedules/nightly", schedule.clone()).await;
    assert_eq!(status, 422, "{answer}");
    let (status, _) = with_key(&house, house.engine.key(), "PUT", "/v1/schedules/nightly", schedule).await;
    assert!((200..300).contains(&status), "an operator may");

    // Dead in the tenant's own name: it may be read, and neither edited nor repeated with other args.
    let dead = house.run("ops.backup", args, "dead").await;
    assert_eq!(code(&dead), "backup.source_failed");
    let id = dead["id"].as_str().expect("an id");
    let letter = format!("/v1/dead-letters/{id}");
    let edit = json!({"args": house.args("x", "sqlite:/etc/other.db", &house.in_folder())});
    let method = "PATCH".parse().expect("a method");
    let request = house.engine.plain_client().request(method, format!("{}{letter}", house.engine.url)).bearer_auth(key);
    let answer = request.header("If-Match", dead["revision"].to_string()).json(&edit).send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 422, "{}", answer.text().await.unwrap_or_default());
    let replay = json!({"ids": [id], "args_patch": {"source": "sqlite:/etc/other.db"}});
    let (_, answer) = with_key(&house, key, "POST", "/v1/dead-letters/replay", replay).await;
    if let Some(operation) = answer["operation"].as_str() {
        let ended = crate::scenarios::until("the replay ends", super::house::SOON, async || {
            let operation = house.engine.get(&format!("/v1/operations/{operation}")).await;
            (operation["state"] != "running" && operation["state"] != "ready").then_some(operation)
        });
        ended.await;
    }
    assert_eq!(house.engine.job(id).await["replays"], json!([]), "nobody repeated it");
}
