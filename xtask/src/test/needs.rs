//! What the tests need besides Rust: three servers from Debian, which the tests start by themselves on free ports, the tools with which people
//! restore a backup by hand, Python with the oracle of
//! ticks, and cargo-deny.
//! As root on Debian they are installed; anywhere else the exact command is told.

use crate::{cargo, env};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// (program, Debian package)
const PROGRAMS: &[(&str, &str)] = &[
    ("redis-server", "redis-server"),
    ("nginx", "nginx-light"),
    ("initdb", "postgresql"),
    ("setpriv", "util-linux"),
    ("age-keygen", "age"),
    ("zstd", "zstd"),
    ("sqlite3", "sqlite3"),
    ("python3", "python3-venv"),
];
/// Makes the Python of tests/oracle, once per machine; the tests do so too, but then nobody sees what they wait for.
const ORACLE_VENV: &str = include_str!("../../../tests/oracle/make_venv.py");
const DENY_VERSION: &str = "0.20.2";

/// Sees to everything and answers where cargo-deny is.
pub(crate) fn meet() -> Result<PathBuf, String> {
    let missing = missing();
    if !missing.is_empty() {
        let command = format!("apt-get install --no-install-recommends {}", missing.join(" "));
        if !env::is_root() || env::which("apt-get").is_none() {
            return Err(format!("the tests need {}. On Debian, as root: {command}", missing.join(", ")));
        }
        println!("== install {}", missing.join(", "));
        install(&missing)?;
    }
    for component in ["fmt", "clippy"] {
        if !cargo::command(&[component, "--version"]).stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
            return Err(format!("`cargo {component}` is missing: rustup component add rustfmt clippy"));
        }
    }
    // Everything that the checks read must be here before them: deny looks at each crate's licence without the network.
    if !cargo::passes(cargo::command(&["fetch", "--locked", "--quiet", "--target", "x86_64-unknown-linux-gnu"]))? {
        return Err("the crates of Cargo.lock could not be fetched".into());
    }
    if !cargo::passes(python(ORACLE_VENV))? {
        return Err("the Python of tests/oracle could not be made; its reason stands above".into());
    }
    deny()
}

/// Debian packages whose programs are not there.
fn missing() -> Vec<&'static str> {
    let absent = |program: &str| match program {
        // Debian's python3 comes without what makes a venv.
        "python3" => !python("import ensurepip, venv").stderr(Stdio::null()).status().is_ok_and(|status| status.success()),
        _ => env::which(program).is_none(),
    };
    PROGRAMS.iter().filter(|(program, _)| absent(program)).map(|(_, package)| *package).collect()
}

fn python(script: &str) -> Command {
    let mut command = Command::new("python3");
    command.args(["-I", "-c", script]).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn install(packages: &[&str]) -> Result<(), String> {
    let _quiet = NoAutostart::begin()?;
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-q", "-o", "Dpkg::Use-Pty=0"]).args(args).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        cargo::passes(command)
    };
    let list = [&["install", "-y", "--no-install-recommends"], packages].concat();
    let installed = apt(&["update"])? && apt(&list)?;
    match (installed, missing().is_empty()) {
        (true, true) => Ok(()),
        _ => Err(format!("apt-get could not install {}", packages.join(", "))),
    }
}

/// While this lives, Debian's packages start no service of their own: the tests never use those, and they would hold ports and memory.
/// A machine that has a policy already keeps it.
struct NoAutostart(Option<&'static Path>);

impl NoAutostart {
    fn begin() -> Result<Self, String> {
        let policy = Path::new("/usr/sbin/policy-rc.d");
        if policy.exists() {
            return Ok(Self(None));
        }
        let wrote = std::fs::write(policy, "#!/bin/sh\nexit 101\n")
            .and_then(|()| std::fs::set_permissions(policy, std::fs::Permissions::from_mode(0o755)));
        wrote.map_err(|error| format!("cannot write {}: {error}", policy.display()))?;
        Ok(Self(Some(policy)))
    }
}

impl Drop for NoAutostart {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.map(std::fs::remove_file) {
            eprintln!("xtask: remove /usr/sbin/policy-rc.d by hand: {error}");
        }
    }
}

/// cargo-deny of one version, built once per machine. An unoptimised build: it takes a third of the time and checks a lock file in a second.
fn deny() -> Result<PathBuf, String> {
    let tools = env::cache().join("tools");
    let file = tools.join("bin/cargo-deny");
    let found = Command::new(&file).arg("--version").output().is_ok_and(|out| out.stdout.ends_with(format!("{DENY_VERSION}\n").as_bytes()));
    if found {
        return Ok(file);
    }
    println!("== install cargo-deny {DENY_VERSION} into {} (once per machine, some minutes)", tools.display());
    let mut install =
        cargo::command(&["install", "cargo-deny", "--version", DENY_VERSION, "--locked", "--debug", "--quiet", "--force", "--root"]);
    install.arg(&tools).env("CARGO_TARGET_DIR", tools.join("target")).env("CARGO_PROFILE_DEV_DEBUG", "0");
    if !cargo::passes(install)? {
        return Err(format!(
            "cargo-deny could not be built: cargo install cargo-deny --version {DENY_VERSION} --locked --root {}",
            tools.display()
        ));
    }
    // Its build is large and never needed again.
    std::fs::remove_dir_all(tools.join("target")).map_err(|error| error.to_string())?;
    Ok(file)
}
