//! What a request may say, how its faults are told, and what becomes of new records.

use crate::{
    Catalog, Checker, FieldFault, JobRequest, RequestError,
    testing::{House, NOW, name},
};
use longshore_base::{Clock, Code};
use longshore_queue::{Broker, Due, KindRecord, NewJob, Parent, Policy, Unique, UniqueMode};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const HOUR: i64 = 3_600_000;

/// A kind that only a record knows, as another program would register it.
fn record(schema: Value) -> KindRecord {
    KindRecord {
        schedule: None,
        name: name("shop.order"),
        version: 1,
        args_schema: schema,
        output_schema: None,
        queue: name("shop"),
        policy: Policy { attempts_max: 5, timeout_ms: 9_000, ..Policy::default() },
        lane_by: vec!["/account".into(), "/region".into()],
        cost: None,
        unique_by: Vec::new(),
        resources: Vec::new(),
        keep: None,
        owner: None,
        refused: None,
        internal: false,
        operators: false,
    }
}

fn order_schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["account", "lines"],
        "properties": {
            "account": {"type": "string", "description": "whose order it is", "maxLength": 400},
            "region": {"type": ["string", "null"]},
            "currency": {"enum": ["EUR", "USD"]},
            "lines": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/line"}},
            "pay": {"anyOf": [{"$ref": "#/$defs/card"}, {"type": "null"}]},
        },
        "$defs": {
            "line": {"type": "object", "additionalProperties": false, "required": ["sku"],
                     "properties": {"sku": {"type": "string"}, "count": {"type": "integer", "minimum": 1}}},
            "card": {"type": "object", "additionalProperties": false, "required": ["number"], "properties": {"number": {"type": "string"}}},
        },
    })
}

async fn shop() -> House {
    let house = House::standard().await;
    house.checker.put(record(order_schema())).await.unwrap();
    house
}

fn order(args: Value) -> JobRequest {
    JobRequest::new(name("shop.order"), args)
}
fn fine() -> JobRequest {
    order(json!({"account": "a1", "region": "eu", "lines": [{"sku": "x"}]}))
}

