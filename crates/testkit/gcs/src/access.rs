//! Who may come in: bearer tokens, service accounts that sign their own
//! tokens, tokens for another account, tokens of the metadata server.

use crate::wire::{Failure, failed, malformed};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chrono::{Duration, Utc};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    fmt,
};

/// A service account that the stand-in knows, with the public half of its key.
#[derive(Clone)]
pub struct ServiceAccount {
    email: String,
    key_id: String,
    public_key: Vec<u8>,
}

impl ServiceAccount {
    /// The account `email` with the RSA key `key_id`, given as PKCS#8 in PEM.
    /// `None` when `private_key` is not such a key.
    pub fn new(
        email: impl Into<String>,
        key_id: impl Into<String>,
        private_key: &str,
    ) -> Option<ServiceAccount> {
        let body: String = private_key.lines().filter(|line| !line.starts_with('-')).collect();
        let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(body).ok()?).ok()?;
        let public_key = pair.public().as_ref().to_vec();
        Some(ServiceAccount { email: email.into(), key_id: key_id.into(), public_key })
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount")
            .field("email", &self.email)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// How long a token that the stand-in issues is said to last, in seconds.
const LIFETIME: i64 = 3600;

#[derive(Debug, Default)]
pub(crate) struct Access {
    /// Whether a request needs a token.
    pub(crate) closed: bool,
    accounts: HashMap<String, ServiceAccount>,
    /// Token → the account that it stands for.
    tokens: HashMap<String, String>,
    /// Accounts for which others may ask tokens.
    lent: HashSet<String>,
    /// The account of the machine, where there is one.
    machine: Option<String>,
    issued: u64,
}

fn refused() -> Failure {
    failed(401, "Invalid Credentials")
}

impl Access {
    pub(crate) fn add(&mut self, account: ServiceAccount) {
        self.accounts.insert(account.email.clone(), account);
    }

    pub(crate) fn allow_token(&mut self, token: &str, account: &str) {
        self.tokens.insert(token.to_owned(), account.to_owned());
    }

    pub(crate) fn lend(&mut self, account: &str) {
        self.lent.insert(account.to_owned());
    }

    pub(crate) fn set_machine(&mut self, account: &str) {
        self.machine = Some(account.to_owned());
    }

    /// Forgets every token that was issued or allowed, as when they expire.
    pub(crate) fn expire(&mut self) {
        self.tokens.clear();
    }

    /// The account that a request comes from; `None` for an anonymous one.
    pub(crate) fn admit(&self, authorization: Option<&str>) -> Result<Option<String>, Failure> {
        let Some(authorization) = authorization else {
            return if self.closed {
                Err(failed(401, "Anonymous caller does not have storage.objects access to the bucket."))
            } else {
                Ok(None)
            };
        };
        let token = authorization.strip_prefix("Bearer ").ok_or_else(refused)?;
        match self.tokens.get(token) {
            Some(account) => Ok(Some(account.clone())),
            None => self.verify(token).map(Some),
        }
    }

    /// A token that a service account made and signed itself.
    fn verify(&self, token: &str) -> Result<String, Failure> {
        let mut parts = token.splitn(3, '.');
        let (Some(header), Some(claims), Some(signature)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refused());
        };
        let read = |part: &str| -> Option<Value> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
        };
        let (key, said) = (read(header).ok_or_else(refused)?, read(claims).ok_or_else(refused)?);
        let account = said["iss"].as_str().and_then(|email| self.accounts.get(email)).ok_or_else(refused)?;
        let now = Utc::now().timestamp();
        let in_time = said["iat"].as_i64().is_some_and(|from| from <= now + 60)
            && said["exp"].as_i64().is_some_and(|until| until > now);
        let for_storage = said["scope"].as_str().is_some_and(|scopes| {
            scopes.split(' ').any(|scope| scope.ends_with("cloud-platform") || scope.contains("devstorage"))
        });
        if key["alg"] != "RS256" || key["kid"] != account.key_id.as_str() || !in_time || !for_storage {
            return Err(refused());
        }
        let signed = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| refused())?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &account.public_key)
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| refused())?;
        Ok(account.email.clone())
    }

    fn issue(&mut self, account: &str) -> String {
        self.issued += 1;
        let token = format!("issued-{}-{account}", self.issued);
        self.tokens.insert(token.clone(), account.to_owned());
        token
    }

    /// A token for another account, as the IAM credentials service gives it.
    pub(crate) fn impersonate(&mut self, caller: Option<String>, target: &str) -> Result<Value, Failure> {
        if caller.is_none() || !self.lent.contains(target) {
            let message = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource.";
            return Err(failed(403, message));
        }
        let until = Utc::now() + Duration::seconds(LIFETIME);
        let until = until.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        Ok(json!({"accessToken": self.issue(target), "expireTime": until}))
    }

    /// A token of the machine's own account, as the metadata server gives it.
    pub(crate) fn machine_token(&mut self, flavor: Option<&str>) -> Result<Value, Failure> {
        if flavor != Some("Google") {
            return Err(malformed(flavor));
        }
        let account =
            self.machine.clone().ok_or_else(|| failed(404, "this machine has no service account"))?;
        Ok(json!({"access_token": self.issue(&account), "expires_in": LIFETIME, "token_type": "Bearer"}))
    }
}
