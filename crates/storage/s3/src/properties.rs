//! Property keys: which ones a vendor has, and what was given.

use crate::{Credentials, Endpoint, Names};
use rockhold_core::{Error, OpenRepository, Result, Secret, is_slip};

/// The file with certificates that are trusted besides the system's; the same
/// key for every vendor.
pub const CA_FILE: &str = "rockhold.tls.ca_file";

/// The address of the instance metadata service, where it is not the usual one.
pub const IMDS_ENDPOINT: &str = "rockhold.imds.endpoint";

/// The address of the service that gives roles, where it is not Amazon's.
pub(crate) const STS_ENDPOINT: &str = "aws.s3.sts.endpoint";

/// The region of that service, where it is not the bucket's.
pub(crate) const STS_REGION: &str = "aws.s3.sts.region";

/// One property with all its spellings, the documented one first.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// The spellings.
    pub names: &'static [&'static str],
    /// Whether it does anything here. What does nothing is accepted with a warning.
    pub has_effect: bool,
}

impl Property {
    /// A property that does something.
    pub const fn new(names: &'static [&'static str]) -> Self {
        Self { names, has_effect: true }
    }

    /// A property of other implementations, accepted without effect.
    pub const fn ignored(names: &'static [&'static str]) -> Self {
        Self { names, has_effect: false }
    }
}

/// The properties of one CREATE REPOSITORY or FILES(), checked against those
/// that a vendor has.
#[derive(Debug)]
pub struct Given<'a> {
    request: &'a OpenRepository,
    known: &'static [Property],
    warnings: Vec<String>,
}

impl<'a> Given<'a> {
    /// Checks the names. A slip in a name is an error, since the property would
    /// be missing; a name that is nothing of ours is a warning.
    ///
    /// # Errors
    /// `InvalidInput` naming the property that was likely meant.
    pub fn check(request: &'a OpenRepository, known: &'static [Property]) -> Result<Self> {
        let mut warnings = Vec::new();
        let all = || known.iter().flat_map(|property| property.names.iter().copied());
        for name in request.properties.keys().chain(request.secrets.keys()) {
            match known.iter().find(|property| property.names.contains(&name.as_str())) {
                Some(property) if property.has_effect => {}
                Some(_) => warnings.push(format!("the property {name} has no effect here")),
                None => match all().find(|known| is_slip(name, known)) {
                    Some(meant) => {
                        let message = format!("the property {name} does not exist; {meant} was likely meant");
                        return Err(Error::invalid(message));
                    }
                    None => warnings.push(format!("the property {name} is not known here and has no effect")),
                },
            }
        }
        Ok(Self { request, known, warnings })
    }

    /// Adds a line for the user.
    pub fn warn(&mut self, line: impl Into<String>) {
        self.warnings.push(line.into());
    }

    /// The lines for the user.
    pub fn into_warnings(self) -> Vec<String> {
        self.warnings
    }

    /// The value of a property under any of its spellings; empty text counts as not given.
    ///
    /// # Errors
    /// `InvalidInput` when two spellings are given and differ, and for a
    /// control character, which no request could carry.
    pub fn text(&self, name: &'static str) -> Result<Option<String>> {
        Ok(self.find(name)?.map(|(_, value)| value.trim().to_owned()))
    }

    /// As [`Given::text`], for what must not be printed.
    ///
    /// # Errors
    /// As for [`Given::text`].
    pub fn secret(&self, name: &'static str) -> Result<Option<Secret>> {
        Ok(self.find(name)?.map(|(_, value)| Secret::new(value.trim())))
    }

