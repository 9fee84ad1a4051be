//! How a place of files is opened: the address, the operator's variables, and the HTTP client that speaks to a bucket.

use super::{Files, FilesError};
use async_trait::async_trait;
use longshore_config::Secret;
use object_store::{
    ClientOptions, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    client::{HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService},
    local::LocalFileSystem,
    path::Path,
};
use std::{
    collections::BTreeMap,
    os::unix::fs::DirBuilderExt,
    sync::{Arc, Once},
    time::Duration,
};

/// How files are opened.
#[derive(Debug, Clone)]
pub struct FilesOptions {
    /// The usual variables for a bucket by name, such as `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`,
    /// `AWS_ENDPOINT_URL`. Without keys, credentials come from the machine: a web identity, a container's or an instance's role.
    pub aws: BTreeMap<String, Secret<String>>,
    /// How long a call is repeated while the server fails.
    pub patience: Duration,
    /// How long a bucket's server may be silent. Ten times as long where it puts the parts of a file together.
    pub silence: Duration,
}

impl Default for FilesOptions {
    fn default() -> Self {
        Self { aws: BTreeMap::new(), patience: Duration::from_secs(20), silence: Duration::from_secs(60) }
    }
}

/// How long making a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// "Processing of a CompleteMultipartUpload request could take several minutes" (Amazon S3 API Reference, CompleteMultipartUpload). S3 sends
/// blanks meanwhile; servers that speak its language mostly do not.
const SILENCES_TO_COMPLETE: u32 = 10;

pub(super) fn open(url: &str, options: FilesOptions) -> Result<Files, FilesError> {
    if let Some(folder) = url.strip_prefix("file://") {
        return if folder.starts_with('/') { open_folder(folder) } else { Err(FilesError::Url(url.to_owned())) };
    }
    let place = url.strip_prefix("s3://").ok_or_else(|| FilesError::Url(url.split('@').next_back().unwrap_or_default().to_owned()))?;
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let prefix = prefix.trim_matches('/');
    if bucket.is_empty() || bucket.contains(['@', ':', '?', '#']) || prefix.contains(['?', '#']) {
        return Err(FilesError::Url(url.split('@').next_back().unwrap_or_default().to_owned()));
    }
    let prefix_path = Path::parse(prefix).map_err(|_| FilesError::Url(url.to_owned()))?;
    let store = bucket_store(bucket, options)?;
    let place = if prefix.is_empty() { format!("s3://{bucket}") } else { format!("s3://{bucket}/{prefix}") };
    Ok(Files { store, prefix: prefix_path, folder: None, place: place.into() })
}

fn open_folder(folder: &str) -> Result<Files, FilesError> {
    let failed =
        |source: Box<dyn std::error::Error + Send + Sync>| FilesError::Unavailable { doing: "open", name: folder.to_owned(), source };
    // What is made here is its owner's alone; a folder that is there already keeps its mode.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(error.into()))?;
    let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| failed(error.into()))?.with_fsync(true);
    let place = format!("file://{folder}").into();
    Ok(Files { store: Arc::new(store), prefix: Path::default(), folder: Some(folder.into()), place })
}

fn bucket_store(bucket: &str, options: FilesOptions) -> Result<Arc<dyn ObjectStore>, FilesError> {
    let mut builder = AmazonS3Builder::new();
    for (variable, value) in &options.aws {
        // Other AWS_ variables (of the CLI, of pagers) are nobody's fault.
        let Ok(key) = variable.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() else { continue };
        builder = builder.with_config(key, value.expose());
    }
    let clients = Clients { usual: client(options.silence)?, patient: client(options.silence * SILENCES_TO_COMPLETE)? };
    let retry = RetryConfig { retry_timeout: options.patience, ..RetryConfig::default() };
    let builder = builder.with_bucket_name(bucket).with_retry(retry).with_http_connector(Connector(clients));
    let store = builder.build().map_err(|error| FilesError::Options(error.to_string()))?;
    Ok(Arc::new(store))
}

/// Hands out our clients, whatever the variables say of clients. An endpoint with `http://` is the operator's explicit word.
#[derive(Debug)]
struct Connector(Clients);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

/// Two that differ in how long the server may be silent.
#[derive(Debug, Clone)]
struct Clients {
    usual: reqwest::Client,
    patient: reqwest::Client,
}

#[async_trait]
impl HttpService for Clients {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let puts_together = request.method() == "POST" && request.uri().query().is_some_and(|query| query.contains("uploadId="));
        let client = if puts_together { &self.patient } else { &self.usual };
        HttpService::call(client, request).await
    }
}

/// No proxy from the environment, no redirects: a bucket of another region is told, not followed.
fn client(silence: Duration) -> Result<reqwest::Client, FilesError> {
    static TLS: Once = Once::new();
    // An error says that somebody chose a source of cryptography before; theirs is as good.
    TLS.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let builder = || {
        reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .user_agent(concat!("longshore/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_MAX)
            .read_timeout(silence)
    };
    // A machine without certificates can still reach a bucket over plain HTTP; over HTTPS it trusts nobody.
    builder().build().or_else(|error| {
        tracing::warn!(%error, "the machine's TLS certificates cannot be read, so no https:// endpoint is trusted");
        builder().tls_certs_only([]).build().map_err(|error| FilesError::Options(error.to_string()))
    })
}
