//! A file of schedules: TOML whose tables have the fields of the API, a name, and a tenant or several.

use serde_json::{Map, Value, json};

/// What a file declares.
#[derive(Debug)]
pub(super) struct Declared {
    /// The name under which its schedules are kept, so that `--prune` removes no other.
    pub(super) managed_by: String,
    pub(super) items: Vec<Item>,
}

/// One schedule of one tenant.
#[derive(Debug)]
pub(super) struct Item {
    /// None: the key's.
    pub(super) tenant: Option<String>,
    pub(super) name: String,
    pub(super) body: Value,
}

impl Item {
    pub(super) fn path(&self) -> [&str; 3] {
        ["v1", "schedules", &self.name]
    }
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        self.tenant.iter().map(|tenant| ("tenant", tenant.clone())).collect()
    }
    /// For messages: `tenant/name`.
    pub(super) fn title(&self) -> String {
        self.tenant.as_ref().map_or_else(|| self.name.clone(), |tenant| format!("{tenant}/{}", self.name))
    }
}

/// Reads a file; `stem` is its name without an ending. Every fault that can be seen without the API.
pub(super) fn read(text: &str, stem: &str) -> Result<Declared, Vec<String>> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| vec![error.to_string().trim_end().to_owned()])?;
    let mut faults = Vec::new();
    let (mut managed_by, mut items) = (stem.to_owned(), Vec::new());
    for (field, value) in table {
        match (field.as_str(), value) {
            ("name", toml::Value::String(name)) => managed_by = name,
            ("name", _) => faults.push("/name: has the wrong type; allowed: text".into()),
            ("schedule", toml::Value::Array(tables)) => items = tables,
            ("schedule", _) => faults.push("/schedule: has the wrong type; allowed: tables [[schedule]]".into()),
            _ => faults.push(format!("/{field}: there is no such field; allowed: name, [[schedule]]")),
        }
    }
    let items = items.into_iter().enumerate().flat_map(|(at, value)| item(at, value, &managed_by, &mut faults)).collect();
    if faults.is_empty() { Ok(Declared { managed_by, items }) } else { Err(faults) }
}

/// The schedules of one table: one for each tenant.
fn item(at: usize, value: toml::Value, managed_by: &str, faults: &mut Vec<String>) -> Vec<Item> {
    let Value::Object(mut fields) = json(value) else {
        faults.push(format!("schedule {}: is no table", at + 1));
        return Vec::new();
    };
    let name = fields.remove("name").and_then(|name| name.as_str().map(str::to_owned));
    let title = name.clone().unwrap_or_else(|| format!("schedule {}", at + 1));
    let before = faults.len();
    let mut fault = |pointer: &str, detail: &str| faults.push(format!("{title}: {pointer}: {detail}"));
    if name.as_ref().is_none_or(String::is_empty) {
        fault("/name", "is missing, or no text");
    }
    if fields.contains_key("managed_by") {
        fault("/managed_by", "is the file's own; allowed: `name` at the top of the file");
    }
    let tenants = match tenants(&mut fields) {
        Ok(tenants) => tenants,
        Err((pointer, detail)) => {
            fault(pointer, detail);
            Vec::new()
        }
    };
    let Some(name) = name.filter(|_| faults.len() == before) else { return Vec::new() };
    fields.insert("managed_by".into(), json!(managed_by));
    let body = Value::Object(fields);
    tenants.into_iter().map(|tenant| Item { tenant, name: name.clone(), body: body.clone() }).collect()
}

/// Whose it is: `tenant`, or each of `tenants`, or nobody named.
fn tenants(fields: &mut Map<String, Value>) -> Result<Vec<Option<String>>, (&'static str, &'static str)> {
    match (fields.remove("tenant"), fields.remove("tenants")) {
        (None, None) => Ok(vec![None]),
        (Some(Value::String(tenant)), None) => Ok(vec![Some(tenant)]),
        (Some(_), None) => Err(("/tenant", "has the wrong type; allowed: text")),
        (Some(_), Some(_)) => Err(("/tenants", "tenant and tenants are both there; allowed: one of them")),
        (None, Some(Value::Array(tenants))) if !tenants.is_empty() => {
            let text = |tenant: Value| tenant.as_str().map(|tenant| Some(tenant.to_owned()));
            tenants.into_iter().map(text).collect::<Option<_>>().ok_or(("/tenants", "has the wrong type; allowed: a list of text"))
        }
        (None, Some(_)) => Err(("/tenants", "names nobody; allowed: a list of at least one tenant")),
    }
}

/// TOML as JSON; its times as text.
fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json).collect(),
        toml::Value::Table(fields) => fields.into_iter().map(|(name, value)| (name, json(value))).collect::<Map<_, _>>().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use serde_json::json;

    #[test]
    fn a_table_is_a_schedule_of_each_of_its_tenants() {
        let text = r#"
            [[schedule]]
            name = "nightly"
            tenants = ["acme", "other"]
            cron = "0 3 * * *"
            kind = "demo.echo"
            args = { n = 1, deep = [{ a = 1.5 }] }
            starts_at = 2026-05-01T10:00:00+02:00
            [[schedule]]
            name = "pull"
            every_ms = 60000
            kind = "demo.echo"
        "#;
        let file = read(text, "crontab").expect("no faults");
        let told: Vec<_> = file.items.iter().map(|item| (item.title(), item.body.clone())).collect();
        let nightly = json!({ "cron": "0 3 * * *", "kind": "demo.echo", "args": { "n": 1, "deep": [{ "a": 1.5 }] },
            "starts_at": "2026-05-01T10:00:00+02:00", "managed_by": "crontab" });
        let pull = json!({ "every_ms": 60_000, "kind": "demo.echo", "managed_by": "crontab" });
        assert_eq!(told, [("acme/nightly".into(), nightly.clone()), ("other/nightly".into(), nightly), ("pull".into(), pull)]);
        assert_eq!(read("name = \"house\"", "crontab").expect("no faults").managed_by, "house");
    }

    #[test]
    fn every_fault_of_the_file_is_told() {
        let text = r#"
            name = 5
            colour = "red"
            [[schedule]]
            kind = "demo.echo"
            tenants = []
            [[schedule]]
            name = "b"
            tenant = "acme"
            tenants = ["acme"]
            managed_by = "me"
            [[schedule]]
            name = "c"
            tenant = 7
            [[schedule]]
            name = "d"
            tenants = ["acme", 7]
        "#;
        let faults = read(text, "crontab").expect_err("faults");
        let starts: Vec<_> = faults.iter().map(|fault| fault.rsplit_once(": ").map_or(fault.as_str(), |(start, _)| start)).collect();
        assert_eq!(faults.len(), 8, "{faults:?}");
        for (fault, start) in starts.iter().zip([
            "/colour",
            "/name",
            "schedule 1: /name",
            "schedule 1: /tenants",
            "b: /managed_by",
            "b: /tenants",
            "c: /tenant",
            "d: /tenants",
        ]) {
            assert!(fault.starts_with(start), "{fault} · {start}");
        }
        assert!(read("[[schedule]\n", "x").expect_err("a fault")[0].contains("line 1"));
    }
}
