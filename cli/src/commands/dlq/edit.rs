//! `dlq edit` — other args for a letter, which its replay will be called with. The difference is shown, and the API checks the args by the
//! kind's record; a letter that was changed in between is left as it is.

use super::editor;
use crate::{
    client::Remote,
    commands::{difference, document},
    host::Host,
    print,
    stop::Stop,
};
use clap::Args as ClapArgs;
use longshore_dlq::{Difference, diff};
use reqwest::Method;
use serde_json::{Value, json};

/// Which letter, and what to change.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The letter's id
    id: String,
    /// The new args as JSON; @FILE reads them from a file, - from stdin [default: opens $VISUAL or $EDITOR]
    #[arg(long, value_name = "JSON")]
    args: Option<String>,
    /// Change it only if it is still at this revision [default: the present one]
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    /// Show the difference, change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.remote)?;
    let path = ["v1", "dead-letters", args.id.as_str()];
    let letter = client.get(&path, &[]).await?;
    let draft = match &args.args {
        Some(text) => editor::Draft::of(given(text)?),
        None => editor::edit(&letter["args"], &args.id, host)?,
    };
    let differences = diff(&letter["args"], &draft.args);
    if !host.json {
        differences.iter().for_each(|one| print::line(&shown(one)));
    }
    if differences.is_empty() || args.dry_run {
        draft.drop_file();
        if host.json {
            print::json(&json!({ "id": args.id, "changed": false, "diff": differences }));
        } else {
            print::line(if args.dry_run && !differences.is_empty() { "nothing was changed" } else { "nothing to change" });
        }
        return Ok(());
    }
    let revision = args.revision.map_or_else(|| print::text(&letter, "revision"), |revision| revision.to_string());
    let body = json!({ "args": draft.args });
    let changed =
        client.send(Method::PATCH, &path, &[], Some(body), &[("If-Match", revision)]).await.map_err(|stop| draft.keep_file(stop))?;
    draft.drop_file();
    if host.json {
        print::json(&changed);
    } else {
        print::line(&format!("{}  changed; revision {}", args.id, print::text(&changed, "revision")));
    }
    Ok(())
}

/// JSON, `@FILE` or `-`.
fn given(text: &str) -> Result<Value, Stop> {
    match text.strip_prefix('@') {
        Some(file) => {
            let read = std::fs::read_to_string(file).map_err(|error| Stop::usage(format!("{file} cannot be read: {error}")))?;
            serde_json::from_str(&read).map_err(|error| Stop::usage(format!("{file} is not JSON: {error}")))
        }
        None => document("--args", text),
    }
}

fn shown(one: &Difference) -> String {
    difference::lines(&one.pointer, one.before.as_ref(), one.after.as_ref())
}

#[cfg(test)]
mod tests {
    use super::{given, shown};
    use longshore_dlq::diff;
    use serde_json::json;

    #[test]
    fn a_difference_is_told_place_by_place() {
        let (old, new) = (json!({ "account": 7, "gone": null, "same": [1] }), json!({ "account": { "id": 8 }, "new": "x", "same": [1] }));
        let told: Vec<_> = diff(&old, &new).iter().map(shown).collect();
        assert_eq!(told, ["- /account: 7\n+ /account: {\"id\":8}", "- /gone: null", "+ /new: \"x\""]);
    }

    #[test]
    fn args_come_from_the_line_or_a_file() {
        assert_eq!(given(r#"{"a":1}"#).ok(), Some(json!({ "a": 1 })));
        assert!(given("{no").is_err());
        assert!(given("@/no/such/file").is_err_and(|stop| stop.message().contains("/no/such/file cannot be read")));
    }
}
