//! Tencent Cloud COS's host names, signatures and departures: on a server in this
//! process that departs as the vendor does, and on MinIO under the vendor's
//! host name.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // the helpers of tests are tests too

#[path = "../../../s3/tests/it/hosted.rs"]
mod hosted;
#[path = "../../../s3/tests/it/server.rs"]
mod server;

use rockhold_core::{OpenRepository, RepositoryFactory};
use rockhold_storage_cos::CosFactory;
use rockhold_testkit::{must, repository::Subject, repository_conformance};
use server::{Quirks, Server};

const HOST: &str = "cos.ap-guangzhou.myqcloud.com";

fn request(bucket: &str, port: u16, key: &str, secret: &str) -> OpenRepository {
    let mut request = OpenRepository::new(format!("cosn://{bucket}/below/here"));
    request.properties.insert("fs.cosn.bucket.endpoint_suffix".into(), format!("http://{HOST}:{port}"));
    request.secrets.insert("fs.cosn.userinfo.secretId".into(), key.into());
    request.secrets.insert("tencent.cos.secret_key".into(), secret.into());
    request
}

async fn fresh() -> Subject {
    let quirks = Quirks {
        domain: Some(HOST),
        forbids_overwrite_by: Some("x-cos-forbid-overwrite"),
        ..Quirks::default()
    };
    let server = Server::start(quirks).await;
    let request = request(server::BUCKET, server.address.port(), server::ACCESS_KEY, server::SECRET_KEY);
    let opened = must(CosFactory::default().network(Server::network()).open(request).await);
    assert!(opened.warnings.is_empty(), "{:?}", opened.warnings);
    Subject::new(opened.repository).keeping(server)
}

repository_conformance!(fresh());

#[tokio::test]
async fn minio_under_the_vendors_host_name_is_written_listed_and_read() {
    let test = "cos: minio_under_the_vendors_host_name_is_written_listed_and_read";
    let open = async |bucket: &str, port, key: &str, secret: &str| {
        CosFactory::default().network(Server::network()).open(request(bucket, port, key, secret)).await
    };
    hosted::on_minio(test, HOST, "ap-guangzhou", "fs.cosn.userinfo.secretKey", open).await;
}
