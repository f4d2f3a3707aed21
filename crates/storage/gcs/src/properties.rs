//! From properties to a configuration.

use crate::{GcsConfig, GcsCredentials};
use rockhold_core::{Error, OpenRepository, Result, Secret, is_slip};

const ENDPOINT: &str = "gcp.gcs.endpoint";
const COMPUTE_ENGINE: &str = "gcp.gcs.use_compute_engine_service_account";
const EMAIL: &str = "gcp.gcs.service_account_email";
const KEY_ID: &str = "gcp.gcs.service_account_private_key_id";
const PRIVATE_KEY: &str = "gcp.gcs.service_account_private_key";
const IMPERSONATE: &str = "gcp.gcs.impersonation_service_account";
const ANONYMOUS: &str = "gcp.gcs.anonymous";
const IAM_ENDPOINT: &str = "gcp.gcs.iam_endpoint";
const METADATA_ENDPOINT: &str = "gcp.gcs.metadata_endpoint";

/// All properties that have an effect. The last three are Rockhold's own.
const KNOWN: [&str; 9] = [
    ENDPOINT,
    COMPUTE_ENGINE,
    EMAIL,
    KEY_ID,
    PRIVATE_KEY,
    IMPERSONATE,
    ANONYMOUS,
    IAM_ENDPOINT,
    METADATA_ENDPOINT,
];

/// Reads what CREATE REPOSITORY was given; also what the user should hear.
///
/// # Errors
/// `InvalidInput` naming the property.
pub(crate) fn read(request: &OpenRepository) -> Result<(GcsConfig, Vec<String>)> {
    let mut warnings = Vec::new();
    for name in request.properties.keys().chain(request.secrets.keys()) {
        if KNOWN.contains(&name.as_str()) {
            continue;
        }
        match nearest(name) {
            Some(known) => {
                return Err(Error::invalid(format!("there is no such property; did you mean {known}?"))
                    .at(name.escape_debug()));
            }
            None => {
                warnings.push(format!("the property {} has no effect on Cloud Storage", name.escape_debug()));
            }
        }
    }
    let mut config = GcsConfig::new(request.location.clone());
    let text = |name: &str| {
        let plain = request.properties.get(name).map(String::as_str);
        plain.or_else(|| request.secrets.get(name).map(Secret::expose)).filter(|text| !text.trim().is_empty())
    };
    let owned = |name: &str| text(name).map(|text| text.trim().to_owned());
    let flag = |name: &'static str| match text(name).map(str::trim) {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(text) => Err(Error::invalid("write true or false").at(name).with("value", text.escape_debug())),
    };
    config.endpoint = owned(ENDPOINT);
    config.impersonate = owned(IMPERSONATE);
    config.iam_endpoint = owned(IAM_ENDPOINT);
    config.metadata_endpoint = owned(METADATA_ENDPOINT);
    let account = account(&owned)?;
    let ways = [
        (EMAIL, account),
        (COMPUTE_ENGINE, flag(COMPUTE_ENGINE)?.then_some(GcsCredentials::ComputeEngine)),
        (ANONYMOUS, flag(ANONYMOUS)?.then_some(GcsCredentials::Anonymous)),
    ];
    let mut chosen = None;
    for (name, credentials) in ways.into_iter().filter_map(|(name, way)| Some((name, way?))) {
        if let Some(other) = chosen.replace(name) {
            let message = format!("{other} is given too; say in one way only who opens the repository");
            return Err(Error::invalid(message).at(name));
        }
        config.credentials = credentials;
    }
    Ok((config, warnings))
}

/// The three properties of a service account, which belong together.
fn account(owned: &impl Fn(&str) -> Option<String>) -> Result<Option<GcsCredentials>> {
    let given = [EMAIL, KEY_ID, PRIVATE_KEY].map(|name| (name, owned(name)));
    let missing = given.iter().find(|(_, value)| value.is_none()).map(|(name, _)| *name);
    match (given, missing) {
        ([(_, Some(email)), (_, Some(private_key_id)), (_, Some(private_key))], _) => {
            let private_key = Secret::new(private_key);
            Ok(Some(GcsCredentials::ServiceAccount { email, private_key_id, private_key }))
        }
        ([(_, None), (_, None), (_, None)], _) | (_, None) => Ok(None),
        (_, Some(missing)) => {
            let message = "missing; a service account is given by its e-mail address, the id of its key and \
                           the key";
            Err(Error::invalid(message).at(missing))
        }
    }
}

