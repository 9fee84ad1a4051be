//! What is not told, what is refused, and where args may name a secret.

use super::{SecretError, SecretKeeper, SecretOr, SecretProvider, SecretRef};
use crate::{
    Attempted, Catalog, Cause, Context, Failure, JobRequest, Kind, Level,
    testing::{House, name, settle},
};
use async_trait::async_trait;
use longshore_base::Name;
use longshore_config::{Secret, Veil};
use longshore_queue::{Broker, Json, json as raw};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

/// Secrets by tenant and name.
#[derive(Default)]
pub(crate) struct Given(HashMap<(&'static str, &'static str), &'static str>);

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Given")
    }
}

#[async_trait]
impl SecretProvider for Given {
    async fn get(&self, tenant: &Name, name: &str) -> Result<Option<Secret<String>>, SecretError> {
        if name == "broken" {
            return Err(SecretError("no answer".to_owned()));
        }
        let found = self.0.iter().find(|((of, own), _)| *of == tenant.as_str() && *own == name);
        Ok(found.map(|(_, value)| Secret::new((*value).to_owned())))
    }
}

/// A keeper of these: (tenant, name, value).
pub(crate) fn keeper(given: &[(&'static str, &'static str, &'static str)], logs: &Veil) -> SecretKeeper {
    let given = given.iter().map(|(tenant, name, value)| ((*tenant, *name), *value)).collect();
    SecretKeeper::new(Arc::new(Given(given)), logs.clone())
}

const VALUE: &str = "tok-\"12345\"-x";

async fn house() -> (House, Veil) {
    let (mut house, logs) = (House::with(&Catalog::standard().with::<Takes>()).await, Veil::default());
    house.secrets = keeper(&[("default", "token", VALUE), ("default", "number", "90210777"), ("acme", "other", "acme-only")], &logs);
    (house, logs)
}

fn of(text: &'static str) -> SecretRef {
    SecretRef::new(name(text))
}

/// Takes secrets in some of its fields.
struct Takes;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the schema is looked at")]
struct TakesArgs {
    one: SecretRef,
    #[serde(default)]
    many: Vec<SecretRef>,
    #[serde(default)]
    either: Option<SecretOr<String>>,
    #[serde(default)]
    plain: Option<String>,
    #[serde(default)]
    free: Option<Value>,
}

impl Kind for Takes {
    const NAME: &'static str = "test.takes";
    type Args = TakesArgs;
    type Output = ();
    async fn run(_: TakesArgs, _: &Context) -> Result<(), Failure> {
        Ok(())
    }
}

#[test]
fn a_reference_has_one_form() {
    assert_eq!(serde_json::to_value(of("a.b")).unwrap(), json!({"$secret": "a.b"}));
    assert_eq!(serde_json::from_value::<SecretRef>(json!({"$secret": "a.b"})).unwrap(), of("a.b"));
    for bad in [json!({"$secret": ""}), json!({"$secret": "a b"}), json!({"$secret": 5}), json!({"$secret": "a", "x": 1}), json!("a")] {
        assert!(serde_json::from_value::<SecretRef>(bad.clone()).is_err(), "{bad}");
    }
    let either = |value: Value| serde_json::from_value::<SecretOr<String>>(value).map_err(|e| e.to_string());
    assert_eq!(either(json!("plain")), Ok(SecretOr::Literal("plain".to_owned())));
    assert_eq!(either(json!({"$secret": "a"})), Ok(SecretOr::Secret(of("a"))));
    assert!(either(json!({"$secret": "a", "b": 1})).is_err_and(|told| told.contains("unknown field")));
    assert_eq!(serde_json::to_value(SecretOr::<String>::Secret(of("a"))).unwrap(), json!({"$secret": "a"}));
}

#[tokio::test]
async fn args_name_a_secret_only_where_the_schema_takes_one() {
    let (house, _) = house().await;
    let s = || json!({"$secret": "token"});
    let check = async |kind: &'static str, args: Value| match house.check(JobRequest::new(name(kind), args)).await {
        Ok(job) => format!("ok {}", job.args.get()),
        Err(error) => format!("{} {}", error.code(), error.told()),
    };
    for (args, expected) in [
        (json!({"one": s()}), r#"ok {"one":{"$secret":"token"}}"#),
        (json!({"one": s(), "many": [s(), s()], "either": s()}), "ok "),
        (json!({"one": s(), "either": "text", "free": {"a": [1]}}), "ok "),
        (json!({"one": "token"}), "jobs.args_invalid /args/one: the value has the wrong type"),
        (json!({"one": s(), "either": 5}), "jobs.args_invalid /args/either: the value fits none of the allowed forms"),
        (json!({"one": s(), "plain": s()}), "jobs.args_invalid /args/plain: no secret is taken here"),
        (json!({"one": s(), "free": s()}), "jobs.args_invalid /args/free: no secret is taken here"),
        (json!({"one": s(), "free": {"a": [0, {"b/c": s()}]}}), "jobs.args_invalid /args/free/a/1/b~1c: no secret is taken here"),
        (json!({"one": s(), "free": {"$secret": 5}}), "jobs.args_invalid /args/free: no secret is taken here"),
        (json!({"one": {"$secret": "a", "b": 1}}), "jobs.args_invalid /args/one/b: there is no such field"),
        (json!({"one": {"$secret": "a b"}}), "jobs.args_invalid /args/one/$secret: the value does not match the pattern"),
        (json!({"one": {"$secret": 5}}), "jobs.args_invalid /args/one/$secret: the value has the wrong type"),
        (json!({"one": s(), "either": {"$secret": "a b"}}), "jobs.args_invalid /args/either/$secret: the value does not match the pattern"),
        (
            json!({"one": {"$secret": "a b"}, "plain": {"$secret": "a b"}}),
            "jobs.args_invalid /args/one/$secret: the value does not match the pattern; /args/plain: no secret is taken here",
        ),
        (json!({"many": [s()]}), "jobs.args_invalid /args/one: the field is missing"),
        (json!({"$secret": "a", "one": s()}), "jobs.args_invalid /args: no secret is taken here"),
    ] {
        let told = check("test.takes", args.clone()).await;
        assert!(told.starts_with(expected) && (expected.starts_with("ok") || told == expected), "{args}: {told}");
    }
    assert_eq!(check("demo.echo", json!({"a": s()})).await, "jobs.args_invalid /args/a: no secret is taken here");
    assert_eq!(check("demo.echo", s()).await, "jobs.args_invalid /args: no secret is taken here");
    for field in ["url", "body", "json", "headers"] {
        let mut args = json!({"url": "http://a.example/"});
        args[field] = s();
        let told = check("http.request", args).await;
        assert!(told.contains(&format!("/args/{field}: no secret is taken here")), "{field}: {told}");
    }
    assert!(check("http.request", json!({"url": "http://a.example/", "sign_with": [s()]})).await.starts_with("ok "));
    let told = check("http.request", json!({"url": "http://a.example/", "json": {"deep": [s()]}, "sign_with": [s()]})).await;
    assert_eq!(told, "jobs.args_invalid /args/json/deep/0: no secret is taken here");
    // Neither is it repeated with the whole that it is a part of.
    let args = json!({"target": "file:///tmp/x", "name": "n", "manifest": "m", "identity": "AGE-SECRET-KEY-1ABC"});
    let told = check("ops.verify_backup", args).await;
    assert!(told.starts_with("jobs.args_invalid") && told.contains("/args: ") && !told.contains("SECRET-KEY"), "{told}");
    // An edit and a replay check the same.
    let error = house.checker.check_args(&name("demo.echo"), &json!({"a": s()})).await.unwrap_err();
    assert_eq!(error.told(), "/args/a: no secret is taken here");
}

#[tokio::test]
async fn a_secret_is_the_tenants_own_and_an_absent_one_is_named() {
    let (house, logs) = house().await;
    let cx = house.running("demo.echo", json!({})).await;
    assert_eq!(cx.secret(&of("token")).await.unwrap().expose(), VALUE);
    assert_eq!(cx.reveal(&SecretOr::Literal("text".to_owned())).await.unwrap().expose(), "text");
    assert_eq!(cx.reveal(&SecretOr::Secret(of("token"))).await.unwrap().expose(), VALUE);
    let told = |failure: Failure| match failure {
        Failure::Fatal(cause) => format!("fatal {}: {}", cause.code, cause.message),
        Failure::Retry(cause) => format!("retry {}: {}", cause.code, cause.message),
        other => format!("{other:?}"),
    };
    let absent = told(cx.secret(&of("other")).await.unwrap_err());
    assert_eq!(absent, "fatal secrets.absent: tenant default has no secret `other`", "another tenant's does not exist");
    let broken = told(cx.secret(&of("broken")).await.unwrap_err());
    assert_eq!(broken, "retry secrets.unavailable: the secret `broken` of tenant default cannot be told: no answer");
    assert!(logs.is_in(VALUE), "the process's logs hide it from now on");
    assert!(!format!("{cx:?}").contains("12345"));
}

#[tokio::test]
async fn nothing_that_an_attempt_tells_holds_a_value() {
    let (house, _) = house().await;
    let cx = house.running("demo.echo", json!({})).await;
    cx.log(Level::Info, "before: nothing is hidden yet");
    cx.secret(&of("token")).await.unwrap();
    cx.secret(&of("number")).await.unwrap();
    cx.log(Level::Info, format!("token={VALUE}"));
    // Cut after it was covered: no part of a value is left at the end of what is kept.
    cx.log(Level::Info, format!("{}{VALUE}", "x".repeat(longshore_queue::ERROR_MAX - 4)));
    cx.progress(json!({"at": VALUE, VALUE: [90_210_777, 1]})).unwrap();
    settle().await;
    house.clock.advance(Duration::from_millis(250));
    settle().await;
    let lines: Vec<_> = house.logs(cx.id()).await.into_iter().map(|line| line.message).collect();
    assert_eq!(lines[..2], ["before: nothing is hidden yet", "token=***"]);
    assert!(lines[2].ends_with("xx***"), "{}", &lines[2][lines[2].len() - 8..]);
    let progress: Value = serde_json::from_str(house.job(cx.id()).await.progress.unwrap().get()).unwrap();
    assert_eq!(progress, json!({"***": ["***", 1], "at": "***"}));

    let came_to = |attempted: Attempted| match cx.covered(attempted) {
        Attempted::Returned(Ok(output)) => output.get().to_owned(),
        Attempted::Returned(Err(Failure::Retry(cause) | Failure::RetryAfter(_, cause) | Failure::Fatal(cause))) => {
            format!("{} {}", cause.code, cause.message)
        }
        Attempted::Returned(Err(Failure::Gate { reason, .. })) => reason,
        Attempted::Panicked(message) => message,
        other => format!("{other:?}"),
    };
    let output: Json =
        serde_json::from_str(r#"{"a": "x tok-\u00221234\u0035\"-x y", "n": 90210777, "deep": [{"90210777": 1.5}], "ok": true}"#).unwrap();
    let told: Value = serde_json::from_str(&came_to(Attempted::Returned(Ok(output)))).unwrap();
    assert_eq!(told, json!({"a": "x *** y", "n": "***", "deep": [{"***": 1.5}], "ok": true}));
    let cause = || Cause::new(format!("c.{VALUE}"), format!("said {VALUE}, {VALUE:?}"));
    for failure in [Failure::Retry(cause()), Failure::RetryAfter(Duration::ZERO, cause()), Failure::Fatal(cause())] {
        assert_eq!(came_to(Attempted::Returned(Err(failure))), "c.*** said ***, \"***\"");
    }
    let gate = Failure::Gate { wait: Duration::ZERO, reason: format!("limit of {VALUE}") };
    assert_eq!(came_to(Attempted::Returned(Err(gate))), "limit of ***");
    assert_eq!(came_to(Attempted::Panicked(format!("at {VALUE}"))), "at ***");
    assert_eq!(came_to(Attempted::TimedOut), "TimedOut");
}

#[tokio::test]
async fn what_one_attempt_resolved_is_hidden_in_that_one_alone() {
    let (house, _) = house().await;
    let (cx, other) = (house.running("demo.echo", json!({})).await, house.running("demo.echo", json!({})).await);
    cx.secret(&of("token")).await.unwrap();
    let guess = || Attempted::Returned(Ok(raw(&json!(VALUE))));
    let told = |cx: &Context| match cx.covered(guess()) {
        Attempted::Returned(Ok(output)) => serde_json::from_str::<String>(output.get()).unwrap(),
        other => format!("{other:?}"),
    };
    assert_eq!((told(&cx).as_str(), told(&other).as_str()), ("***", VALUE), "a guess must not be answered");
}

#[tokio::test]
async fn what_steers_other_runs_is_refused_with_a_value_in_it() {
    let (house, _) = house().await;
    let cx = house.running("demo.echo", json!({})).await;
    cx.secret(&of("token")).await.unwrap();
    let exposed = |result: Result<(), Failure>| match result {
        Err(Failure::Fatal(cause)) => format!("{} {}", cause.code, cause.message),
        other => format!("{other:?}"),
    };
    let keep = "would hold the value of a secret; keep its name, and ask for it at each run";
    assert_eq!(exposed(cx.save(json!({"next": VALUE})).await), format!("secrets.exposed the cursor {keep}"));
    let step = cx.step("one", async || Ok::<_, Failure>(format!("a{VALUE}"))).await.map(drop);
    assert_eq!(exposed(step), format!("secrets.exposed the step's result {keep}"));
    let echo = |args: Value| JobRequest::new(name("demo.echo"), args);
    for made in [
        cx.enqueue(echo(json!({"a": [VALUE]}))).await.map(drop),
        cx.enqueue_once("k", echo(json!({"a": [VALUE]}))).await.map(drop),
        cx.child("k", echo(json!({VALUE: 1}))).await.map(drop),
    ] {
        assert_eq!(exposed(made), format!("secrets.exposed the args of the other job {keep}"));
    }
    assert_eq!(exposed(cx.child(VALUE, echo(json!({}))).await.map(drop)), format!("secrets.exposed the child's key {keep}"));
    cx.save(json!({"next": {"$secret": "token"}})).await.expect("a name is no secret");
    cx.enqueue(echo(json!({"a": 1}))).await.expect("nothing is in it");
    let saved = house.broker.saved(cx.id()).await.unwrap();
    assert_eq!((saved.cursor.unwrap().get(), saved.steps.len()), (r#"{"next":{"$secret":"token"}}"#, 0));
}
