//! Who asks: keys, the machine's role, an assumed role, a token of the
//! surroundings, or whatever the AWS SDK finds.

use crate::{
    S3Config,
    properties::{STS_ENDPOINT, STS_REGION},
    transport,
};
use aws_config::{
    default_provider::credentials::DefaultCredentialsChain, imds, provider_config::ProviderConfig,
    sts::AssumeRoleProvider,
};
use aws_credential_types::{
    Credentials as Keys,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_sdk_sts::{
    error::ProvideErrorMetadata,
    operation::{
        assume_role::AssumeRoleError, assume_role_with_web_identity::AssumeRoleWithWebIdentityError,
    },
};
use aws_types::{SdkConfig, region::Region};
use rockhold_core::{Error, Result, Secret};
use std::{env, error::Error as StdError, fmt, time::SystemTime};

/// How requests are signed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// With keys that are given.
    Keys {
        /// The access key.
        access_key: Secret,
        /// The secret key.
        secret_key: Secret,
        /// The token that temporary keys come with.
        session_token: Option<Secret>,
    },
    /// With the role of the machine, asked for by IMDSv2.
    InstanceProfile {
        /// The address of the metadata service; `None` for the usual one.
        endpoint: Option<String>,
    },
    /// With the role and the token file that `AWS_ROLE_ARN` and
    /// `AWS_WEB_IDENTITY_TOKEN_FILE` name, exchanged by STS.
    WebIdentity(Sts),
    /// With what the AWS SDK finds: environment, profile files, web identity,
    /// container, instance.
    DefaultChain {
        /// The address of the metadata service; `None` for the usual one.
        imds_endpoint: Option<String>,
    },
    /// With a role that `base` may assume, renewed before it expires.
    Role {
        /// Who asks for the role.
        base: Box<Credentials>,
        /// Its ARN.
        arn: String,
        /// What its trust policy asks for.
        external_id: Option<String>,
        /// Where it is asked for.
        sts: Sts,
    },
}

/// Where the Security Token Service is.
#[derive(Clone, Debug, Default)]
pub struct Sts {
    /// A URL; `None` for Amazon's own.
    pub endpoint: Option<String>,
    /// The region; `None` for the bucket's.
    pub region: Option<String>,
}

impl Sts {
    /// Where it is, for messages. `region` is the bucket's.
    fn shown(&self, region: &str) -> String {
        match &self.endpoint {
            Some(endpoint) => format!("STS at {endpoint}"),
            None => format!("Amazon's STS ({})", self.region.as_deref().unwrap_or(region)),
        }
    }
}

/// What the SDK needs to talk to the services that give credentials.
pub(crate) struct Surroundings {
    pub(crate) sdk: SdkConfig,
    pub(crate) provider: ProviderConfig,
}

impl Surroundings {
    fn at(&self, sts: &Sts) -> SdkConfig {
        let mut sdk = self.sdk.clone().into_builder();
        sdk.set_endpoint_url(sts.endpoint.clone());
        if let Some(region) = &sts.region {
            sdk.set_region(Region::new(region.clone()));
        }
        sdk.build()
    }
}

impl Credentials {
    /// What the SDK asks when it signs.
    pub(crate) async fn provider(&self, around: &Surroundings) -> Result<SharedCredentialsProvider> {
        let imds_client = |endpoint: &Option<String>| {
            let builder = imds::Client::builder().configure(&around.provider).max_attempts(1);
            let builder = match endpoint {
                Some(endpoint) => builder.endpoint(endpoint),
                None => Ok(builder),
            };
            let wrong = |cause| {
                let property = crate::properties::IMDS_ENDPOINT;
                Error::invalid(format!("the value of {property} is not a URL")).because(cause)
            };
            builder.map(imds::client::Builder::build).map_err(wrong)
        };
        Ok(match self {
            Self::Keys { access_key, secret_key, session_token } => {
                let token = session_token.as_ref().map(|token| token.expose().to_owned());
                let (key, secret) = (access_key.expose(), secret_key.expose());
                SharedCredentialsProvider::new(Keys::new(key, secret, token, None, "properties"))
            }
            Self::InstanceProfile { endpoint } => {
                let provider = imds::credentials::ImdsCredentialsProvider::builder()
                    .configure(&around.provider)
                    .imds_client(imds_client(endpoint)?);
                SharedCredentialsProvider::new(provider.build())
            }
            Self::WebIdentity(sts) => {
                let client = aws_sdk_sts::Client::new(&around.at(sts));
                SharedCredentialsProvider::new(WebIdentity(client))
            }
            Self::DefaultChain { imds_endpoint } => {
                let chain = DefaultCredentialsChain::builder()
                    .configure(around.provider.clone())
                    .imds_client(imds_client(imds_endpoint)?);
                SharedCredentialsProvider::new(chain.build().await)
            }
            Self::Role { base, arn, external_id, sts } => {
                let base = Box::pin(base.provider(around)).await?;
                let mut role =
                    AssumeRoleProvider::builder(arn).session_name("rockhold").configure(&around.at(sts));
                if let Some(id) = external_id {
                    role = role.external_id(id);
                }
                SharedCredentialsProvider::new(role.build_from_provider(base).await)
            }
        })
    }
}