/// The property that was meant by a name that is almost one.
fn nearest(name: &str) -> Option<&'static str> {
    KNOWN.iter().find(|known| is_slip(name, known)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(properties: &[(&str, &str)]) -> OpenRepository {
        let mut request = OpenRepository::new("gs://bucket/path");
        for (name, value) in properties {
            if rockhold_core::is_secret_property(name) {
                request.secrets.insert((*name).into(), Secret::new(*value));
            } else {
                request.properties.insert((*name).into(), (*value).into());
            }
        }
        request
    }

    fn refused(properties: &[(&str, &str)]) -> String {
        let error = read(&request(properties)).expect_err("must be refused");
        assert!(!format!("{error:?}").contains("hunter2"));
        error.to_string()
    }

    #[test]
    fn every_documented_property_is_taken() {
        let given = [
            (ENDPOINT, "storage.example"),
            (EMAIL, "a@p.iam.gserviceaccount.com"),
            (KEY_ID, "id"),
            (PRIVATE_KEY, "hunter2"),
            (IMPERSONATE, "b@p.iam.gserviceaccount.com"),
            (COMPUTE_ENGINE, "false"),
            (ANONYMOUS, "FALSE"),
        ];
        let (config, warnings) = read(&request(&given)).unwrap();
        assert!(warnings.is_empty());
        assert_eq!(config.endpoint.as_deref(), Some("storage.example"));
        assert_eq!(config.impersonate.as_deref(), Some("b@p.iam.gserviceaccount.com"));
        match config.credentials {
            GcsCredentials::ServiceAccount { email, private_key_id, private_key } => {
                assert_eq!((email.as_str(), private_key_id.as_str()), (given[1].1, "id"));
                assert_eq!(private_key.expose(), "hunter2");
            }
            other => panic!("{other:?}"),
        }
        let machine = read(&request(&[(COMPUTE_ENGINE, "true")])).unwrap().0;
        assert!(matches!(machine.credentials, GcsCredentials::ComputeEngine));
        assert!(matches!(read(&request(&[])).unwrap().0.credentials, GcsCredentials::Default));
    }

    #[test]
    fn what_is_missing_or_said_twice_is_named() {
        let email = (EMAIL, "a@p");
        assert!(refused(&[email, (PRIVATE_KEY, "hunter2")]).starts_with(&format!("{KEY_ID}: missing")));
        assert!(refused(&[(KEY_ID, "id")]).starts_with(&format!("{EMAIL}: missing")));
        let whole = [email, (KEY_ID, "id"), (PRIVATE_KEY, "hunter2"), (COMPUTE_ENGINE, "true")];
        assert!(refused(&whole).starts_with(&format!("{COMPUTE_ENGINE}: {EMAIL} is given too")));
        assert!(refused(&[(ANONYMOUS, "yes")]).starts_with(&format!("{ANONYMOUS}: write true or false")));
    }

    #[test]
    fn a_near_miss_is_refused_and_a_stranger_warned_of() {
        for near in [
            "gcp.gcs.endpiont",
            "GCP.GCS.Endpoint",
            "gcp.gcs.service-account-email",
            "gcp.gcs.service_account_private_keyid",
            "gcp.gcs.service_acount_private_key",
        ] {
            assert!(refused(&[(near, "hunter2")]).contains("did you mean gcp.gcs."), "{near}");
        }
        let strangers =
            [("fs.gs.block.size", "1"), ("aws.s3.secret_key", "hunter2"), ("gcp.gcs.color", "red")];
        let (_, warnings) = read(&request(&strangers)).unwrap();
        assert_eq!(warnings.len(), 3);
        assert!(!warnings.concat().contains("hunter2"));
    }
}
