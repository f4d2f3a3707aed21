//! From what the user said to somebody who makes tokens.

use crate::{GcsConfig, GcsCredentials, config::address, error::NO_DEFAULT};
use google_cloud_auth::credentials::{
    self, Credentials, anonymous, impersonated, mds,
    service_account::{self, AccessSpecifier},
};
use rockhold_core::{Error, ErrorKind, Result, Secret};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};

/// What a token is asked for, unless the account only borrows another.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";

/// Builds them. Nothing is asked over the network yet, and later failures
/// come with the first request.
pub(crate) fn build(config: &GcsConfig) -> Result<Credentials> {
    if let Some(target) = config.impersonate.as_deref().filter(|target| !target.contains('@')) {
        let message = "not the e-mail address of a service account: `name@project.iam.gserviceaccount.com`";
        return Err(Error::invalid(message)
            .at("gcp.gcs.impersonation_service_account")
            .with("value", target.escape_debug()));
    }
    match (&config.credentials, &config.impersonate) {
        (GcsCredentials::Anonymous, None) => Ok(anonymous::Builder::new().build()),
        (GcsCredentials::Anonymous, Some(_)) => {
            let message = "nobody can act as a service account without credentials of their own";
            Err(Error::invalid(message).at("gcp.gcs.impersonation_service_account"))
        }
        (GcsCredentials::ServiceAccount { email, private_key_id, private_key }, None) => {
            let key = key_file(email, private_key_id, private_key)?;
            let access = AccessSpecifier::from_scopes([SCOPE]);
            service_account::Builder::new(key).with_access_specifier(access).build().map_err(unusable)
        }
        (GcsCredentials::ServiceAccount { email, private_key_id, private_key }, Some(target)) => {
            let service = match &config.iam_endpoint {
                Some(endpoint) => address(endpoint, "gcp.gcs.iam_endpoint")?,
                None => "https://iamcredentials.googleapis.com".to_owned(),
            };
            let asked = json!({
                "type": "impersonated_service_account",
                "service_account_impersonation_url":
                    format!("{service}/v1/projects/-/serviceAccounts/{target}:generateAccessToken"),
                "source_credentials": key_file(email, private_key_id, private_key)?,
            });
            impersonated::Builder::new(asked).with_scopes([SCOPE]).build().map_err(unusable)
        }
        (source, target) => {
            let source = match source {
                GcsCredentials::ComputeEngine => machine(config)?,
                _ => credentials::Builder::default().build().map_err(no_default)?,
            };
            match target {
                None => Ok(source),
                Some(target) => impersonated::Builder::from_source_credentials(source)
                    .with_target_principal(target)
                    .with_scopes([SCOPE])
                    .build()
                    .map_err(unusable),
            }
        }
    }
}

fn machine(config: &GcsConfig) -> Result<Credentials> {
    let mut builder = mds::Builder::default();
    if let Some(endpoint) = &config.metadata_endpoint {
        builder = builder.with_endpoint(address(endpoint, "gcp.gcs.metadata_endpoint")?);
    }
    builder.build().map_err(unusable)
}

/// The account as its JSON file has it.
fn key_file(email: &str, key_id: &str, key: &Secret) -> Result<Value> {
    let pem = key.expose().replace("\\n", "\n");
    // Noticed here, where the property can be named, and not with the first request.
    if let Err(found) = usable(&pem) {
        let message = format!(
            "{found}; give the value of `private_key` in the JSON file of the account, from \
             `-----BEGIN PRIVATE KEY-----` to `-----END PRIVATE KEY-----`"
        );
        return Err(Error::invalid(message).at("gcp.gcs.service_account_private_key"));
    }
    if !email.contains('@') {
        let message = "not the e-mail address of a service account: `name@project.iam.gserviceaccount.com`";
        return Err(Error::invalid(message)
            .at("gcp.gcs.service_account_email")
            .with("value", email.escape_debug()));
    }
    Ok(json!({
        "type": "service_account",
        "client_email": email,
        "private_key_id": key_id,
        "private_key": pem,
        // Asked for by the format; no request needs it.
        "project_id": email.split(['@', '.']).nth(1).unwrap_or_default(),
    }))
}

fn usable(pem: &str) -> std::result::Result<(), &'static str> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| "not a private key in PEM")?;
    let key = rustls::crypto::ring::sign::any_supported_type(&der.into());
    let key = key.map_err(|_| "this private key cannot be read")?;
    match key.choose_scheme(&[rustls::SignatureScheme::RSA_PKCS1_SHA256]) {
        Some(_) => Ok(()),
        None => Err("this private key is not of the kind RSA"),
    }
}

fn unusable(source: google_cloud_auth::build_errors::Error) -> Error {
    Error::invalid("these credentials cannot be used").at("gcp.gcs").because(source)
}

fn no_default(source: google_cloud_auth::build_errors::Error) -> Error {
    Error::new(ErrorKind::Unauthenticated, NO_DEFAULT).because(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(private_key: &str) -> GcsConfig {
        GcsConfig::new("gs://bucket").credentials(GcsCredentials::ServiceAccount {
            email: "a@p.iam.gserviceaccount.com".into(),
            private_key_id: "id".into(),
            private_key: Secret::new(private_key),
        })
    }

    #[test]
    fn a_key_that_is_none_is_named_by_its_property_and_not_shown() {
        let broken = "-----BEGIN PRIVATE KEY-----\\naHVudGVyMg==\\n-----END PRIVATE KEY-----";
        for key in ["hunter2", "", broken, "-----BEGIN PRIVATE KEY-----\nhunter2"] {
            let error = build(&account(key)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let shown = format!("{error} {error:?}");
            assert!(shown.starts_with("gcp.gcs.service_account_private_key: "), "{shown}");
            assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVyMg"), "{shown}");
        }
    }

    #[test]
    fn nobody_acts_as_somebody_else() {
        let mut config = GcsConfig::new("gs://bucket").credentials(GcsCredentials::Anonymous);
        config.impersonate = Some("a@p.iam.gserviceaccount.com".into());
        assert!(
            build(&config).unwrap_err().to_string().starts_with("gcp.gcs.impersonation_service_account: ")
        );
        config.impersonate = Some("nobody".into());
        assert!(build(&config).unwrap_err().to_string().contains("e-mail"));
    }
}
