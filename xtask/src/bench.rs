//! `bench` — `longshore bench` of a release build of this checkout, told which commit it is; `--compare REV` builds another commit's and has both
//! measured in turn.

use crate::{cargo, env};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const COMPARE: &str = "--compare";

/// Builds and measures. False: it failed.
pub(crate) fn run(args: &[String]) -> Result<bool, String> {
    let (rev, rest) = split(args)?;
    let mut own = cargo::build("longshore", &["--release"])?;
    let folder = own.parent().ok_or("the binary has no folder")?.to_owned();
    let other = rev.map(|rev| other(&rev, &own, &folder)).transpose()?;
    if other.is_some() {
        // The other one was built at its place.
        own = cargo::build("longshore", &["--release"])?;
    }
    let changed = if git(&["status", "--porcelain"])?.is_empty() { "" } else { " with changes" };
    let commit = format!("{}{changed}", git(&["rev-parse", "--short=12", "HEAD"])?);
    let mut command = Command::new(&own);
    command.arg("bench").args(rest).args(["--commit", &commit]).current_dir(env::root());
    if !args.iter().any(|arg| arg == "--data") {
        // On the disk of the build, where a temporary folder may be memory.
        command.arg("--data").arg(&folder);
    }
    if let Some(file) = other {
        command.arg("--against").arg(file);
    }
    cargo::passes(command)
}

/// The revision to compare with, and the other arguments.
fn split(args: &[String]) -> Result<(Option<String>, Vec<String>), String> {
    let Some(at) = args.iter().position(|arg| arg == COMPARE) else { return Ok((None, args.to_vec())) };
    let mut rest = args.to_vec();
    let rev = rest.get(at + 1).cloned().ok_or_else(|| format!("{COMPARE} wants a commit, a branch or a tag"))?;
    rest.drain(at..=at + 1);
    Ok((Some(rev), rest))
}

/// The release binary of another commit, built once, from a worktree of its own and with the same dependencies where they are the same.
fn other(rev: &str, own: &Path, folder: &Path) -> Result<PathBuf, String> {
    let commit = git(&["rev-parse", "--verify", "--quiet", &format!("{rev}^{{commit}}")])
        .map_err(|_| format!("{COMPARE} {rev}: there is no such commit in this checkout"))?;
    let home = folder.join("compare");
    let (tree, kept) = (home.join("tree"), home.join(format!("longshore-{commit}")));
    if kept.is_file() {
        return Ok(kept);
    }
    let text = |path: &Path| path.display().to_string();
    // What an interrupted comparison left.
    let _ = git(&["worktree", "remove", "--force", &text(&tree)]);
    git(&["worktree", "add", "--force", "--detach", &text(&tree), &commit])?;
    let mut build = cargo::command(&["build", "--locked", "--release", "--package", "longshore"]);
    // The folder of `release/longshore`.
    build.current_dir(&tree).env("CARGO_TARGET_DIR", folder.parent().unwrap_or(folder));
    let built = cargo::passes(build);
    git(&["worktree", "remove", "--force", &text(&tree)])?;
    if !built? {
        return Err(format!("building {rev} failed"));
    }
    std::fs::copy(own, &kept).map_err(|error| format!("{}: {error}", kept.display()))?;
    Ok(kept)
}

fn git(args: &[&str]) -> Result<String, String> {
    let out = Command::new("git").args(args).current_dir(env::root()).stdin(Stdio::null()).output();
    let out = out.map_err(|error| format!("cannot start git: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if out.status.success() { Ok(text(&out.stdout)) } else { Err(format!("git {}: {}", args.join(" "), text(&out.stderr))) }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn the_other_commit_is_told_apart() {
        let args = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(split(&args("drain --compare v1 --rounds 5")), Ok((Some("v1".into()), args("drain --rounds 5"))));
        assert_eq!(split(&args("drain")), Ok((None, args("drain"))));
        assert!(split(&args("drain --compare")).is_err());
    }
}
