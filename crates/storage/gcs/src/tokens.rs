//! Tokens that come in time, or not at all.

use crate::{GcsConfig, credentials};
use google_cloud_auth::credentials::{CacheableResource, Credentials, CredentialsProvider};
use google_cloud_gax::error::CredentialsError;
use http::{Extensions, HeaderMap};
use rockhold_core::Result;
use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::timeout;

/// How long a token is waited for. Whoever gives them does so in a second or two.
const LIMIT: Duration = Duration::from_secs(15);

/// Credentials that are made anew when no token comes in time.
///
/// The official ones fetch their tokens in a task that nothing bounds: it would
/// wait for ever on a connection that died without a sign, and every later
/// call with it.
pub(crate) struct Tokens {
    config: GcsConfig,
    limit: Duration,
    current: Mutex<Current>,
}

#[derive(Clone)]
struct Current {
    credentials: Credentials,
    /// How often they were made anew.
    renewed: u64,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Tokens {
    /// # Errors
    /// Those of [`credentials::build`].
    pub(crate) fn new(config: &GcsConfig) -> Result<Self> {
        let credentials = credentials::build(config)?;
        // Opening asks twice for what it needs, and a call has its request to send.
        let limit = LIMIT.min(Duration::from_millis(config.call_timeout_ms) / 4);
        Ok(Self { config: config.clone(), limit, current: Mutex::new(Current { credentials, renewed: 0 }) })
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Current {
        self.lock().clone()
    }

    /// Makes the credentials anew, unless another call that waited for the same
    /// ones has done it.
    fn renew(&self, late: &Current) {
        let mut current = self.lock();
        if current.renewed != late.renewed {
            return;
        }
        // They could be made before. If not now, the old ones may still recover.
        if let Ok(credentials) = credentials::build(&self.config) {
            *current = Current { credentials, renewed: late.renewed.wrapping_add(1) };
        }
    }
}

impl CredentialsProvider for Tokens {
    async fn headers(
        &self,
        extensions: Extensions,
    ) -> std::result::Result<CacheableResource<HeaderMap>, CredentialsError> {
        let current = self.current();
        match timeout(self.limit, current.credentials.headers(extensions)).await {
            Ok(headers) => headers,
            Err(_) => {
                self.renew(&current);
                Err(CredentialsError::from_msg(true, format!("no token came within {:?}", self.limit)))
            }
        }
    }

    /// Asked for when the clients are built. `None` is the public cloud.
    async fn universe_domain(&self) -> Option<String> {
        let current = self.current();
        timeout(self.limit, current.credentials.universe_domain()).await.ok().flatten()
    }
}