/// Exchanges the token in a file for keys. The file is read each time, since
/// whoever wrote it renews it.
struct WebIdentity(aws_sdk_sts::Client);

impl fmt::Debug for WebIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebIdentity")
    }
}

impl WebIdentity {
    async fn exchange(&self) -> aws_credential_types::provider::Result {
        let variable = |name: &str| {
            env::var(name)
                .map_err(|_| CredentialsError::not_loaded(format!("the variable {name} is not set")))
        };
        let file = variable("AWS_WEB_IDENTITY_TOKEN_FILE")?;
        let role = variable("AWS_ROLE_ARN")?;
        let session = env::var("AWS_ROLE_SESSION_NAME").unwrap_or_else(|_| "rockhold".into());
        let token = tokio::fs::read_to_string(&file).await.map_err(|e| {
            CredentialsError::invalid_configuration(format!("the token file {file} cannot be read: {e}"))
        })?;
        let request = self.0.assume_role_with_web_identity();
        let answer = request
            .role_arn(role)
            .role_session_name(session)
            .web_identity_token(token.trim())
            .send()
            .await
            .map_err(CredentialsError::provider_error)?;
        let keys = answer
            .credentials
            .ok_or_else(|| CredentialsError::unhandled("the answer of STS has no credentials"))?;
        let expires = SystemTime::try_from(keys.expiration).ok();
        Ok(Keys::new(
            keys.access_key_id,
            keys.secret_access_key,
            Some(keys.session_token),
            expires,
            "web identity",
        ))
    }
}

impl ProvideCredentials for WebIdentity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.exchange())
    }
}

/// What to tell when there are no credentials to sign with, and whether asking
/// again may help.
pub(crate) fn refused(config: &S3Config, error: Option<&(dyn StdError + 'static)>) -> (String, bool) {
    let said = answer_of_sts(error);
    let reason = match &said {
        Some((code, message)) => {
            let words = [code.as_str(), message.as_str()];
            words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ")
        }
        None => error.map(transport::chain).and_then(|causes| causes.last().cloned()).unwrap_or_default(),
    };
    // An answer is an answer; silence may pass.
    let passing =
        said.as_ref().is_none_or(|(code, _)| code.starts_with("Throttl") || code.contains("Internal"));
    let told = transport::find::<CredentialsError>(error);
    let failed =
        matches!(told, Some(CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_)));
    let passing = passing && failed;
    // It is not asked where there are no credentials to ask it with.
    let is_asked = told.is_some_and(|told| transport::find::<CredentialsError>(told.source()).is_none());
    let is_silent = failed && is_asked && said.is_none();
    let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let names = &config.dialect.names;
    let keys = || format!("{} and {}", names.access_key, names.secret_key);
    let message = match &config.credentials {
        Credentials::Role { sts, .. } | Credentials::WebIdentity(sts) if is_silent => format!(
            "{} cannot be reached ({reason}); correct {STS_ENDPOINT} or {STS_REGION}",
            sts.shown(config.signing_region())
        ),
        Credentials::Role { arn, .. } => format!(
            "the role {arn} is not given to these credentials{because}; correct its name, its trust policy, the \
             external id, or {}",
            keys()
        ),
        Credentials::InstanceProfile { .. } => format!(
            "the metadata service gives no credentials{because}; attach a role to this machine, or give {}",
            keys()
        ),
        Credentials::WebIdentity(_) => format!(
            "the token of this workload is not exchanged for credentials{because}; check \
             AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, or give {}",
            keys()
        ),
        Credentials::DefaultChain { .. } | Credentials::Keys { .. } => {
            format!("no credentials were found in environment, profile or metadata{because}; give {}", keys())
        }
    };
    (message, passing)
}

/// Code and message of what STS answered.
fn answer_of_sts(error: Option<&(dyn StdError + 'static)>) -> Option<(String, String)> {
    let text = |text: Option<&str>| text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let role = transport::find::<AssumeRoleError>(error).map(ProvideErrorMetadata::meta);
    let web = || transport::find::<AssumeRoleWithWebIdentityError>(error).map(ProvideErrorMetadata::meta);
    let meta = role.or_else(web)?;
    Some((text(meta.code()), text(meta.message())))
}
