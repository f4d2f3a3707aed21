//! The client of the AWS SDK, with everything switched off that would repeat,
//! wait or decide behind the back of the layers.

use crate::{S3Config, credentials::Surroundings};
use aws_config::provider_config::ProviderConfig;
use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, IdentityCache, Region, RequestChecksumCalculation, ResponseChecksumValidation,
        StalledStreamProtectionConfig, retry::RetryConfig, timeout::TimeoutConfig,
    },
};
use aws_smithy_async::{rt::sleep::TokioSleep, time::SharedTimeSource};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::SdkConfig;
use rockhold_core::{Error, Result};
use std::time::Duration;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// How long before they expire credentials are renewed.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// Makes a client for one region.
pub(crate) async fn build(config: &S3Config, region: &str) -> Result<Client> {
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
        // Servers that speak the protocol differ in which checksums they know.
        // Parts are covered by the signature, objects by digests of ours.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .disable_clock_skew_correction(true)
        .force_path_style(config.uses_path_style());
    if let Some(endpoint) = &config.endpoint {
        sdk = sdk.endpoint_url(endpoint.url());
    }
    Ok(Client::from_conf(sdk.build()))
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
        if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
            let message = "the file has no certificate; it must be PEM text";
            return Err(Error::invalid(message)
                .at(file.display())
                .with("property", crate::properties::CA_FILE));
        }
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
