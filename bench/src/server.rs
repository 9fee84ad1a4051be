//! A Redis server seen through redis-cli: what it spent, what it holds, and how it is left.

use std::process::Command;

/// Ours: every key of Longshore begins so.
const OURS: &str = "ls:*";
/// Keys that one call removes.
const REMOVED_AT_ONCE: usize = 500;

/// A server by its address.
#[derive(Debug, Clone)]
pub(crate) struct Redis(pub(crate) String);

impl Redis {
    /// `used_memory` in bytes, or CPU seconds, or whatever `INFO` has a number for.
    pub(crate) fn info(&self, section: &str, field: &str) -> Result<f64, String> {
        let text = self.ask(&["info", section])?;
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')?.trim().parse().ok());
        value.ok_or_else(|| format!("INFO {section} has no {field}"))
    }
    pub(crate) fn memory(&self) -> Result<f64, String> {
        self.info("memory", "used_memory")
    }
    /// Seconds of processor time since its start.
    pub(crate) fn cpu(&self) -> Result<f64, String> {
        Ok(self.info("cpu", "used_cpu_user")? + self.info("cpu", "used_cpu_sys")?)
    }
    pub(crate) fn commands(&self) -> Result<f64, String> {
        self.info("stats", "total_commands_processed")
    }
    /// How its append-only file is synced.
    pub(crate) fn fsync(&self) -> Result<String, String> {
        let on = self.info("persistence", "aof_enabled")? > 0.0;
        let how = self.ask(&["config", "get", "appendfsync"])?;
        let how = how.lines().nth(1).unwrap_or("unknown");
        Ok(if on { format!("appendfsync {how}") } else { "no append-only file".into() })
    }
    pub(crate) fn answers(&self) -> bool {
        self.ask(&["ping"]).is_ok_and(|answer| answer.trim() == "PONG")
    }

    /// Refuses a database that holds jobs, and one that holds anything unless that is allowed.
    pub(crate) fn must_be_free(&self, beside_other_data: bool) -> Result<(), String> {
        if !self.ours()?.is_empty() {
            return Err("--broker: its database holds jobs of Longshore; name another database (…/N) or another server".into());
        }
        let keys: u64 = self.ask(&["dbsize"])?.trim().parse().map_err(|_| "DBSIZE is no number".to_owned())?;
        if keys > 0 && !beside_other_data {
            return Err(format!(
                "--broker: its database holds {keys} keys of others; name an empty one, or say --beside-other-data (what it holds stays)"
            ));
        }
        Ok(())
    }

    /// Removes what a benchmark wrote: it began where there was nothing of ours.
    pub(crate) fn clean(&self) -> Result<(), String> {
        for keys in self.ours()?.chunks(REMOVED_AT_ONCE) {
            let mut args = vec!["unlink"];
            args.extend(keys.iter().map(String::as_str));
            self.ask(&args)?;
        }
        Ok(())
    }

    fn ours(&self) -> Result<Vec<String>, String> {
        Ok(self.ask(&["--scan", "--pattern", OURS])?.lines().map(str::to_owned).collect())
    }

    fn ask(&self, args: &[&str]) -> Result<String, String> {
        let told = |error| format!("redis-cli cannot be started (Debian: redis-tools): {error}");
        let out = Command::new("redis-cli").args(["-u", &self.0, "--no-auth-warning"]).args(args).output().map_err(told)?;
        let (text, why) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        // redis-cli tells most errors on stdout, and ends well.
        let refused = ["ERR ", "NOAUTH ", "NOPERM ", "WRONGPASS ", "LOADING ", "(error)"].iter().any(|start| text.starts_with(start));
        if !out.status.success() || refused {
            return Err(format!("redis-cli {}: {}", args.first().unwrap_or(&""), format!("{why}{text}").trim()));
        }
        Ok(text.into_owned())
    }
}
