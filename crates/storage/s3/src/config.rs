//! Where a repository lies, and how it is reached.

use crate::{Credentials, Dialect, Endpoint, Location};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::dns::SharedDnsResolver;
use rockhold_core::{Error, ErrorKind, Result};
use std::{path::PathBuf, time::Duration};

/// The configuration of a repository in a bucket. Vendors that speak the
/// protocol of S3 make one of these out of their own property keys.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct S3Config {
    /// Bucket and path.
    pub location: Location,
    /// The server; `None` for Amazon's own, by region.
    pub endpoint: Option<Endpoint>,
    /// The region that requests are signed for; `None` to find it or to take
    /// `us-east-1`.
    pub region: Option<String>,
    /// Whether the bucket stands in the path of a URL instead of its host
    /// name; `None` for the rule of [`Endpoint::wants_path_style`].
    pub path_style: Option<bool>,
    /// Who asks.
    pub credentials: Credentials,
    /// How the vendor departs from S3, and how its properties are called.
    pub dialect: Dialect,
    /// A file of certificates (PEM) that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The most entries on one page of a listing.
    pub page_limit: usize,
    /// Objects above this length are copied in ranges: what one call of the
    /// server copies at most, in bytes.
    pub copy_limit: u64,
    /// How long answers are waited for.
    pub limits: TimeLimits,
    /// What stands between this machine and the server.
    pub network: Network,
}

/// Bounds of the requests that go on although their caller has gone away, and
/// of those that open a repository. Whoever calls bounds all the others. A
/// connection may die without a sign while an answer is waited for, and the
/// next attempt waits for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeLimits {
    /// To open, and to begin or give up an object in parts. 30 s by default.
    pub answer: Duration,
    /// To make an object of its parts, which servers take longer for; and for
    /// each 8 MiB begun of one that is sent when it is committed. 100 s by
    /// default.
    pub commit: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self { answer: Duration::from_secs(30), commit: Duration::from_secs(100) }
    }
}

/// Runs a request, and gives it up after `limit`. What `changes` something may
/// be applied then all the same.
pub(crate) async fn within<T>(
    limit: Duration,
    operation: &'static str,
    changes: bool,
    request: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::time::timeout(limit, request).await.unwrap_or_else(|_| {
        let error = Error::new(ErrorKind::TimedOut, format!("the server did not answer within {limit:?}"));
        let error = error.during(operation).temporary(None);
        Err(if changes { error.maybe_applied() } else { error })
    })
}

/// Where names and the time come from. The system's by default; programs that
/// embed the adapter, and tests, put their own in its place.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Network {
    /// Resolves host names.
    pub resolver: Option<SharedDnsResolver>,
    /// Tells the time that requests are signed with.
    pub time_source: Option<SharedTimeSource>,
}

impl S3Config {
    /// The defaults for a location, a party and a vendor.
    pub fn new(location: Location, credentials: Credentials, dialect: Dialect) -> Self {
        Self {
            location,
            endpoint: None,
            region: None,
            path_style: None,
            credentials,
            dialect,
            ca_file: None,
            page_limit: 1000,
            copy_limit: 5 << 30,
            limits: TimeLimits::default(),
            network: Network::default(),
        }
    }

    /// Whether the bucket stands in the path of URLs.
    pub fn uses_path_style(&self) -> bool {
        let by_endpoint = || self.endpoint.as_ref().is_some_and(Endpoint::wants_path_style);
        self.path_style.unwrap_or_else(by_endpoint)
    }

    /// The region that requests are signed for as long as none was found.
    pub(crate) fn signing_region(&self) -> &str {
        self.region.as_deref().unwrap_or("us-east-1")
    }
}
