//! Bodies: read within bounds, parsed, checked against the same schema that OpenAPI shows, and only then decoded.

use crate::{limits::depth, problem::Problem, state::Api};
use axum::{
    extract::{FromRequest, Request},
    http::header,
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use longshore_base::Code;
use longshore_jobs::{FieldFault, Shape, whole};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use utoipa::ToSchema;

/// A type whose schema checks what it is decoded from.
pub(crate) trait Shaped: DeserializeOwned {
    /// An empty body means `{}`.
    const EMPTY_OK: bool = false;
    /// The schema, compiled once.
    fn shape() -> &'static Shape;
}

/// `shaped!(T)`, or `shaped!(T, empty ok)`.
macro_rules! shaped {
    ($type:ty $(, $empty:ident ok)?) => {
        impl $crate::body::Shaped for $type {
            $(const EMPTY_OK: bool = { let $empty = true; $empty };)?
            fn shape() -> &'static longshore_jobs::Shape {
                static SHAPE: std::sync::OnceLock<longshore_jobs::Shape> = std::sync::OnceLock::new();
                SHAPE.get_or_init($crate::body::shape_of::<$type>)
            }
        }
    };
}
pub(crate) use shaped;

/// The schema that utoipa derives for a type.
pub(crate) fn shape_of<T: ToSchema>() -> Shape {
    let schema = serde_json::to_value(T::schema()).expect("a schema prints as JSON");
    Shape::new(schema).expect("the schema of a body compiles")
}

/// Decodes `value`, or tells every fault.
pub(crate) fn decode<T: Shaped>(value: Value) -> Result<T, Vec<FieldFault>> {
    let mut faults = T::shape().faults("", &value);
    // A schema inside a schema may tell the same twice.
    faults.dedup();
    if !faults.is_empty() {
        return Err(faults);
    }
    whole::decode(value).map_err(|fault| vec![fault])
}

/// A checked body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: Shaped> FromRequest<Arc<Api>> for Body<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        let bytes = read(request, api).await?;
        let value = if T::EMPTY_OK && bytes.is_empty() { Value::Object(Map::new()) } else { parse(&bytes, api)? };
        decode(value).map(Self).map_err(Problem::faults)
    }
}

/// A body that is JSON, and what tells it from another one.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) value: Value,
    pub(crate) hash: [u8; 32],
}

impl FromRequest<Arc<Api>> for Raw {
    type Rejection = Problem;
    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        let path = request.uri().path().to_owned();
        let bytes = read(request, api).await?;
        let hash = Sha256::new().chain_update(path).chain_update([0]).chain_update(&bytes).finalize();
        Ok(Self { value: parse(&bytes, api)?, hash: hash.into() })
    }
}

/// A checked body, and what tells its request from another one: path, query and body.
#[derive(Debug)]
pub(crate) struct Hashed<T> {
    pub(crate) value: T,
    pub(crate) hash: [u8; 32],
}

impl<T: Shaped> FromRequest<Arc<Api>> for Hashed<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        let uri = request.uri().to_string();
        let bytes = read(request, api).await?;
        let hash = Sha256::new().chain_update(uri).chain_update([0]).chain_update(&bytes).finalize();
        let value = if T::EMPTY_OK && bytes.is_empty() { Value::Object(Map::new()) } else { parse(&bytes, api)? };
        decode(value).map(|value| Self { value, hash: hash.into() }).map_err(Problem::faults)
    }
}

async fn read(request: Request, api: &Api) -> Result<Bytes, Problem> {
    let limits = &api.limits;
    let told = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|told| told > limits.body_bytes_max) {
        return Err(too_large(limits.body_bytes_max));
    }
    let body = Limited::new(request.into_body(), limits.body_bytes_max).collect();
    match tokio::time::timeout(limits.body_time, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limits.body_bytes_max)),
        Ok(Err(error)) => Err(Problem::new(Code::BodyMalformed).detail("the body broke off").cause(error.to_string())),
        Err(_) => Err(Problem::new(Code::RequestTimeout).detail(format!("the body did not arrive within {:?}", limits.body_time))),
    }
}

fn too_large(max: usize) -> Problem {
    Problem::new(Code::BodyTooLarge).detail(format!("the body is larger than {max} bytes"))
}

fn parse(bytes: &[u8], api: &Api) -> Result<Value, Problem> {
    let malformed = |detail: String| Problem::new(Code::BodyMalformed).detail(detail);
    let max = api.limits.depth_max;
    if depth(bytes) > max {
        return Err(malformed(format!("the body is nested deeper than {max} levels")));
    }
    serde_json::from_slice(bytes).map_err(|error| malformed(format!("the body is not JSON: {error}")))
}
