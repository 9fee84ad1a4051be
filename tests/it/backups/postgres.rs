//! PostgreSQL: pg_dump's own format in the snapshot in which its contents were counted.

use super::{
    House,
    house::{code, read_manifest, shell},
};
use crate::harness::{folder, postgres};
use serde_json::{Value, json};
use std::{os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

const SCHEMA: &str = "
CREATE SCHEMA \"Odd 'name\";
CREATE TABLE accounts (id bigint PRIMARY KEY, money bigint NOT NULL, note text);
CREATE TABLE safes (id bigint PRIMARY KEY, money bigint NOT NULL);
CREATE TABLE \"Odd 'name\".\"every \"\" type\" (a int[], b jsonb, c timestamptz, d numeric, e float8, f bytea, g interval, h uuid, t text, x money);
CREATE TABLE parts (id int, day date) PARTITION BY RANGE (day);
CREATE TABLE parts_old PARTITION OF parts FOR VALUES FROM ('2000-01-01') TO ('2026-01-01');
CREATE TABLE parts_new PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2030-01-01');
CREATE TABLE none ();
CREATE TABLE parent (a int); CREATE TABLE child (b int) INHERITS (parent);
CREATE VIEW seen AS SELECT id FROM accounts;
CREATE INDEX safes_money ON safes (money);
CREATE SEQUENCE counting;
INSERT INTO accounts SELECT i, 100, repeat('text ', i % 50) FROM generate_series(1, 5000) i;
INSERT INTO safes SELECT id, 0 FROM accounts;
INSERT INTO \"Odd 'name\".\"every \"\" type\" VALUES
 ('{1,NULL,3}', '{\"a\": [1, \"ä\"]}', '2026-03-29 02:30:00+01', 1.10, 0.1, '\\x00ff', '1 mon 2 days', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', E'tab\\t\\\\', '12.5'),
 (NULL, 'null', 'infinity', 'NaN', '-Infinity', '', '-1 sec', NULL, '', NULL);
INSERT INTO parts VALUES (1, '2025-06-01'), (2, '2026-06-01');
INSERT INTO none DEFAULT VALUES; INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 3);
SELECT lo_from_bytea(0, '\\x68656c6c6f'), setval('counting', 41);
";

/// A database with some of everything; answers its address.
async fn database(name: &str) -> String {
    let url = postgres::shared().await.database(name);
    psql(&url, SCHEMA);
    url
}

fn psql(url: &str, script: &str) -> String {
    let out = Command::new("psql").args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", script]).output().expect("psql");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text")
}

/// Moves money from one table to the other until it is dropped.
struct Writer(std::process::Child);

