//! New records: at start, and through PUT /v1/kinds. A schema that would refuse jobs that wait already is not taken over.

use super::{Checker, args, known::compile};
use crate::{FieldFault, RequestError};
use longshore_base::{Code, Name};
use longshore_queue::{BrokerError, Filter, KindRecord, OPERATIONS, Scope, State};
use serde_json::Value;

/// So many waiting jobs are looked at.
const LOOKED_AT_MAX: usize = 10_000;
/// And so many others are passed over to find them.
const SCANNED_MAX: u64 = 1_000_000;
const PAGE: usize = 500;

impl Checker {
    /// Registers kinds at start. A record whose schema would refuse some of up to 10,000 waiting jobs is not taken over:
    /// the old version stays with `refused` set, and the reason is logged and returned.
    ///
    /// # Errors
    /// The broker's.
    pub async fn register(&self, records: Vec<KindRecord>) -> Result<Vec<(Name, String)>, BrokerError> {
        let present = self.kinds.all().await?;
        let (mut write, mut refused) = (Vec::new(), Vec::new());
        for record in records {
            let old = present.iter().find(|old| old.name == record.name);
            if old.is_some_and(|old| *old == record || old.version > record.version) {
                continue;
            }
            let (record, reason) = self.weigh(old, record).await?;
            if let Some(reason) = reason {
                tracing::error!(kind = %record.name, "{reason}");
                refused.push((record.name.clone(), reason));
            }
            write.push(record);
        }
        if !write.is_empty() {
            self.broker.put_kinds(write).await?;
            self.kinds.all().await?;
        }
        Ok(refused)
    }

    /// The same for one record from outside, whose every part is checked. Answers the record as it is kept.
    ///
    /// # Errors
    /// Every fault at once (`request.invalid`), with pointers into the record; the broker's.
    pub async fn put(&self, record: KindRecord) -> Result<KindRecord, RequestError> {
        let mut faults = super::record::faults(&record);
        let present = self.kinds.all().await?;
        let old = present.iter().find(|old| old.name == record.name);
        if let Some(old) = old
            && old.version > record.version
        {
            let detail = format!("version {} is older than the one that is registered", record.version);
            faults.push(FieldFault::new("/version", detail, format!("at least {}", old.version)));
        }
        if old.is_some_and(|old| old.internal) {
            faults.push(FieldFault::new("/name", format!("`{}` is a kind of the operations", record.name), "another name"));
        }
        if record.queue.as_str() == OPERATIONS {
            faults.push(FieldFault::new("/queue", format!("the queue `{OPERATIONS}` is the operations' own"), "another queue"));
        }
        if !faults.is_empty() {
            return Err(RequestError::Faults { code: Code::RequestInvalid, faults });
        }
        // What is for operators stays so: the API's form does not speak of it.
        let operators = old.is_some_and(|old| old.operators);
        let record = KindRecord { refused: None, internal: false, operators, ..record };
        let (record, reason) = self.weigh(old, record).await?;
        self.broker.put_kinds(vec![record.clone()]).await?;
        self.kinds.all().await?;
        match reason {
            None => Ok(record),
            Some(reason) => {
                let faults = vec![FieldFault::new("/args_schema", reason, "a schema that the waiting jobs fit")];
                Err(RequestError::Faults { code: Code::RequestInvalid, faults })
            }
        }
    }

    /// The record that should be written: the new one, or the old one with the reason why not.
    async fn weigh(&self, old: Option<&KindRecord>, new: KindRecord) -> Result<(KindRecord, Option<String>), BrokerError> {
        let Some(old) = old.filter(|old| old.args_schema != new.args_schema) else { return Ok((new, None)) };
        let Some(found) = self.would_refuse(&new).await? else { return Ok((new, None)) };
        let reason = format!("version {} of {} is not taken over: {found}; version {} stays", new.version, new.name, old.version);
        Ok((KindRecord { refused: Some(reason.clone()), ..old.clone() }, Some(reason)))
    }

    /// What the new schema would refuse, if anything.
    async fn would_refuse(&self, new: &KindRecord) -> Result<Option<String>, BrokerError> {
        let validator = match compile(&new.args_schema) {
            Ok(validator) => validator,
            Err(broken) => return Ok(Some(format!("its schema cannot be used: {broken}"))),
        };
        let (mut looked_at, mut scanned, mut refused, mut sample) = (0, 0, 0u32, String::new());
        for state in [State::Ready, State::Scheduled, State::Retrying, State::Waiting] {
            let filter = Filter { kind: Some(new.name.clone()), state: Some(state), ..Filter::default() };
            let mut cursor: Option<String> = None;
            while looked_at < LOOKED_AT_MAX && scanned < SCANNED_MAX {
                let page = self.broker.list(&Scope::All, &filter, PAGE, cursor.as_deref()).await?;
                scanned += page.scanned.max(1);
                for job in page.items {
                    looked_at += 1;
                    // Args that cannot be read cannot be judged; their job tells it when it runs.
                    let Ok(args) = self.blobs.args(&job).await else { continue };
                    let args: Value = serde_json::from_str(args.get()).unwrap_or_default();
                    if validator.is_valid(&args) {
                        continue;
                    }
                    refused += 1;
                    if sample.is_empty() {
                        let mut faults = Vec::new();
                        args::faults(&validator, &new.args_schema, &args, &mut faults);
                        let fault = faults.first().map_or_else(String::new, |fault| format!("{}: {}", fault.pointer, fault.detail));
                        sample = format!("job {}, {fault}", job.id);
                    }
                }
                cursor = page.cursor;
                if cursor.is_none() {
                    break;
                }
            }
        }
        Ok((refused > 0).then(|| format!("its schema would refuse {refused} of {looked_at} waiting jobs ({sample})")))
    }
}
