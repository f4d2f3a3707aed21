//! The client of the AWS SDK, with everything switched off that would repeat,
//! wait or decide behind the back of the layers.

use crate::{S3Config, credentials::Surroundings};
use aws_config::provider_config::ProviderConfig;
use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, ConfigBag, IdentityCache, Intercept, Region, RequestChecksumCalculation,
        ResponseChecksumValidation, RuntimeComponents, StalledStreamProtectionConfig, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
    error::BoxError,
};
use aws_smithy_async::{rt::sleep::TokioSleep, time::SharedTimeSource};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::SharedHttpClient,
    interceptors::context::{
        BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
    },
};
use aws_types::SdkConfig;
use rockhold_core::{Error, Result};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// How long before they expire credentials are renewed.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// Makes a client for one region, and what it learns of the server.
pub(crate) async fn build(config: &S3Config, region: &str) -> Result<(Client, ServerName)> {
    let server = ServerName::default();
    let http = http_client(config)?;
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).build();
    let time = config.network.time_source.clone().unwrap_or_default();
    let region = Region::new(region.to_owned());
    let around = surroundings(&http, &time, &region, &timeouts);
    let mut sdk = aws_sdk_s3::config::Builder::default()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .sleep_impl(TokioSleep::new())
        .time_source(time)
        .region(region)
        .credentials_provider(config.credentials.provider(&around).await?)
        .identity_cache(
            IdentityCache::lazy().buffer_time(RENEW_BEFORE).load_timeout(Duration::from_secs(30)).build(),
        )
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        // Servers that speak the protocol differ in which checksums they know:
        // `publish` chooses what covers a body.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .disable_clock_skew_correction(true)
        .interceptor(ContentLength)
        .interceptor(server.clone())
        .force_path_style(config.uses_path_style());
    if let Some(endpoint) = &config.endpoint {
        sdk = sdk.endpoint_url(endpoint.url());
    }
    Ok((Client::from_conf(sdk.build()), server))
}

fn surroundings(
    http: &SharedHttpClient,
    time: &SharedTimeSource,
    region: &Region,
    timeouts: &TimeoutConfig,
) -> Surroundings {
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http.clone())
        .sleep_impl(TokioSleep::new())
        .time_source(time.clone())
        .region(region.clone())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts.clone())
        .build();
    let provider = ProviderConfig::empty()
        .with_behavior_version(Some(BehaviorVersion::latest()))
        .with_http_client(http.clone())
        .with_sleep_impl(TokioSleep::new())
        .with_time_source(time.clone())
        .with_region(Some(region.clone()))
        .with_retry_config(RetryConfig::disabled())
        .with_timeout_config(timeouts.clone());
    Surroundings { sdk, provider }
}

fn http_client(config: &S3Config) -> Result<SharedHttpClient> {
    let mut trust = TrustStore::default();
    if let Some(file) = &config.ca_file {
        let pem = std::fs::read(file).map_err(|e| {
            let error = Error::io(e, "open", file.display());
            error.with("property", crate::properties::CA_FILE)
        })?;
        check_certificates(&pem)
            .map_err(|error| error.at(file.display()).with("property", crate::properties::CA_FILE))?;
        trust.add_pem_certificate(pem);
    }
    let tls = TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|e| Error::invalid("the certificates that are trusted cannot be used").because(e))?;
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls);
    Ok(match &config.network.resolver {
        Some(resolver) => builder.build_with_resolver(resolver.clone()),
        None => builder.build_https(),
    })
}

/// The SDK takes certificates on trust and panics over broken ones.
fn check_certificates(pem: &[u8]) -> Result<()> {
    let refuse =
        |message: String| Error::invalid(format!("{message}; the file must hold certificates as PEM text"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|e| refuse(format!("a certificate cannot be read: {e}")))?;
        roots.add(certificate).map_err(|e| refuse(format!("a certificate cannot be trusted: {e}")))?;
    }
    if roots.is_empty() { Err(refuse("there is no certificate".into())) } else { Ok(()) }
}

/// Says that a request without a body has none. Ceph's gateway refuses those
/// that leave it open (`MissingContentLength`).
#[derive(Debug)]
struct ContentLength;

impl Intercept for ContentLength {
    fn name(&self) -> &'static str {
        "ContentLength"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> std::result::Result<(), BoxError> {
        let request = context.request_mut();
        let changes = matches!(request.method(), "PUT" | "POST");
        let is_empty = request.body().bytes().is_some_and(<[u8]>::is_empty);
        if changes && is_empty && request.headers().get("content-length").is_none() {
            request.headers_mut().insert("content-length", "0");
        }
        Ok(())
    }
}

/// What is learned of the server while it answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerName(Arc<Learned>);

#[derive(Debug, Default)]
struct Learned {
    /// What it calls itself.
    name: OnceLock<String>,
    /// Whether it refuses conditions on writes as something it does not have.
    lacks_conditions: AtomicBool,
}

impl ServerName {
    /// Whether it refused a condition on a write as something it does not have.
    pub(crate) fn lacks_conditions(&self) -> bool {
        self.0.lacks_conditions.load(Ordering::Relaxed)
    }

    /// Notes that it did.
    pub(crate) fn note_lack_of_conditions(&self) {
        self.0.lacks_conditions.store(true, Ordering::Relaxed);
    }

    fn name_begins(&self, with: &str) -> bool {
        self.0.name.get().is_some_and(|name| name.starts_with(with))
    }

    /// Whether it is MinIO.
    pub(crate) fn is_minio(&self) -> bool {
        self.name_begins("MinIO")
    }

    /// Whether it is known to check `x-amz-checksum-crc32c`.
    pub(crate) fn checks_crc32c(&self) -> bool {
        self.is_minio() || self.name_begins("AmazonS3")
    }

    /// Whether it keeps `If-Match` on a write. Ceph's gateway (16) takes quotes
    /// for a part of the tag, and answers those who lose a race with status
    /// 500, which says nothing.
    pub(crate) fn keeps_if_match(&self) -> bool {
        !self.name_begins("Ceph") && !self.lacks_conditions()
    }

    /// Whether it is known to keep a condition on CompleteMultipartUpload.
    /// Ceph's gateway (16) keeps conditions on PutObject only.
    pub(crate) fn keeps_conditions_on_parts(&self) -> bool {
        self.is_minio() || self.name_begins("AmazonS3")
    }
}

impl Intercept for ServerName {
    fn name(&self) -> &'static str {
        "ServerName"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> std::result::Result<(), BoxError> {
        let headers = context.response().headers();
        // Ceph's gateway does not say what it is; its request ids do.
        let is_ceph = || headers.get("x-amz-request-id").is_some_and(|id| id.starts_with("tx0"));
        if let Some(name) = headers.get("server").or_else(|| is_ceph().then_some("Ceph")) {
            self.0.name.get_or_init(|| name.to_owned());
        }
        Ok(())
    }
}
