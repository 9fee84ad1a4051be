//! Requests under an Idempotency-Key: a record in a slot of its own.

use super::{RedisBroker, Result, keys, script::Script, value};
use crate::{Begun, BrokerError};
use longshore_base::{Millis, Name};

/// How long a request is remembered.
const KEPT_MS: u64 = 24 * 3_600_000;

impl RedisBroker {
    pub(super) async fn begin_request(&self, tenant: &Name, key: &str, hash: &[u8; 32], seed: &[u8; 16], now: Millis) -> Result<Begun> {
        let key = keys::request(&self.options.prefix, tenant, key);
        let mut command = self.command(Script::Begin, &key);
        command.arg(hash).arg(seed).arg(now).arg(KEPT_MS);
        let answer = value::list(self.call_key(Script::Begin, &key, &command).await?, "begin")?;
        let strange = || value::strange("begin");
        match value::int(answer.first().ok_or_else(strange)?, "begin")? {
            1 => {
                let seed = answer.get(1).and_then(value::bytes).and_then(|s| s.try_into().ok()).ok_or_else(strange)?;
                Ok(Begun::Run { seed, at: value::int(answer.get(2).ok_or_else(strange)?, "begin")? })
            }
            2 => Ok(Begun::Answered(answer.get(1).and_then(value::text).ok_or_else(strange)?.to_owned())),
            _ => Ok(Begun::Conflict),
        }
    }

    pub(super) async fn finish_request(&self, tenant: &Name, key: &str, answer: &str) -> Result<()> {
        let key = keys::request(&self.options.prefix, tenant, key);
        let mut command = self.command(Script::Finish, &key);
        command.arg(answer);
        match value::int(&self.call_key(Script::Finish, &key, &command).await?, "finish")? {
            1 => Ok(()),
            _ => Err(BrokerError::NotFound),
        }
    }
}
