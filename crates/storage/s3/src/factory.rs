//! From `s3://bucket/path` and properties to a repository.

use crate::{
    Credentials, Dialect, Endpoint, Location, Names, Network, S3Config, S3Repository, Sts,
    properties::{CA_FILE, Given, IMDS_ENDPOINT, Property, STS_ENDPOINT, STS_REGION},
};
use async_trait::async_trait;
use rockhold_core::{Error, OpenRepository, OpenedRepository, RepositoryFactory, Result};
use std::{path::PathBuf, sync::Arc};

const ACCESS_KEY: &str = "aws.s3.access_key";
const SECRET_KEY: &str = "aws.s3.secret_key";
const SESSION_TOKEN: &str = "aws.s3.session_token";
const INSTANCE_PROFILE: &str = "aws.s3.use_instance_profile";
const ROLE: &str = "aws.s3.iam_role_arn";
const EXTERNAL_ID: &str = "aws.s3.external_id";
const DEFAULT_CHAIN: &str = "aws.s3.use_aws_sdk_default_behavior";
const WEB_IDENTITY: &str = "aws.s3.use_web_identity_token_file";
const REGION: &str = "aws.s3.region";
const ENDPOINT: &str = "aws.s3.endpoint";
const PATH_STYLE: &str = "aws.s3.enable_path_style_access";
const SSL: &str = "aws.s3.enable_ssl";

/// The documented keys, and the older ones of Hadoop's `s3a`.
const KNOWN: &[Property] = &[
    Property::new(&[ACCESS_KEY, "fs.s3a.access.key"]),
    Property::new(&[SECRET_KEY, "fs.s3a.secret.key"]),
    Property::new(&[SESSION_TOKEN, "fs.s3a.session.token"]),
    Property::new(&[INSTANCE_PROFILE]),
    Property::new(&[ROLE]),
    Property::new(&[EXTERNAL_ID]),
    Property::new(&[STS_REGION]),
    Property::new(&[STS_ENDPOINT]),
    Property::new(&[DEFAULT_CHAIN]),
    Property::new(&[WEB_IDENTITY]),
    Property::new(&[REGION, "fs.s3a.endpoint.region"]),
    Property::new(&[ENDPOINT, "fs.s3a.endpoint"]),
    Property::new(&[PATH_STYLE, "fs.s3a.path.style.access"]),
    Property::new(&[SSL, "fs.s3a.connection.ssl.enabled"]),
    Property::new(&[CA_FILE]),
    Property::new(&[IMDS_ENDPOINT]),
    Property::ignored(&["fs.s3a.connection.maximum"]),
    Property::ignored(&["fs.s3a.impl.disable.cache"]),
    Property::ignored(&["fs.s3a.impl"]),
    Property::ignored(&["fs.s3a.aws.credentials.provider"]),
];

const NAMES: Names =
    Names::new(ACCESS_KEY, SECRET_KEY, ENDPOINT, SSL).session_token(SESSION_TOKEN).region(REGION);

/// Makes repositories on Amazon S3, on servers that speak its protocol
/// (MinIO, Ceph, …), and on Google's S3 interface.
#[derive(Clone, Debug, Default)]
pub struct S3Factory {
    network: Network,
}

impl S3Factory {
    /// Takes names and time from elsewhere than the system.
    #[must_use]
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// What location and properties say, without talking to anybody, and the
    /// lines for the user.
    ///
    /// # Errors
    /// `InvalidInput` naming the property.
    pub fn config(&self, request: &OpenRepository) -> Result<(S3Config, Vec<String>)> {
        let location = location(request)?;
        let mut given = Given::check(request, KNOWN)?;
        let endpoint = match given.endpoint(ENDPOINT)? {
            None => {
                if given.flag(SSL)? == Some(false) {
                    given.warn(format!(
                        "{SSL} has no effect without {ENDPOINT}: Amazon is spoken to with TLS"
                    ));
                }
                None
            }
            Some(endpoint) => {
                let endpoint = without_bucket(endpoint, &location, &mut given);
                Some(given.with_tls(endpoint, SSL)?)
            }
        };
        let dialect = match &endpoint {
            Some(endpoint) if endpoint.is_google() => Dialect::s3("", NAMES).google(),
            Some(endpoint) if !endpoint.is_amazon() => Dialect::s3("the server", NAMES),
            _ => Dialect::s3("Amazon S3", NAMES),
        };
        let path_style = given.flag(PATH_STYLE)?;
        if let Some(endpoint) =
            endpoint.as_ref().filter(|e| path_style == Some(false) && e.wants_path_style())
        {
            given.warn(format!(
                "{PATH_STYLE} = false has no effect: a bucket cannot stand before the host of {endpoint}"
            ));
        }
        let credentials = credentials(&mut given)?;
        let mut config = S3Config::new(location, credentials, dialect);
        let by_host = endpoint.as_ref().and_then(Endpoint::amazon_region).map(str::to_owned);
        let google = endpoint.as_ref().is_some_and(Endpoint::is_google).then(|| "auto".to_owned());
        config.region = given.region(REGION)?.or(by_host).or(google);
        config.endpoint = endpoint;
        config.path_style = path_style.filter(|on| *on);
        config.ca_file = given.text(CA_FILE)?.map(PathBuf::from);
        config.network = self.network.clone();
        Ok((config, given.into_warnings()))
    }
}

