//! `--local`: the store itself, for the machine that holds it.

use super::{Where, create, revoke};
use crate::{host::Host, roles::parts, stop::Stop};
use longshore_base::{Name, Scope, rfc3339};
use longshore_queue::OPERATIONS;
use longshore_store::{ApiKey, Role, Store, StoreError};
use serde_json::{Value, json};

pub(super) async fn list(place: &Where, host: &Host) -> Result<Value, Stop> {
    let keys = open(place, host).await?.keys(&Scope::All).await.map_err(failed)?;
    Ok(json!({ "keys": keys.iter().map(shown).collect::<Vec<_>>() }))
}

pub(super) async fn create(args: &create::Args, host: &Host) -> Result<Value, Stop> {
    let name = |text: &String| Name::new(text).map_err(|error| Stop::usage(error.to_string()));
    let role = args.tenant.as_ref().map(name).transpose()?.map_or(Role::Operator, Role::Tenant);
    if matches!(&role, Role::Tenant(tenant) if tenant.as_str() == OPERATIONS) {
        return Err(Stop::usage(format!("the tenant `{OPERATIONS}` is the operations' own; choose another one")));
    }
    let store = open(&args.place, host).await?;
    let made = store.create_key(&name(&args.name)?, &role, host.clock.now(), &*host.random).await.map_err(failed)?;
    Ok(json!({ "id": made.key.id.to_string(), "key": made.text.reveal() }))
}

pub(super) async fn revoke(args: &revoke::Args, host: &Host) -> Result<(), Stop> {
    let known = open(&args.place, host).await?.revoke_key(args.id, host.clock.now()).await.map_err(failed)?;
    if known {
        Ok(())
    } else {
        Err(Stop::failed(format!("no key has the id {}\n  what to do: `{} keys list --local` names them", args.id, host.name)))
    }
}

async fn open(place: &Where, host: &Host) -> Result<Store, Stop> {
    parts::store(&place.settings(host)?, false).await
}

fn shown(key: &ApiKey) -> Value {
    let (role, tenant) = match &key.role {
        Role::Operator => ("operator", None),
        Role::Tenant(tenant) => ("tenant", Some(tenant.as_str())),
    };
    json!({
        "id": key.id.to_string(), "name": key.name.as_str(), "role": role, "tenant": tenant, "created_at": rfc3339(key.created_at),
        "revoked_at": key.revoked_at.map(rfc3339), "last_used_at": key.last_used_at.map(rfc3339),
    })
}

fn failed(error: StoreError) -> Stop {
    Stop::unreachable(longshore_base::chain(&error))
}
