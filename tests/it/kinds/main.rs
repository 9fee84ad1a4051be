//! it-kinds — processes for tests: a kind that writes down when it began and ended, one that fails as long as the world around it is broken,
//! one that tells how it goes, and one that tells its secret in every way, with every role of `longshore`.

use longshore::{
    Cause, Context, Failure, JobRequest, Kind, Level, Name, Retry, SecretRef,
    schemars::JsonSchema,
    serde::{Deserialize, Serialize},
};
use std::{io::Write, process::ExitCode, time::Duration};

/// What to do.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "longshore::serde", deny_unknown_fields)]
#[schemars(crate = "longshore::schemars")]
struct Args {
    /// Which account; the lane's key.
    account: String,
    /// How long it takes, in milliseconds.
    ms: u64,
    /// The file that lines are added to: `begin|end MS JOB ACCOUNT PID`.
    log: String,
}

struct Written;

impl Kind for Written {
    const NAME: &'static str = "it.written";
    const LANE_BY: &'static [&'static str] = &["/account"];
    type Args = Args;
    type Output = ();

    async fn run(args: Args, cx: &Context) -> Result<(), Failure> {
        line(&args, cx, "begin")?;
        if args.ms > 0 {
            cx.clock().sleep(std::time::Duration::from_millis(args.ms)).await;
        }
        line(&args, cx, "end")
    }
}

/// What to ask of the world.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "longshore::serde", deny_unknown_fields)]
#[schemars(crate = "longshore::schemars")]
struct Call {
    /// What would make it fail.
    cause: String,
    /// What the failure says.
    #[serde(default)]
    message: Option<String>,
    /// How long it takes, in milliseconds.
    ms: u64,
    /// The file with a line for each cause that is there.
    world: String,
}

struct Called;

impl Kind for Called {
    const NAME: &'static str = "it.called";
    type Args = Call;
    type Output = ();

    async fn run(args: Call, cx: &Context) -> Result<(), Failure> {
        if args.ms > 0 {
            cx.clock().sleep(std::time::Duration::from_millis(args.ms)).await;
        }
        let broken = std::fs::read_to_string(&args.world)?.lines().any(|cause| cause == args.cause);
        if broken { Err(Failure::fatal(args.message.unwrap_or(args.cause))) } else { Ok(()) }
    }
}

/// One write, so that lines of several processes do not mix.
fn line(args: &Args, cx: &Context, what: &str) -> Result<(), Failure> {
    let text = format!("{what} {} {} {} {}\n", cx.clock().now(), cx.id(), args.account, std::process::id());
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&args.log)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// How much to tell.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "longshore::serde", deny_unknown_fields)]
#[schemars(crate = "longshore::schemars")]
struct Rounds {
    /// How often.
    rounds: u32,
    /// How long each takes, in milliseconds.
    ms: u64,
}

struct Told;

impl Kind for Told {
    const NAME: &'static str = "it.told";
    type Args = Rounds;
    type Output = ();

    async fn run(args: Rounds, cx: &Context) -> Result<(), Failure> {
        for n in 1..=args.rounds {
            cx.log(Level::Info, format!("line {n}"));
            cx.output(format!("piece {n}\n"));
            cx.progress(std::collections::BTreeMap::from([("done", n)]))?;
            cx.clock().sleep(std::time::Duration::from_millis(args.ms)).await;
        }
        Ok(())
    }
}

/// What to do, in that order.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "longshore::serde", deny_unknown_fields)]
#[schemars(crate = "longshore::schemars")]
struct Steps {
    /// How long it takes, in milliseconds.
    #[serde(default)]
    ms: u64,
    /// A line of the process's log.
    #[serde(default)]
    warns: Option<String>,
    /// It panics with this.
    #[serde(default)]
    panics: Option<String>,
    /// So many attempts fail; the next one makes a child.
    #[serde(default)]
    fails: u32,
}

struct Traced;

impl Kind for Traced {
    const NAME: &'static str = "it.traced";
    const RETRY: Retry = Retry::times(3).between(std::time::Duration::from_millis(10), std::time::Duration::from_millis(50));
    type Args = Steps;
    type Output = ();

    async fn run(args: Steps, cx: &Context) -> Result<(), Failure> {
        tracing::info_span!("look up").in_scope(|| tracing::info!("a line that is no span"));
        if args.ms > 0 {
            cx.clock().sleep(std::time::Duration::from_millis(args.ms)).await;
        }
        if let Some(line) = args.warns {
            tracing::warn!("{line}");
        }
        if let Some(message) = args.panics {
            panic!("{message}");
        }
        if cx.attempt() <= args.fails {
            return Err(Failure::retry("as asked"));
        }
        let request = JobRequest::new(Name::literal("demo.echo"), longshore::serde_json::json!({}));
        cx.enqueue_once("child", request).await.map(drop)
    }
}

/// What to tell, and how.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "longshore::serde", deny_unknown_fields)]
#[schemars(crate = "longshore::schemars")]
struct Leak {
    /// The secret.
    secret: SecretRef,
    /// In which way.
    way: String,
    /// What is no secret.
    mark: String,
}

/// What it returns.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(crate = "longshore::serde")]
#[schemars(crate = "longshore::schemars")]
struct Leaked {
    /// The secret, among other words.
    told: Vec<String>,
}

struct Leaks;

impl Kind for Leaks {
    const NAME: &'static str = "it.leaks";
    // Each alone in its lane: failures in a row would close it for the others.
    const LANE_BY: &'static [&'static str] = &["/way", "/secret/$secret"];
    const RETRY: Retry = Retry::times(2).between(Duration::from_millis(1), Duration::from_millis(5));
    type Args = Leak;
    type Output = Leaked;

    async fn run(args: Leak, cx: &Context) -> Result<Leaked, Failure> {
        let value = cx.secret(&args.secret).await?.expose().clone();
        tracing::info!(%value, "mark-in-log: told {value:?} as {value}");
        let said = format!("it said {value}");
        match args.way.as_str() {
            "error" => return Err(Failure::retry(said)),
            "fatal" => return Err(Failure::Fatal(Cause::new(format!("leak.{value}"), said))),
            "panic" => panic!("it cried {value}"),
            "gate" if cx.job().counters.runs <= 1 => return Err(Failure::Gate { wait: Duration::from_millis(1), reason: said }),
            "notes" => {
                cx.log(Level::Error, &said);
                cx.output(format!("{said}\n"));
                cx.output(&value[..4]);
                cx.output(&value[4..]);
                cx.progress(std::collections::BTreeMap::from([(value.as_str(), said.as_str())]))?;
            }
            "child" => {
                let echo = Name::literal("demo.echo");
                cx.enqueue(JobRequest::new(echo, longshore::serde_json::json!({ "deep": [value] }))).await?;
            }
            "checkpoint" => cx.save(&said).await?,
            _ => {}
        }
        Ok(Leaked { told: vec![format!("before {value} after")] })
    }
}

fn main() -> ExitCode {
    longshore::app().kind::<Written>().kind::<Called>().kind::<Told>().kind::<Traced>().kind::<Leaks>().main()
}