impl Writer {
    fn on(url: &str) -> Self {
        let turn = "DO $$ BEGIN FOR i IN 1..100000 LOOP UPDATE accounts SET money = money - 1 WHERE id = i % 5000 + 1; \
                    UPDATE safes SET money = money + 1 WHERE id = i * 7 % 5000 + 1; COMMIT; END LOOP; END $$";
        let mut command = Command::new("psql");
        command.args(["-X", "-q", "-d", url, "-c", turn]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        Self(command.spawn().expect("psql"))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn is_as_it_was(url: &str, manifest: &Value) {
    let sums = psql(url, "SELECT (SELECT sum(money) FROM accounts) + (SELECT sum(money) FROM safes)");
    assert_eq!(sums.trim(), "500000", "the dump is of one moment");
    assert_eq!(psql(url, "SELECT nextval('counting')").trim(), "42");
    // The statement that docs/backups.md gives to people.
    let docs = include_str!("../../../docs/backups.md");
    let (_, after) = docs.split_once("<!-- contents.sql -->\n```sql\n").expect("the statement stands there");
    let (script, _) = after.split_once("```").expect("it ends");
    let file = folder("contents").join("contents.sql");
    std::fs::write(&file, script).expect("written");
    let told = shell(&format!("psql -X -q -A -t -v ON_ERROR_STOP=1 -d '{url}' -f '{}'", file.display()));
    let mut theirs: Vec<Value> =
        told.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).expect("JSON")).collect();
    theirs.sort_by_key(|table| table["name"].as_str().map(str::to_owned));
    assert_eq!(manifest["contents"]["tables"], json!(theirs), "the contents equal the manifest's hashes");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_writes_to_a_folder_verified_and_restored_by_hand() {
    let (house, url) = (House::up().await, database("backup_folder").await);
    let writer = Writer::on(&url);
    let output = house.backup("site", url.as_str(), &house.in_folder()).await;
    drop(writer);
    let manifest = house.manifest(&output);
    assert!(manifest["tools"]["pg_dump"].as_str().is_some_and(|tool| tool.contains("PostgreSQL")), "{manifest}");
    let verified = house.verify("site", &house.in_folder(), "completed").await;
    assert_eq!(verified["output"]["rows"], 10_008, "{verified}");
    let restored = postgres::shared().await.database("backup_by_hand");
    let data = house.folder.join(manifest["data"]["file"].as_str().expect("a file"));
    let (key, data) = (house.key.file.display(), data.display());
    shell(&format!("age -d -i '{key}' '{data}' | zstd -dc | pg_restore --exit-on-error --single-transaction -d '{restored}'"));
    is_as_it_was(&restored, &manifest);
}

#[tokio::test(flavor = "multi_thread")]
async fn to_a_bucket_verified_and_restored_by_the_command() {
    let (house, url, target) = (House::up().await, database("backup_bucket").await, "s3://kept/pg");
    let output = house.backup("site", url.as_str(), target).await;
    let manifest = read_manifest(&house.s3.bucket("kept").join("pg"), &output);
    house.verify("site", target, "completed").await;
    let restored = postgres::shared().await.database("backup_by_command");
    let ran = house.restore(target, &["--name", "site", "--to", &restored]);
    assert_eq!(ran.code, 0, "{}", ran.told);
    is_as_it_was(&restored, &manifest);
    let ran = house.restore(target, &["--name", "site", "--to", &restored]);
    assert_eq!((ran.code, ran.told.contains("backup.destination_taken")), (1, true), "{}", ran.told);
    psql(&restored, "UPDATE accounts SET money = 0; CREATE TABLE besides (a int)");
    let ran = house.restore(target, &["--name", "site", "--to", &restored, "--overwrite"]);
    assert_eq!(ran.code, 0, "{}", ran.told);
    psql(&restored, "DROP TABLE besides");
    is_as_it_was(&restored, &manifest);
}

/// A pg_dump in a folder of its own that writes its arguments down and then is the real one.
fn spying() -> (PathBuf, PathBuf) {
    let (bin, told) = (folder("bin"), folder("told").join("args"));
    let script = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >> '{}'\nPATH=/usr/bin:/bin exec /usr/bin/pg_dump \"$@\"\n", told.display());
    std::fs::write(bin.join("pg_dump"), script).expect("written");
    std::fs::set_permissions(bin.join("pg_dump"), std::fs::Permissions::from_mode(0o755)).expect("executable");
    (bin, told)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_stands_in_no_command_line_and_in_nothing_that_is_told() {
    const PASSWORD: &str = "hidden-word/@1";
    let server = postgres::Postgres::start_with("scram-sha-256", PASSWORD).await;
    let (bin, told) = spying();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let source = format!("postgres://postgres:hidden-word%2F%401@127.0.0.1:{}/postgres", server.port);
    let house = House::up_with(&[("PATH", &path), ("LONGSHORE_SECRET_SOURCE", &source)]).await;
    house.backup("site", json!({"$secret": "source"}), &house.in_folder()).await;
    let args = std::fs::read_to_string(told).expect("pg_dump was called");
    assert!(args.contains("--format=custom") && !args.contains("hidden-word"), "{args}");

    let wrong = format!("postgres://postgres:another@127.0.0.1:{}/postgres", server.port);
    let job = house.run("ops.backup", house.args("site", wrong, &house.in_folder()), "dead").await;
    assert_eq!(code(&job), "backup.source_failed", "{job}");
    let (logs, backups) = (house.engine.dir.display(), house.folder.display());
    let everything = shell(&format!("cat '{logs}'/*.log; find '{backups}' -name manifest.json -exec cat {{}} +"));
    assert!(!everything.contains("hidden-word") && !job.to_string().contains("hidden-word"), "{everything}");
}
