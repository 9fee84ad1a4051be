//! The file of secrets, the variables, and which of them a tenant gets.

use super::load;
use crate::Secrets;
use expect_test::expect;
use longshore_base::Name;
use std::{os::unix::fs::PermissionsExt, path::Path};

fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("written");
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).expect("mode set");
    file
}

#[test]
fn the_file_is_private_and_well_formed() {
    let told = |text: &str, mode: u32| Secrets::read(file(text, mode).path()).map(|_| ());
    assert_eq!(told("[\"*\"]\na = \"hidden\"\n[\"acme\"]\n", 0o600), Ok(()));
    assert_eq!(told("", 0o400), Ok(()));
    assert_eq!(told("", 0o640), Err("has mode 0640, so that others may read it; run `chmod 600` on it".into()));
    assert_eq!(told("", 0o604), Err("has mode 0604, so that others may read it; run `chmod 600` on it".into()));
    assert_eq!(told("a = \"hidden\"", 0o600), Err("has \"a\" outside a table".into()));
    assert_eq!(told("[\"*\"]\na = 5", 0o600), Err("has a value that is not text: \"a\" of [\"*\"]".into()));
    assert_eq!(told("[\"*\"]\na = \"hidden", 0o600), Err("is not TOML near line 2".into()));
    assert_eq!(told("[\"a b\"]\n", 0o600), Err("has a table [\"a b\"], which is neither a tenant's name nor \"*\"".into()));
    assert_eq!(told("[acme.eu]\na = \"hidden\"", 0o600), Err("has a value that is not text: \"eu\" of [\"acme\"]".into()));
    let no_name = told("[acme]\n\"a b\" = \"hidden\"", 0o600).expect_err("no name");
    assert!(no_name.starts_with("has \"a b\" in [\"acme\"], which is no name: "), "{no_name}");
    let short = told("[acme]\na = \"hid\"", 0o600).expect_err("short");
    assert_eq!(short, "has a value that is too short to be kept out of logs: \"a\" of [\"acme\"]; 4 bytes at least");
    let missing = Secrets::read(Path::new("/nowhere/secrets.toml")).expect_err("no file");
    assert_eq!(missing, "cannot be read: No such file or directory (os error 2)");
}

#[test]
fn the_tenants_own_comes_first_then_the_environment_then_that_of_all() {
    let file = file("[\"*\"]\nshared = \"all-shared\"\nads-token = \"all-ads\"\n[\"acme\"]\nads-token = \"acme-ads\"\n", 0o600);
    let path = file.path().to_str().expect("UTF-8");
    let variables = [("LONGSHORE_SECRET_ADS_TOKEN", "env-ads"), ("LONGSHORE_SECRET_ONLY_HERE", "env-only")];
    let settings = load("", &variables, &[("--secrets", "secrets", path)]).expect("no fault");
    let find = |tenant: &'static str, name: &str| settings.secrets.find(&Name::literal(tenant), name).map(|s| s.expose().as_str());
    assert_eq!(find("acme", "ads-token"), Some("acme-ads"));
    assert_eq!(find("other", "ads-token"), Some("env-ads"));
    assert_eq!(find("other", "ads.token"), Some("env-ads"), "one variable for every way to separate words");
    assert_eq!((find("acme", "shared"), find("other", "shared")), (Some("all-shared"), Some("all-shared")));
    assert_eq!(find("acme", "only:here"), Some("env-only"));
    assert_eq!((find("acme", "none"), find("other", "ads")), (None, None));
    assert_eq!(settings.secrets.all().count(), 5);
    let printed = format!("{settings:?} {:?}", settings.shown());
    assert!(!["all-", "acme-ads", "env-"].iter().any(|value| printed.contains(value)), "{printed}");
}

#[test]
fn faults_come_in_the_one_report_without_values() {
    let file = file("[\"*\"]\na = \"hidden", 0o600);
    let path = file.path().to_str().expect("UTF-8");
    let variables = [("LONGSHORE_SECRET_google", "hidden-1"), ("LONGSHORE_SECRET_", "hidden-2"), ("LONGSHORE_SECRET_PIN", "911")];
    let report = load("", &variables, &[("--secrets", "secrets", path)]).expect_err("faults").replace(path, "secrets.toml");
    expect![[r#"
        the configuration has 4 faults; nothing was started

          LONGSHORE_SECRET_ (from the environment): is a variable that no secret's name leads to
            allowed: LONGSHORE_SECRET_ and a name of A-Z, 0-9 and _
          LONGSHORE_SECRET_PIN (from the environment): is too short to be kept out of logs
            allowed: at least 4 bytes
          LONGSHORE_SECRET_google (from the environment): is a variable that no secret's name leads to
            allowed: LONGSHORE_SECRET_ and a name of A-Z, 0-9 and _
          secrets = "secrets.toml" (from --secrets): is not TOML near line 2
            allowed: a TOML file of mode 0600: ["tenant"] name = "value", ["*"] for all"#]]
    .assert_eq(&report);
}