fn faults(result: Result<NewJob, RequestError>) -> (Code, Vec<String>) {
    let told = |f: FieldFault| format!("{}: {} [{}]", f.pointer, f.detail, f.allowed.unwrap_or_default());
    match result {
        Err(RequestError::Faults { code, faults }) => (code, faults.into_iter().map(told).collect()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_not_said_comes_from_the_record() {
    let house = shop().await;
    let job = house.check(fine()).await.unwrap();
    assert_eq!((job.queue.as_str(), job.tenant.as_str(), job.lane_key.as_str()), ("shop", "default", "a1/eu"));
    assert_eq!((job.kind_version, job.priority.get(), job.due, job.unique), (1, 5, Due::Now, None));
    assert_eq!((job.policy.attempts_max, job.policy.timeout_ms), (5, 9_000));
    assert_eq!((job.id.time(), job.id.home()), (NOW, house.broker.home(&name("shop")).await.unwrap()));
    let said = JobRequest {
        queue: Some(name("rush")),
        tenant: Some(name("acme")),
        delay: Some(Duration::from_secs(2)),
        attempts_max: Some(1),
        timeout_ms: Some(50),
        tags: vec![name("t")],
        ..order(json!({"account": 7.to_string(), "lines": [{"sku": "x"}]}))
    };
    let job = house.check(said).await.unwrap();
    assert_eq!((job.queue.as_str(), job.tenant.as_str(), job.lane_key.as_str()), ("rush", "acme", "7/"));
    assert_eq!((job.due, job.policy.attempts_max, job.policy.timeout_ms), (Due::In(Duration::from_secs(2)), 1, 50));
    assert_eq!(job.tags, [name("t")]);
}

#[tokio::test]
async fn every_fault_of_the_args_has_its_pointer() {
    let house = shop().await;
    let args = json!({"acount": "a", "currency": "GBP", "lines": [{"sku": 5}, {"count": 0, "a/b": 1}], "pay": {"nr": "1"}});
    let (code, told) = faults(house.check(order(args)).await);
    assert_eq!(code, Code::ArgsInvalid);
    for expected in [
        "/args/acount: there is no such field [account, currency, lines, pay, region]",
        "/args/account: the field is missing [string: whose order it is]",
        "/args/currency: \"GBP\" is not among the allowed values [[\"EUR\",\"USD\"]]",
        "/args/lines/0/sku: 5 has the wrong type [string]",
        "/args/lines/1/sku: the field is missing [string]",
        "/args/lines/1/count: 0 is too small [at least 1]",
        "/args/lines/1/a~1b: there is no such field [count, sku]",
        "/args/pay/nr: there is no such field [number]",
        "/args/pay/number: the field is missing [string]",
    ] {
        assert!(told.contains(&expected.to_owned()), "{expected}\nis not in {told:#?}");
    }
    assert_eq!(told.len(), 9, "{told:#?}");
    assert_eq!(faults(house.check(order(json!([]))).await).1, ["/args: [] has the wrong type [object]"]);
    let pay = order(json!({"account": "a", "lines": [{"sku": "x"}], "pay": 3}));
    assert_eq!(faults(house.check(pay).await).1, ["/args/pay: 3 fits none of the allowed forms [object or null]"]);
}

#[tokio::test]
async fn faults_are_bounded() {
    let house = shop().await;
    let many: serde_json::Map<_, _> = (0..500).map(|n| (format!("field{n}"), json!(1))).collect();
    assert_eq!(faults(house.check(order(Value::Object(many))).await).1.len(), 50);
}

#[tokio::test]
async fn every_fault_of_the_rest_is_told_at_once() {
    let house = shop().await;
    let request = JobRequest {
        run_at: Some(NOW - 25 * HOUR),
        delay: Some(Duration::from_secs(1)),
        attempts_max: Some(1_001),
        timeout_ms: Some(7 * 86_400_000 + 1),
        expires_at: Some(NOW + 11 * 366 * 24 * HOUR),
        tags: vec![name("t"); 21],
        unique: Some(Unique { key: "k".repeat(257), mode: UniqueMode::Throttle { window: Duration::ZERO } }),
        ..order(json!({"account": "a".repeat(257), "lines": [{"sku": "x"}]}))
    };
    let (code, told) = faults(house.check(request).await);
    assert_eq!(code, Code::RequestInvalid);
    let pointers: Vec<_> = told.iter().map(|fault| fault.split(':').next().unwrap()).collect();
    let expected = [
        "/args/account",
        "/delay_ms",
        "/run_at",
        "/expires_at",
        "/unique/key",
        "/unique/window_ms",
        "/attempts_max",
        "/timeout_ms",
        "/tags",
    ];
    assert_eq!(pointers, expected, "{told:#?}");
}

#[tokio::test]
async fn bounds_are_where_the_contract_puts_them() {
    let house = shop().await;
    let ten_years = 3_653 * 24 * HOUR;
    let day = |request: JobRequest| (request.run_at, request.expires_at, request.delay, request.attempts_max, request.timeout_ms);
    let ms = |n: i64| Duration::from_millis(n.unsigned_abs());
    for (request, good) in [
        (JobRequest { run_at: Some(NOW - 24 * HOUR), ..fine() }, true),
        (JobRequest { run_at: Some(NOW - 24 * HOUR - 1), ..fine() }, false),
        (JobRequest { run_at: Some(NOW + ten_years), ..fine() }, true),
        (JobRequest { run_at: Some(NOW + ten_years + 1), ..fine() }, false),
        (JobRequest { run_at: Some(i64::MAX), ..fine() }, false),
        (JobRequest { run_at: Some(i64::MIN), ..fine() }, false),
        (JobRequest { delay: Some(ms(ten_years)), ..fine() }, true),
        (JobRequest { delay: Some(Duration::MAX), ..fine() }, false),
        (JobRequest { delay: Some(ms(10)), expires_at: Some(NOW + 10), ..fine() }, false),
        (JobRequest { delay: Some(ms(10)), expires_at: Some(NOW + 11), ..fine() }, true),
        (JobRequest { attempts_max: Some(0), ..fine() }, false),
        (JobRequest { attempts_max: Some(1_000), ..fine() }, true),
        (JobRequest { timeout_ms: Some(0), ..fine() }, false),
        (JobRequest { timeout_ms: Some(604_800_000), ..fine() }, true),
    ] {
        let what = day(request.clone());
        assert_eq!(house.check(request).await.is_ok(), good, "{what:?}");
    }
    assert!(house.checker.check_run_at(NOW + ten_years + 1).is_err() && house.checker.check_run_at(NOW).is_ok());
}

#[tokio::test]
async fn sizes_have_a_code_of_their_own() {
    let house = House::standard().await;
    let echo = |bytes: usize| JobRequest::new(name("demo.echo"), json!({"a": "x".repeat(bytes - 8)}));
    assert_eq!(house.check(echo(262_144)).await.unwrap().args.get().len(), 262_144);
    let (code, told) = faults(house.check(echo(262_145)).await);
    assert_eq!((code, told[0].as_str()), (Code::ArgsTooLarge, "/args: the args have 262145 bytes [at most 262144 bytes of JSON]"));
}

#[tokio::test]
async fn an_unknown_kind_is_told_with_its_neighbours() {
    let house = shop().await;
    let (code, told) = faults(house.check(JobRequest::new(name("demo.ecko"), json!({}))).await);
    assert_eq!(code, Code::KindUnknown);
    assert!(told[0].starts_with("/kind: no process has registered the kind `demo.ecko` [did you mean demo.echo"), "{told:?}");
    let (code, told) = faults(house.check(JobRequest::default()).await);
    assert_eq!((code, told.len()), (Code::RequestInvalid, 1));
}

#[tokio::test]
async fn a_kind_that_another_process_registers_is_seen() {
    let house = House::standard().await;
    assert_eq!(faults(house.check(fine()).await).0, Code::KindUnknown);
    house.broker.put_kinds(vec![record(json!({"type": "object"}))]).await.unwrap();
    house.check(fine()).await.expect("an unknown kind is looked up again at once");
    let stricter = KindRecord { version: 2, args_schema: json!({"type": "object", "required": ["more"]}), ..record(json!({})) };
    house.broker.put_kinds(vec![stricter]).await.unwrap();
    assert_eq!(house.check(fine()).await.unwrap().kind_version, 1, "a known one within a few seconds");
    house.clock.advance(Duration::from_secs(3));
    assert_eq!(faults(house.check(fine()).await).1, ["/args/more: the field is missing []"]);
}

#[tokio::test]
async fn ids_follow_the_seed_or_the_parent() {
    let house = shop().await;
    let checker = &house.checker;
    let of = async |seed: &[u8]| checker.check_derived(fine(), NOW - 5, seed).await.unwrap().id;
    assert_eq!(of(b"seed/0").await, of(b"seed/0").await);
    assert_ne!(of(b"seed/0").await, of(b"seed/1").await);
    assert_eq!(of(b"seed/0").await.time(), NOW - 5);
    assert_ne!(house.check(fine()).await.unwrap().id, house.check(fine()).await.unwrap().id);
    let parent = Parent { id: of(b"p").await, key: "k".into() };
    let job = house.check(JobRequest { parent: Some(parent.clone()), ..fine() }).await.unwrap();
    assert_eq!(job.id, parent.child_id(job.id.home()));
}

#[tokio::test]
async fn unique_by_keeps_like_jobs_away() {
    let house = House::standard().await;
    let unique = KindRecord { unique_by: vec!["/a".into(), "/b".into()], lane_by: Vec::new(), ..record(json!({})) };
    house.checker.put(unique).await.unwrap();
    let key = async |args: Value| house.check(order(args)).await.unwrap().unique.unwrap();
    assert_eq!(key(json!({"a": 1})).await, Unique { key: "[1,null]".into(), mode: UniqueMode::Keep });
    assert_ne!(key(json!({"a": "x,y"})).await, key(json!({"a": "x", "b": "y"})).await);
    let long = key(json!({"a": "x".repeat(300)})).await.key;
    assert!(long.starts_with("sha256:") && long.len() == 71, "{long}");
    let own = Unique { key: "own".into(), mode: UniqueMode::KeepUntilStarted };
    let job = house.check(JobRequest { unique: Some(own.clone()), ..order(json!({})) }).await.unwrap();
    assert_eq!(job.unique, Some(own), "the caller's key comes first");
    let parent = Parent { id: job.id, key: "k".into() };
    assert_eq!(house.check(JobRequest { parent: Some(parent), ..order(json!({})) }).await.unwrap().unique, None);
}

#[tokio::test]
async fn args_alone_are_checked_for_an_edit() {
    let house = shop().await;
    assert!(house.checker.check_args(&name("shop.order"), &json!({"account": "a", "lines": [{"sku": "x"}]})).await.is_ok());
    let refused = house.checker.check_args(&name("shop.order"), &json!({})).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.told().as_str()),
        (Code::ArgsInvalid, "/args/account: the field is missing; /args/lines: the field is missing")
    );
}

#[tokio::test]
async fn a_schema_that_waiting_jobs_do_not_fit_is_not_taken_over() {
    let house = shop().await;
    let waiting = house.enqueue(fine()).await;
    house.enqueue(JobRequest { delay: Some(Duration::from_secs(60)), ..fine() }).await;
    let mut stricter = order_schema();
    stricter["properties"]["region"] = json!({"enum": ["us"]});
    let second = KindRecord { version: 2, ..record(stricter) };

    let refused = house.checker.register(vec![second.clone()]).await.unwrap();
    let reason = &refused[0].1;
    let expected = "version 2 of shop.order is not taken over: its schema would refuse 2 of 2 waiting jobs";
    assert!(reason.starts_with(expected) && reason.ends_with("version 1 stays"), "{reason}");
    let there = house.broker.kinds().await.unwrap().into_iter().find(|kind| kind.name == second.name).unwrap();
    assert_eq!((there.version, there.refused.as_ref()), (1, Some(reason)));
    house.check(fine()).await.expect("the old version still checks");

    let error = house.checker.put(second.clone()).await.unwrap_err();
    assert_eq!(error.code(), Code::RequestInvalid);
    assert!(error.told().starts_with("/args_schema: version 2"), "{}", error.told());

    for id in [waiting.id] {
        house.broker.cancel(&longshore_base::Scope::All, &[id]).await.unwrap().remove(0).unwrap();
    }
    assert!(!house.checker.register(vec![second.clone()]).await.unwrap().is_empty(), "one is left, scheduled");
    let left = house.broker.list(&longshore_base::Scope::All, &longshore_queue::Filter::default(), 10, None).await.unwrap();
    for job in left.items.iter().filter(|job| !job.state.is_ended()) {
        house.broker.cancel(&longshore_base::Scope::All, &[job.id]).await.unwrap().remove(0).unwrap();
    }
    assert_eq!(house.checker.register(vec![second.clone()]).await.unwrap(), []);
    let there = house.broker.kinds().await.unwrap().into_iter().find(|kind| kind.name == second.name).unwrap();
    assert_eq!((there.version, there.refused), (2, None), "now it is taken over");
}

#[tokio::test]
async fn an_older_binary_takes_nothing_back() {
    let house = House::standard().await;
    house.checker.put(KindRecord { version: 4, ..record(json!({"type": "object"})) }).await.unwrap();
    assert_eq!(house.checker.register(vec![record(json!({"type": "array"}))]).await.unwrap(), []);
    assert_eq!(house.check(fine()).await.unwrap().kind_version, 4);
    let older = house.checker.put(record(json!({"type": "array"}))).await.unwrap_err();
    assert_eq!(older.told(), "/version: version 1 is older than the one that is registered");
}

#[tokio::test]
async fn every_fault_of_a_record_is_told() {
    let house = House::standard().await;
    let mut faulty = record(json!({"type": "strin", "properties": {"a": {"pattern": "("}}}));
    faulty.version = 0;
    faulty.policy = Policy { attempts_max: 0, timeout_ms: 0, crashes_max: 0, runs_max: 0, ..faulty.policy };
    (faulty.lane_by, faulty.cost, faulty.resources) =
        (vec!["account".into(), "/ok".into()], Some("/~2".into()), vec!["a b".into(), "/~2".into(), "/ok".into()]);
    let RequestError::Faults { code, faults } = house.checker.put(faulty).await.unwrap_err() else { panic!() };
    assert_eq!(code, Code::RequestInvalid);
    let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    let expected = [
        "/version",
        "/retry/attempts_max",
        "/timeout_ms",
        "/crashes_max",
        "/runs_max",
        "/lane_by/0",
        "/cost",
        "/resources/0",
        "/resources/1",
        "/args_schema",
    ];
    assert_eq!(pointers, expected, "{faults:#?}");
    let outside = house.checker.put(record(json!({"$ref": "https://example.com/schema.json"}))).await.unwrap_err();
    assert!(outside.told().starts_with("/args_schema"), "a schema loads nothing from outside: {}", outside.told());
}

#[tokio::test]
async fn register_writes_once_and_keeps_quiet_after() {
    let house = House::standard().await;
    let checker = Checker::new(house.broker.clone(), Arc::new(house.clock.clone()) as Arc<dyn Clock>);
    assert_eq!(checker.register(Catalog::standard().records()).await.unwrap(), []);
    assert_eq!(house.broker.kinds().await.unwrap().len(), Catalog::standard().records().len());
}

/// A kind whose args say what a job uses.
async fn metered() -> House {
    let house = House::standard().await;
    let schema = json!({"type": "object"});
    let record = KindRecord {
        lane_by: Vec::new(),
        cost: Some("/rows".into()),
        resources: vec!["model".into(), "/account".into()],
        ..record(schema)
    };
    house.checker.put(record).await.unwrap();
    house
}

#[tokio::test]
async fn a_cost_is_read_from_the_args_and_rounded_up() {
    let house = metered().await;
    for (rows, cost) in
        [(json!(3), 3), (json!(2.1), 3), (json!(0), 0), (json!(4_294_967_295_u64), u32::MAX), (json!("7"), 1), (json!(null), 1)]
    {
        let job = house.check(order(json!({"account": "a", "rows": rows}))).await.unwrap();
        assert_eq!(job.cost, cost, "{rows}");
    }
    assert_eq!(house.check(order(json!({"account": "a"}))).await.unwrap().cost, 1, "absent");
    for rows in [json!(-1), json!(4_294_967_296_u64)] {
        let (code, told) = faults(house.check(order(json!({"account": "a", "rows": rows}))).await);
        assert_eq!((code, told), (Code::RequestInvalid, vec![format!("/args/rows: {rows} is no cost [0..=4294967295]")]));
    }
}

#[tokio::test]
async fn resources_are_names_or_read_from_the_args() {
    let house = metered().await;
    let resources = async |account: &str| {
        let job = house.check(order(json!({ "account": account }))).await.unwrap();
        job.resources.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(resources("zeta").await, ["model", "zeta"]);
    assert_eq!(resources("alpha").await, ["alpha", "model"], "sorted");
    assert_eq!(resources("model").await, ["model"], "each once");
    for args in [json!({}), json!({"account": 5}), json!({"account": "a b"}), json!({"account": ["a"]})] {
        let (code, told) = faults(house.check(order(args.clone())).await);
        assert_eq!(code, Code::RequestInvalid);
        assert!(told.len() == 1 && told[0].starts_with("/args/account: "), "{args}: {told:?}");
    }
}

#[tokio::test]
async fn what_is_the_operations_own_is_refused_by_hand() {
    let house = House::standard().await;
    let purge = || JobRequest::new(name("dead_letters.purge"), json!({"filter": {}, "before": 1}));
    let by_hand = "jobs of the kind `dead_letters.purge` are made by calls of their own, not by hand";
    let (code, told) = faults(house.check(purge()).await);
    assert_eq!((code, told.len()), (Code::RequestInvalid, 1));
    assert!(told[0].starts_with(&format!("/kind: {by_hand}")), "{told:?}");
    assert!(house.checker.look(&purge()).await.is_err(), "a schedule is checked like this");
    let echo = JobRequest::new(name("demo.echo"), json!({}));
    for (request, pointer) in [
        (JobRequest { tenant: Some(name("operations")), ..echo.clone() }, "/tenant: "),
        (JobRequest { queue: Some(name("operations")), ..echo.clone() }, "/queue: "),
    ] {
        let (code, told) = faults(house.check(request).await);
        assert!(code == Code::RequestInvalid && told.len() == 1 && told[0].starts_with(pointer), "{told:?}");
    }
    let job = house.check(JobRequest { internal: true, tenant: Some(name("operations")), ..purge() }).await.unwrap();
    assert_eq!((job.queue.as_str(), job.tenant.as_str()), ("operations", "operations"));
    let cx = house.running("demo.echo", json!({})).await;
    let inside = cx.enqueue(JobRequest { internal: true, ..purge() }).await;
    assert!(inside.is_err(), "no handler begins an operation");

    let own = house.broker.kinds().await.unwrap().into_iter().find(|record| record.name.as_str() == "dead_letters.purge").unwrap();
    let error = house.checker.put(KindRecord { version: 9, internal: false, ..own }).await.unwrap_err();
    assert!(error.told().starts_with("/name: "), "{}", error.told());
    let error = house.checker.put(KindRecord { queue: name("operations"), ..record(json!({})) }).await.unwrap_err();
    assert!(error.told().starts_with("/queue: "), "{}", error.told());
    let kept = house.checker.put(KindRecord { internal: true, ..record(json!({})) }).await.unwrap();
    assert!(!kept.internal, "nobody makes one from outside");
    let (_, told) = faults(house.check(JobRequest::new(name("dead_letters.purgee"), json!({}))).await);
    assert!(!told[0].contains("dead_letters.purge?"), "what cannot be enqueued is not proposed: {told:?}");
}
