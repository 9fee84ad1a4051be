//! Standard Webhooks: three headers by which a receiver knows who sent a request, and that nobody changed or replayed it
//! (standardwebhooks.com, the symmetric scheme `v1`). docs/receiving.md tells receivers how to check them.

use super::request::text;
use crate::{
    Cause, Context, Failure, SecretRef,
    outbound::{Call, header::HeaderName},
};
use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_STANDARD,
};
use longshore_base::Code;
use ring::hmac;

pub(super) const ID: &str = "webhook-id";
pub(super) const TIMESTAMP: &str = "webhook-timestamp";
pub(super) const SIGNATURE: &str = "webhook-signature";
/// What the engine sets on a request that is signed.
pub(super) const HEADERS: [&str; 3] = [ID, TIMESTAMP, SIGNATURE];

const PREFIX: &str = "whsec_";
/// Keys of other schemes; used as a shared secret they would sign with what others may know.
const OTHER_SCHEMES: [&str; 2] = ["whsk_", "whpk_"];
/// Bytes of a key: fewer can be guessed, more are no key but a document.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=256;
/// Keys are pasted by hand: with padding or without.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// Adds the three headers: the job's id, the attempt's time, and a signature by each secret in the order of the list.
pub(super) async fn sign(call: &mut Call<'_>, secrets: &[SecretRef], cx: &Context) -> Result<(), Failure> {
    // The same in every attempt, so that a receiver knows a repeat.
    let (id, seconds) = (cx.idempotency_key(), cx.clock().now().div_euclid(1_000));
    let mut signed = format!("{id}.{seconds}.").into_bytes();
    signed.extend_from_slice(call.body.as_deref().unwrap_or_default());
    let mut signatures = Vec::with_capacity(secrets.len());
    for of in secrets {
        let secret = cx.secret(of).await?;
        let key = key(secret.expose()).map_err(|why| unusable(of, why))?;
        signatures.push(signature(&key, &signed));
    }
    for (name, value) in [(ID, id), (TIMESTAMP, seconds.to_string()), (SIGNATURE, signatures.join(" "))] {
        call.headers.insert(HeaderName::from_static(name), text(value)?);
    }
    Ok(())
}

fn signature(key: &hmac::Key, signed: &[u8]) -> String {
    format!("v1,{}", BASE64_STANDARD.encode(hmac::sign(key, signed)))
}

/// The key of a secret as it is handed around: `whsec_` and base64.
fn key(secret: &str) -> Result<hmac::Key, &'static str> {
    let secret = secret.trim();
    if OTHER_SCHEMES.iter().any(|prefix| secret.starts_with(prefix)) {
        return Err("is a key pair's; requests are signed with a shared key, whsec_ and base64");
    }
    let bytes = LENIENT.decode(secret.strip_prefix(PREFIX).unwrap_or(secret)).map_err(|_| "is not whsec_ and base64")?;
    if !KEY_BYTES.contains(&bytes.len()) {
        return Err("is not a key of 16 to 256 bytes in base64");
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn unusable(of: &SecretRef, why: &str) -> Failure {
    Failure::Fatal(Cause::new(Code::SecretUnusable, format!("the secret `{}` cannot sign: it {why}", of.name())))
}

#[cfg(test)]
mod tests;
