//! A server of S3's protocol in this process, which checks every signature. It ends with its value.

use crate::{Files, FilesError, FilesOptions};
use hyper::{
    Request,
    body::Incoming,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use longshore_config::Secret;
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};

const KEY: &str = "a-key-of-the-test";
const SECRET: &str = "a-secret-of-the-test";

pub(super) struct S3 {
    address: SocketAddr,
    dir: TempDir,
    /// Aborted when it is dropped, with all its connections.
    _serving: JoinSet<()>,
}

impl S3 {
    /// With one bucket, `kept`.
    pub(super) async fn start() -> Self {
        Self::slow(Duration::ZERO).await
    }

    /// One that takes this long before it puts the parts of a file together, and is silent meanwhile.
    pub(super) async fn slow(wait: Duration) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        std::fs::create_dir(dir.path().join("kept")).expect("a bucket");
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(dir.path()).expect("a file system"));
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let service = service.clone();
                    let wait =
                        if request.uri().query().is_some_and(|query| query.starts_with("uploadId=")) { wait } else { Duration::ZERO };
                    async move {
                        let _ = tokio::time::timeout(wait, std::future::pending::<()>()).await;
                        Service::call(&service, request).await
                    }
                });
                open.spawn(async move {
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { address, dir, _serving: serving }
    }

    /// What an operator would have in the environment.
    pub(super) fn keys(&self) -> BTreeMap<String, Secret<String>> {
        let endpoint = format!("http://{}", self.address);
        let variables = [
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ENDPOINT_URL", &endpoint),
            ("AWS_PAGER", "less"),
        ];
        variables.iter().map(|(name, value)| ((*name).to_owned(), Secret::new((*value).to_owned()))).collect()
    }

    pub(super) fn open(&self, url: &str, aws: BTreeMap<String, Secret<String>>) -> Result<Files, FilesError> {
        Files::open(url, FilesOptions { aws, patience: Duration::from_secs(1), ..FilesOptions::default() })
    }

    /// Where the server keeps its buckets.
    pub(super) fn folder(&self) -> PathBuf {
        self.dir.path().to_owned()
    }
}