/// The location of a request, with its directory.
///
/// # Errors
/// `InvalidInput`.
pub fn location(request: &OpenRepository) -> Result<Location> {
    let location = Location::parse(&request.location)?;
    match &request.directory {
        Some(name) => location.join(name),
        None => Ok(location),
    }
}

/// Takes the bucket out of an endpoint that begins with it, as consoles show it.
pub fn without_bucket(endpoint: Endpoint, location: &Location, given: &mut Given<'_>) -> Endpoint {
    match endpoint.host().strip_prefix(&format!("{}.", location.bucket().to_ascii_lowercase())) {
        Some(rest) if rest.contains('.') => {
            let line =
                format!("the endpoint is taken as {rest}: the bucket is named by the location already");
            let rest = rest.to_owned();
            given.warn(line);
            endpoint.with_host(rest)
        }
        _ => endpoint,
    }
}

fn credentials(given: &mut Given<'_>) -> Result<Credentials> {
    let on = |given: &Given<'_>, name| Ok::<_, Error>(given.flag(name)? == Some(true));
    let imds_endpoint = given.endpoint(IMDS_ENDPOINT)?.map(|endpoint| endpoint.url());
    let sts = Sts {
        endpoint: given.endpoint(STS_ENDPOINT)?.map(|endpoint| endpoint.url()),
        region: given.region(STS_REGION)?,
    };
    let has_keys = given.has(ACCESS_KEY)? || given.has(SECRET_KEY)?;
    let role = given.text(ROLE)?;
    let (base, by) = if on(given, DEFAULT_CHAIN)? {
        (Credentials::DefaultChain { imds_endpoint }, Some(DEFAULT_CHAIN))
    } else if on(given, WEB_IDENTITY)? {
        (Credentials::WebIdentity(sts.clone()), Some(WEB_IDENTITY))
    } else if on(given, INSTANCE_PROFILE)? {
        (Credentials::InstanceProfile { endpoint: imds_endpoint }, Some(INSTANCE_PROFILE))
    } else if has_keys {
        (given.keys(&NAMES)?, None)
    } else {
        return Err(Error::invalid(format!(
            "credentials are missing: give {ACCESS_KEY} and {SECRET_KEY}, or set one of {INSTANCE_PROFILE}, \
             {WEB_IDENTITY}, {DEFAULT_CHAIN} to true"
        )));
    };
    if let Some(by) = by.filter(|_| has_keys) {
        given.warn(format!("{ACCESS_KEY} and {SECRET_KEY} have no effect beside {by}"));
    }
    let uses_sts = role.is_some() || matches!(base, Credentials::WebIdentity(_));
    for (name, used) in [(EXTERNAL_ID, role.is_some()), (STS_REGION, uses_sts), (STS_ENDPOINT, uses_sts)] {
        if !used && given.has(name)? {
            given.warn(format!("{name} has no effect without {ROLE}"));
        }
    }
    Ok(match role {
        None => base,
        Some(arn) => {
            let external_id = given.text(EXTERNAL_ID)?;
            Credentials::Role { base: Box::new(base), arn, external_id, sts }
        }
    })
}

/// Opens what a factory has configured, and adds what the bucket's lifecycle
/// rules would do when a repository is created.
///
/// # Errors
/// As [`S3Repository::open`], with the warnings: what has no effect may be what
/// was relied upon.
pub async fn open(config: S3Config, create: bool, mut warnings: Vec<String>) -> Result<OpenedRepository> {
    let remarked = |error: Error| warnings.iter().fold(error, |error, warning| error.with("remark", warning));
    let repository = S3Repository::open(config).await.map_err(remarked)?;
    if create {
        warnings.extend(repository.lifecycle_warnings().await);
    }
    Ok(OpenedRepository { repository: Arc::new(repository), warnings })
}

#[async_trait]
impl RepositoryFactory for S3Factory {
    fn schemes(&self) -> &[&'static str] {
        &["s3", "s3a", "s3n"]
    }

