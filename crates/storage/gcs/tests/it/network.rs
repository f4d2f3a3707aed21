//! What lies between: TLS, proxies, refusals that come early.

use crate::support::{BUCKET, config, emulator, key};
use bytes::Bytes;
use rockhold_core::{ErrorKind, ListRequest, PutRequest, Repository, read_object};
use rockhold_storage_gcs::GcsRepository;
use rockhold_testkit::{must, refused};
use rockhold_testkit_gcs::{Call, Emulator};
use std::{path::Path, process::Output, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

const KEY: &str = include_str!("keys/throwaway.pem");
/// For `localhost` alone, signed by the authority of `keys/authority.pem`.
const CERTIFICATE: &str = include_str!("keys/localhost.pem");
const ENDPOINT: &str = "ROCKHOLD_TEST_GCS_NETWORK";

async fn open(endpoint: &str) -> GcsRepository {
    must(GcsRepository::open(config(endpoint)).await)
}

async fn works(repository: &dyn Repository) {
    must(repository.put(PutRequest::new(key("object"), "bytes")).await);
    assert_eq!(must(read_object(repository, &key("object"), 10).await), "bytes");
}

/// Takes TLS off and passes the rest on to the stand-in; gives its port.
async fn with_tls(gcs: &Emulator) -> u16 {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).expect("a key");
    let server = ServerConfig::builder().with_no_client_auth();
    let server = server.with_single_cert(vec![certificate], key).expect("they belong together");
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let behind = gcs.endpoint().trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let Ok(mut inner) = acceptor.accept(stream).await else { return };
                let mut outer = TcpStream::connect(behind).await.expect("the stand-in");
                let _ = copy_bidirectional(&mut inner, &mut outer).await;
            });
        }
    });
    port
}

/// What a child does, whose environment differs: it opens the bucket and works.
#[tokio::test]
async fn child_in_another_environment() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else {
        return; // run by hand, this is no child
    };
    works(&open(&endpoint).await).await;
}

async fn child(endpoint: &str, variables: &[(&str, &str)]) -> (Output, String) {
    let mut child = tokio::process::Command::new(std::env::current_exe().expect("this binary"));
    child.args(["--exact", "network::child_in_another_environment", "--nocapture"]);
    child.env(ENDPOINT, endpoint).env_remove("NO_PROXY").env_remove("no_proxy");
    let output = child.envs(variables.iter().copied()).output().await.expect("a child");
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    (output, said)
}

#[tokio::test]
async fn an_authority_that_is_named_is_trusted_for_its_names_alone() {
    let gcs = emulator().await;
    let port = with_tls(&gcs).await;
    let authority = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/keys/authority.pem");
    let variables =
        [("SSL_CERT_FILE", authority.to_str().expect("text")), ("NO_PROXY", "localhost,127.0.0.1")];
    let (output, said) = child(&format!("localhost:{port}"), &variables).await;
    assert!(output.status.success(), "{said}");
    assert!(gcs.object(BUCKET, "root/object").is_some());
    // The same server by another name.
    let (output, said) = child(&format!("https://127.0.0.1:{port}"), &variables).await;
    assert!(!output.status.success());
    let words = format!(
        "https://127.0.0.1:{port} is not trusted (invalid peer certificate: certificate not valid for name"
    );
    assert!(said.contains(&words), "{said}");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_at_once() {
    let gcs = emulator().await;
    let port = with_tls(&gcs).await;
    let repository = open(&format!("localhost:{port}")).await;
    for error in [
        refused(ErrorKind::InvalidInput, repository.list(ListRequest::default()).await),
        refused(ErrorKind::InvalidInput, repository.put(PutRequest::new(key("a"), "x")).await),
    ] {
        assert!(!error.is_temporary());
        let line = error.to_string();
        let words =
            format!("https://localhost:{port} is not trusted (invalid peer certificate: UnknownIssuer)");
        assert!(line.contains(&words) && line.ends_with("in SSL_CERT_FILE"), "{line}");
    }
    assert!(gcs.passed().is_empty());
}

#[tokio::test]
async fn a_proxy_is_obeyed_by_every_call() {
    // It answers itself what it is to pass on, which tells the same.
    let proxy = emulator().await;
    let endpoint = "http://storage.example";
    let (output, said) =
        child(endpoint, &[("HTTP_PROXY", proxy.endpoint()), ("http_proxy", proxy.endpoint())]).await;
    assert!(output.status.success(), "{said}");
    assert_eq!((proxy.count(Call::Upload), proxy.count(Call::Read)), (1, 1));
}

#[tokio::test]
async fn a_refusal_that_comes_before_the_bytes_were_read_is_understood() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut some = [0; 1000];
        let _ = stream.read(&mut some).await;
        let body = r#"{"error": {"code": 403, "message": "no storage.objects.create access"}}"#;
        let answer = format!(
            "HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.expect("written");
        // As servers do it: closed for writing, and the rest read for a while.
        stream.shutdown().await.expect("closed");
        let mut sink = vec![0; 1 << 20];
        let drain = async { while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {} };
        let _ = tokio::time::timeout(Duration::from_secs(2), drain).await;
    });
    let put = PutRequest::new(key("a"), Bytes::from(vec![7; 30 << 20]));
    refused(ErrorKind::PermissionDenied, open(&endpoint).await.put(put).await);
    serving.abort();
}
