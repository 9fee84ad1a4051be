//! Where each schedule lives: its queue, and the claim of its name by which it does. Written before the schedule itself, so an entry whose
//! schedule is not there counts as none.

use super::{RedisBroker, Result, keys, script::Script, value};
use longshore_base::Name;
use redis::Value;

/// Who and what a schedule is called by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Called {
    pub(super) tenant: Name,
    pub(super) name: Name,
}

impl Called {
    pub(super) fn new(tenant: &Name, name: &Name) -> Self {
        Self { tenant: tenant.clone(), name: name.clone() }
    }

    /// As its queue's keys name it.
    pub(super) fn key(&self) -> String {
        format!("{}/{}", self.tenant, self.name)
    }

    /// In the directory: with a separator that sorts before every character of a name.
    fn entry(&self) -> String {
        format!("{}\0{}", self.tenant, self.name)
    }

    fn of_entry(entry: &str) -> Option<Self> {
        let (tenant, name) = entry.split_once('\0')?;
        Some(Self { tenant: Name::new(tenant).ok()?, name: Name::new(name).ok()? })
    }
}

/// An entry of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lives {
    pub(super) queue: Name,
    /// Grows; a write by an older one does not bring back what was taken away since.
    pub(super) claim: u64,
}

impl RedisBroker {
    /// Where it lives, if anywhere.
    pub(super) async fn lives(&self, called: &Called) -> Result<Option<Lives>> {
        self.directory("look", called, &[]).await
    }

    /// Claims the name for `queue`, unless it lives in another one. Answers where it lives.
    pub(super) async fn claim(&self, called: &Called, queue: &Name) -> Result<Lives> {
        self.directory("claim", called, &[queue.as_str()]).await?.ok_or_else(|| value::strange("directory"))
    }

    /// Another queue, if it still lives by this claim.
    pub(super) async fn switch(&self, called: &Called, from: &Lives, to: &Name) -> Result<Option<Lives>> {
        self.directory("switch", called, &[from.queue.as_str(), &from.claim.to_string(), to.as_str()]).await
    }

    /// Takes the entry away unless it was claimed anew.
    pub(super) async fn forget_name(&self, called: &Called, lives: &Lives) -> Result<()> {
        self.directory("forget", called, &[lives.queue.as_str(), &lives.claim.to_string()]).await.map(drop)
    }

    /// Entries by tenant and name behind `after`, of one tenant or of all.
    pub(super) async fn names(&self, tenant: Option<&Name>, after: Option<&Called>, limit: usize) -> Result<Vec<(Called, Name)>> {
        let from = match (after, tenant) {
            (Some(after), _) => format!("({}", after.entry()),
            (None, Some(tenant)) => format!("[{tenant}\0"),
            (None, None) => "(".to_owned(),
        };
        let to = tenant.map_or_else(|| "+".to_owned(), |tenant| format!("({tenant}\u{1}"));
        let key = keys::schedules(&self.options.prefix);
        let mut command = self.command(Script::Directory, &key);
        command.arg("page").arg(from).arg(to).arg(limit);
        let answer = value::texts(self.call_key(Script::Directory, &key, &command).await?, "directory")?;
        let read = |one: &[String]| Some((Called::of_entry(&one[0])?, Name::new(one[2].as_str()).ok()?));
        answer.chunks_exact(3).map(|one| read(one).ok_or_else(|| value::strange("directory"))).collect()
    }

    async fn directory(&self, what: &str, called: &Called, rest: &[&str]) -> Result<Option<Lives>> {
        let key = keys::schedules(&self.options.prefix);
        let mut command = self.command(Script::Directory, &key);
        command.arg(what).arg(called.entry()).arg(rest);
        let answer: Vec<Value> = value::list(self.call_key(Script::Directory, &key, &command).await?, "directory")?;
        let [claim, queue] = answer.as_slice() else { return Ok(None) };
        let queue = value::text(queue).and_then(|name| Name::new(name).ok());
        let claim = u64::try_from(value::int(claim, "directory")?).ok();
        queue.zip(claim).map(|(queue, claim)| Some(Lives { queue, claim })).ok_or_else(|| value::strange("directory"))
    }
}