    async fn open(&self, request: OpenRepository) -> Result<OpenedRepository> {
        let (config, warnings) = self.config(&request)?;
        open(config, request.create, warnings).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(location: &str, pairs: &[(&str, &str)]) -> Result<(S3Config, Vec<String>)> {
        let mut request = OpenRepository::new(location);
        request.properties = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        S3Factory::default().config(&request)
    }

    const KEYS: [(&str, &str); 2] = [(ACCESS_KEY, "the-key"), (SECRET_KEY, "the-secret")];

    fn with(pairs: &[(&str, &str)]) -> (S3Config, Vec<String>) {
        config("s3a://bucket/path", &[&KEYS[..], pairs].concat()).unwrap()
    }

    #[test]
    fn endpoint_region_and_addressing_follow_from_each_other() {
        let facts = |pairs: &[(&str, &str)]| {
            let (config, _) = with(pairs);
            (config.endpoint.as_ref().map(Endpoint::url), config.region.clone(), config.uses_path_style())
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(facts(&[]), (None, None, false));
        assert_eq!(facts(&[(REGION, "eu-west-1")]), (None, text("eu-west-1"), false));
        assert_eq!(
            facts(&[(ENDPOINT, "s3.eu-west-1.amazonaws.com")]),
            (text("https://s3.eu-west-1.amazonaws.com"), text("eu-west-1"), false)
        );
        assert_eq!(facts(&[(ENDPOINT, "http://minio:9000")]), (text("http://minio:9000"), None, true));
        assert_eq!(
            facts(&[("fs.s3a.endpoint", "s3.example.com"), ("fs.s3a.path.style.access", "true")]),
            (text("https://s3.example.com"), None, true)
        );
        // Without the property, and with `false` as some clients always write, the rule decides.
        let given = [(ENDPOINT, "10.0.0.1:9000"), (PATH_STYLE, "false")];
        assert!(facts(&given).2);
        assert_eq!(
            with(&given).1,
            [
                "aws.s3.enable_path_style_access = false has no effect: a bucket cannot stand before the host of \
              https://10.0.0.1:9000"
            ]
        );
        assert!(with(&given[1..]).1.is_empty());
    }

    #[test]
    fn googles_interface_is_chosen_by_its_endpoint() {
        let (config, _) = with(&[("fs.s3a.endpoint", "storage.googleapis.com")]);
        assert!(!config.dialect.batch_delete && !config.dialect.part_copy && !config.dialect.if_match);
        assert_eq!(config.region.as_deref(), Some("auto"));
        let (config, _) = with(&[(ENDPOINT, "s3.example.com")]);
        assert!(config.dialect.batch_delete && config.dialect.part_copy);
    }

    #[test]
    fn credentials_are_chosen_by_the_properties() {
        let choose = |pairs: &[(&str, &str)]| config("s3://bucket", pairs).unwrap().0.credentials;
        assert!(matches!(choose(&KEYS), Credentials::Keys { session_token: None, .. }));
        assert!(matches!(
            choose(&[(INSTANCE_PROFILE, "true")]),
            Credentials::InstanceProfile { endpoint: None }
        ));
        assert!(matches!(choose(&[(WEB_IDENTITY, "TRUE")]), Credentials::WebIdentity(_)));
        assert!(matches!(choose(&[(DEFAULT_CHAIN, "true")]), Credentials::DefaultChain { .. }));
        let role = choose(&[(INSTANCE_PROFILE, "true"), (ROLE, "arn:r"), (EXTERNAL_ID, "x")]);
        let Credentials::Role { base, arn, external_id, .. } = role else { panic!("{role:?}") };
        assert!(matches!(*base, Credentials::InstanceProfile { .. }));
        assert_eq!((arn.as_str(), external_id.as_deref()), ("arn:r", Some("x")));
    }

    #[test]
    fn missing_credentials_name_every_way_to_give_them() {
        let line = config("s3://bucket", &[(INSTANCE_PROFILE, "false")]).unwrap_err().to_string();
        for name in [ACCESS_KEY, SECRET_KEY, INSTANCE_PROFILE, WEB_IDENTITY, DEFAULT_CHAIN] {
            assert!(line.contains(name), "{name} is missing in: {line}");
        }
        let line = config("s3://bucket", &KEYS[..1]).unwrap_err().to_string();
        assert!(line.contains(SECRET_KEY), "{line}");
    }

    #[test]
    fn what_cannot_be_a_region_is_named_and_not_shown() {
        for name in [REGION, STS_REGION, "fs.s3a.endpoint.region"] {
            for bad in ["us east", "中国", "../evil.com/", "us-east-1.evil.com"] {
                let line = config("s3://bucket", &[KEYS[0], KEYS[1], (name, bad)]).unwrap_err().to_string();
                let beginning = format!("the property {name} is not the name of a region");
                assert!(line.starts_with(&beginning) && !line.contains(bad), "{line}");
            }
        }
        assert_eq!(with(&[(REGION, "My_Region-1")]).0.region.as_deref(), Some("My_Region-1"));
    }

    #[test]
    fn what_has_no_effect_is_told() {
        let (_, warnings) = with(&[(INSTANCE_PROFILE, "true"), (EXTERNAL_ID, "x"), ("fs.s3a.impl", "y")]);
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        let printed = format!("{:?} {warnings:?}", with(&[]).0);
        assert!(!printed.contains("the-key") && !printed.contains("the-secret"), "{printed}");
    }
}
