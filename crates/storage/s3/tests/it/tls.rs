//! TLS to a real server: names, signers, and the two ways to mix it up.

use crate::real::request;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rockhold_core::{Error, ErrorKind, OpenRepository, RepositoryFactory};
use rockhold_storage_s3::S3Factory;
use rockhold_testkit::{
    refused,
    servers::{Running, own_minio, service},
};
use std::path::Path;

/// A signer, and a server's certificate for `name` by it, as MinIO wants them.
fn certificates(dir: &Path, name: &str) -> String {
    let signer_key = KeyPair::generate().expect("a key");
    let mut signer = CertificateParams::new(Vec::new()).expect("parameters");
    signer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let signer_certificate = signer.self_signed(&signer_key).expect("a signer");
    let key = KeyPair::generate().expect("a key");
    let issuer = Issuer::new(signer, signer_key);
    let certificate = CertificateParams::new(vec![name.to_owned()])
        .expect("parameters")
        .signed_by(&key, &issuer)
        .expect("signed");
    std::fs::write(dir.join("public.crt"), certificate.pem()).expect("a certificate");
    std::fs::write(dir.join("private.key"), key.serialize_pem()).expect("a key");
    let file = dir.join("ca.pem");
    std::fs::write(&file, signer_certificate.pem()).expect("the signer");
    file.to_str().expect("a path").to_owned()
}

fn server(test: &str, dir: &Path) -> Option<Running> {
    let dir = dir.to_owned();
    own_minio(test, move |program| program.arg("--certs-dir").arg(&dir))
}

async fn open(request: &OpenRepository) -> Result<rockhold_core::OpenedRepository, Error> {
    S3Factory::default().open(request.clone()).await
}

fn one_line(error: &Error, words: &[&str]) {
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    for word in words {
        assert!(line.contains(word), "{word:?} is missing in: {line}");
    }
    assert!(!error.is_temporary(), "{error:?}");
}

#[tokio::test]
async fn a_signer_must_be_known_and_can_be_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let ca_file = certificates(dir.path(), "127.0.0.1");
    let Some(server) = server("a_signer_must_be_known_and_can_be_named", dir.path()) else { return };
    let mut request = request(&server.service(), "no-such-bucket");
    let error = refused(ErrorKind::InvalidInput, open(&request).await);
    one_line(&error, &["signed by nobody known here", "rockhold.tls.ca_file"]);

    request.properties.insert("rockhold.tls.ca_file".into(), ca_file);
    // The connection stands: the server speaks, and says what is missing.
    let error = refused(ErrorKind::NotFound, open(&request).await);
    one_line(&error, &["the bucket no-such-bucket does not exist at https://"]);

    // A bare host means TLS.
    let host = server.service().get("endpoint").replace("https://", "");
    request.properties.insert("aws.s3.endpoint".into(), host.clone());
    refused(ErrorKind::NotFound, open(&request).await);

    // And without TLS the server says so.
    request.properties.insert("aws.s3.endpoint".into(), format!("http://{host}"));
    let error = refused(ErrorKind::InvalidInput, open(&request).await);
    one_line(&error, &["without TLS", "write https://", "aws.s3.endpoint", "aws.s3.enable_ssl"]);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let ca_file = certificates(dir.path(), "another.example.com");
    let Some(server) = server("a_certificate_for_another_name_is_named", dir.path()) else { return };
    let mut request = request(&server.service(), "bucket");
    request.properties.insert("rockhold.tls.ca_file".into(), ca_file);
    let error = refused(ErrorKind::InvalidInput, open(&request).await);
    one_line(&error, &["is for another name", "aws.s3.endpoint", "127.0.0.1"]);
}

#[tokio::test]
async fn a_server_without_tls_gets_the_advice_to_write_http() {
    let Some(service) = service("minio", "a_server_without_tls_gets_the_advice_to_write_http") else {
        return;
    };
    let mut request = request(&service, "bucket");
    let host = service.get("endpoint").replace("http://", "");
    request.properties.insert("aws.s3.endpoint".into(), host);
    let error = refused(ErrorKind::InvalidInput, open(&request).await);
    one_line(&error, &["does not speak TLS", "write http:// before the host in aws.s3.endpoint"]);
    // The switch decides over the scheme, with a word about it.
    request.properties.insert("aws.s3.enable_ssl".into(), "false".into());
    refused(ErrorKind::NotFound, open(&request).await);
}

#[tokio::test]
async fn a_file_that_holds_no_certificates_is_refused_before_anything_is_sent() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut request = OpenRepository::new("s3://bucket/path");
    for (name, value) in
        [("aws.s3.endpoint", "https://127.0.0.1:1"), ("aws.s3.access_key", "k"), ("aws.s3.secret_key", "s")]
    {
        request.properties.insert(name.into(), value.into());
    }
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (name, text) in [("empty", ""), ("text", "no certificate"), ("broken", broken)] {
        let file = dir.path().join(name);
        std::fs::write(&file, text).expect("a file");
        request.properties.insert("rockhold.tls.ca_file".into(), file.to_str().expect("a path").into());
        let error = refused(ErrorKind::InvalidInput, open(&request).await);
        one_line(&error, &["rockhold.tls.ca_file", "PEM"]);
    }
    request.properties.insert("rockhold.tls.ca_file".into(), "/no/such/file".into());
    let error = refused(ErrorKind::NotFound, open(&request).await);
    one_line(&error, &["/no/such/file", "rockhold.tls.ca_file"]);
}
