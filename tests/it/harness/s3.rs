//! A server of S3's protocol in this process, which checks every signature. It ends with its value.

use super::folder;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use std::{net::SocketAddr, path::PathBuf};
use tokio::{net::TcpListener, task::JoinSet};

const KEY: &str = "a-key-of-the-test";
const SECRET: &str = "a-secret-of-the-test";

/// One server.
#[derive(Debug)]
pub(crate) struct S3 {
    address: SocketAddr,
    folder: PathBuf,
    /// Aborted when it is dropped, with all its connections.
    _serving: JoinSet<()>,
}

impl S3 {
    /// With one bucket, `kept`.
    pub(crate) async fn start() -> Self {
        let folder = folder("s3");
        std::fs::create_dir(folder.join("kept")).expect("a bucket");
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(&folder).expect("a file system"));
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                open.spawn(async move {
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { address, folder, _serving: serving }
    }

    /// What an operator would have in the environment.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        self.variables_with(SECRET)
    }

    /// The same with another secret key.
    pub(crate) fn variables_with(&self, secret: &str) -> Vec<(String, String)> {
        let endpoint = format!("http://{}", self.address);
        [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", secret), ("AWS_REGION", "eu-central-1"), ("AWS_ENDPOINT_URL", &endpoint)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    /// Where the server keeps a bucket.
    pub(crate) fn bucket(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}