    /// The name of a region.
    ///
    /// # Errors
    /// As for [`Given::text`], and for what cannot be the name of one: it
    /// becomes a part of host names and signatures.
    pub fn region(&self, name: &'static str) -> Result<Option<String>> {
        let Some((name, value)) = self.find(name)? else { return Ok(None) };
        let region = value.trim();
        if !region.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
            let message = format!(
                "the property {name} is not the name of a region, which has letters, digits, `-` and `_` only"
            );
            return Err(Error::invalid(message));
        }
        Ok(Some(region.to_owned()))
    }

    /// A secret that must be given.
    ///
    /// # Errors
    /// As for [`Given::text`], and when it is missing.
    pub fn required_secret(&self, name: &'static str) -> Result<Secret> {
        self.secret(name)?.ok_or_else(|| self.missing(name))
    }

    /// Keys that must be given, with a token that may.
    ///
    /// # Errors
    /// As for [`Given::required_secret`].
    pub fn keys(&self, names: &Names) -> Result<Credentials> {
        let session_token = match names.session_token {
            Some(name) => self.secret(name)?,
            None => None,
        };
        let access_key = self.required_secret(names.access_key)?;
        let secret_key = self.required_secret(names.secret_key)?;
        Ok(Credentials::Keys { access_key, secret_key, session_token })
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// As for [`Given::text`], and for any other word.
    pub fn flag(&self, name: &'static str) -> Result<Option<bool>> {
        match self.find(name)? {
            None => Ok(None),
            Some((_, value)) if value.trim().eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some((_, value)) if value.trim().eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some((name, _)) => Err(Error::invalid(format!("the property {name} is `true` or `false`"))),
        }
    }

    /// A server.
    ///
    /// # Errors
    /// As for [`Given::text`] and [`Endpoint::parse`].
    pub fn endpoint(&self, name: &'static str) -> Result<Option<Endpoint>> {
        let Some((name, value)) = self.find(name)? else { return Ok(None) };
        Endpoint::parse(value).map(Some).map_err(|error| error.with("property", name))
    }

    /// A server that must be given.
    ///
    /// # Errors
    /// As for [`Given::endpoint`], and when it is missing.
    pub fn required_endpoint(&self, name: &'static str) -> Result<Endpoint> {
        self.endpoint(name)?.ok_or_else(|| self.missing(name))
    }

    /// An endpoint with TLS by the property `ssl`, else by its own scheme, else on.
    ///
    /// # Errors
    /// As for [`Given::flag`].
    pub fn with_tls(&mut self, endpoint: Endpoint, ssl: &'static str) -> Result<Endpoint> {
        let Some(tls) = self.flag(ssl)? else { return Ok(endpoint) };
        if endpoint.is_tls_explicit() && endpoint.uses_tls() != tls {
            let word = if tls { "on" } else { "off" };
            self.warn(format!("TLS is {word} by {ssl}, although the endpoint says otherwise"));
        }
        Ok(endpoint.tls(tls))
    }

    /// The error for a property without which nothing goes.
    pub fn missing(&self, name: &str) -> Error {
        Error::invalid(format!("the property {name} is missing"))
    }

    /// Whether a property is given.
    ///
    /// # Errors
    /// As for [`Given::text`].
    pub fn has(&self, name: &'static str) -> Result<bool> {
        Ok(self.find(name)?.is_some())
    }

    fn find(&self, name: &'static str) -> Result<Option<(&'static str, &str)>> {
        let property = self.known.iter().find(|property| property.names.contains(&name));
        let spellings = property.map_or(&[] as &[&'static str], |property| property.names);
        let mut found: Option<(&'static str, &str)> = None;
        for spelling in spellings {
            let Some(value) = self.value(spelling).filter(|value| !value.trim().is_empty()) else { continue };
            if value.trim().contains(char::is_control) {
                let message = format!(
                    "the property {spelling} contains a control character, such as a line end; take it out"
                );
                return Err(Error::invalid(message));
            }
            match found {
                Some((first, other)) if other.trim() != value.trim() => {
                    let message =
                        format!("{first} and {spelling} are the same property and differ; keep one");
                    return Err(Error::invalid(message));
                }
                Some(_) => {}
                None => found = Some((spelling, value)),
            }
        }
        Ok(found)
    }

    fn value(&self, name: &str) -> Option<&str> {
        let plain = self.request.properties.get(name).map(String::as_str);
        plain.or_else(|| self.request.secrets.get(name).map(Secret::expose))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Property] = &[
        Property::new(&["aws.s3.access_key", "fs.s3a.access.key"]),
        Property::new(&["aws.s3.enable_ssl"]),
        Property::ignored(&["fs.s3a.impl.disable.cache"]),
    ];

    fn request(pairs: &[(&str, &str)]) -> OpenRepository {
        let mut request = OpenRepository::new("s3://b");
        request.properties = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        request
    }

    #[test]
    fn a_slip_in_a_name_is_an_error_that_names_what_was_meant() {
        for slip in [
            "aws.s3.acces_key",
            "aws.s3.access.key",
            "AWS.S3.ACCESS_KEY",
            "aws.s3.access_kye",
            "fs.s3n.access.key",
        ] {
            let request = request(&[(slip, "x")]);
            let message = Given::check(&request, KNOWN).unwrap_err().to_string();
            assert!(message.contains(slip) && message.contains("likely meant"), "{message}");
        }
    }

    #[test]
    fn names_of_others_are_accepted_with_a_warning() {
        let request = request(&[("fs.s3a.impl.disable.cache", "true"), ("hadoop.tmp.dir", "/x")]);
        let warnings = Given::check(&request, KNOWN).unwrap().into_warnings();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[1].contains("hadoop.tmp.dir"));
    }

    #[test]
    fn two_spellings_must_agree() {
        let same = request(&[("aws.s3.access_key", "k"), ("fs.s3a.access.key", "k")]);
        assert_eq!(
            Given::check(&same, KNOWN).unwrap().text("aws.s3.access_key").unwrap().as_deref(),
            Some("k")
        );
        let other = request(&[("aws.s3.access_key", "k"), ("fs.s3a.access.key", "l")]);
        let message = Given::check(&other, KNOWN).unwrap().text("aws.s3.access_key").unwrap_err().to_string();
        assert!(message.contains("fs.s3a.access.key"), "{message}");
    }

    #[test]
    fn a_control_character_is_refused_without_the_value() {
        for value in ["hunter\n2", "hunter\r2", "hunter\u{7f}2", "hunter2\0"] {
            let request = request(&[("fs.s3a.access.key", value)]);
            let given = Given::check(&request, KNOWN).unwrap();
            for error in
                [given.text("aws.s3.access_key").unwrap_err(), given.secret("aws.s3.access_key").unwrap_err()]
            {
                let message = error.to_string();
                assert!(message.contains("the property fs.s3a.access.key contains a control"), "{message}");
                assert!(!message.contains("hunter"), "{message}");
            }
        }
        // What stands around a value is not part of it.
        let request = request(&[("aws.s3.access_key", " the-key\n")]);
        let text = Given::check(&request, KNOWN).unwrap().text("aws.s3.access_key").unwrap();
        assert_eq!(text.as_deref(), Some("the-key"));
    }

    #[test]
    fn tls_is_decided_by_property_then_scheme_then_on() {
        let decide = |ssl: Option<&str>, endpoint: &str| {
            let request = request(
                &ssl.map(|value| [("aws.s3.enable_ssl", value)]).unwrap_or([("aws.s3.enable_ssl", "")]),
            );
            let mut given = Given::check(&request, KNOWN).unwrap();
            let endpoint = given.with_tls(Endpoint::parse(endpoint).unwrap(), "aws.s3.enable_ssl").unwrap();
            (endpoint.uses_tls(), given.into_warnings().len())
        };
        assert_eq!(decide(None, "host"), (true, 0));
        assert_eq!(decide(None, "http://host"), (false, 0));
        assert_eq!(decide(Some("false"), "host"), (false, 0));
        assert_eq!(decide(Some("true"), "http://host"), (true, 1));
    }

    #[test]
    fn words_other_than_true_and_false_are_refused() {
        let request = request(&[("aws.s3.enable_ssl", "yes")]);
        let message =
            Given::check(&request, KNOWN).unwrap().flag("aws.s3.enable_ssl").unwrap_err().to_string();
        assert!(message.contains("aws.s3.enable_ssl"), "{message}");
    }
}
