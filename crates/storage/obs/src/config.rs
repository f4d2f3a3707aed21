//! From Huawei Cloud OBS's property keys to a configuration.

use rockhold_core::{OpenRepository, Result};
use rockhold_storage_s3::{
    Dialect, Endpoint, Names, S3Config, location,
    properties::{CA_FILE, Given, Property},
    without_bucket,
};
use std::path::PathBuf;

const ENDPOINT: &str = "fs.obs.endpoint";
const SSL: &str = "fs.obs.connection.ssl.enabled";

/// The documented keys with their aliases.
const KNOWN: &[Property] = &[
    Property::new(&["fs.obs.access.key", "fs.obs.access_key"]),
    Property::new(&["fs.obs.secret.key", "fs.obs.secret_key"]),
    Property::new(&["fs.obs.session.token"]),
    Property::new(&[ENDPOINT]),
    Property::new(&[SSL]),
    Property::new(&[CA_FILE]),
    Property::ignored(&["fs.obs.impl"]),
    Property::ignored(&["fs.obs.impl.disable.cache"]),
    Property::ignored(&["fs.AbstractFileSystem.obs.impl"]),
];

const NAMES: Names =
    Names::new("fs.obs.access.key", "fs.obs.secret.key", ENDPOINT, SSL).session_token("fs.obs.session.token");

/// What location and properties say, and the lines for the user.
///
/// # Errors
/// `InvalidInput` naming the property.
pub(crate) fn read(request: &OpenRepository) -> Result<(S3Config, Vec<String>)> {
    let location = location(request)?;
    let mut given = Given::check(request, KNOWN)?;
    let endpoint = given.required_endpoint(ENDPOINT)?;
    let endpoint = without_bucket(endpoint, &location, &mut given);
    let endpoint = given.with_tls(endpoint, SSL)?;
    let dialect = Dialect::s3("Huawei Cloud OBS", NAMES).without_if_match();
    let mut config = S3Config::new(location, given.keys(&NAMES)?, dialect);
    config.region = region(&endpoint);
    config.path_style = Some(endpoint.is_address());
    config.endpoint = Some(endpoint);
    config.ca_file = given.text(CA_FILE)?.map(PathBuf::from);
    Ok((config, given.into_warnings()))
}

/// The region that requests are signed for: the label behind `obs`, so
/// `cn-north-4` for `obs.cn-north-4.myhuaweicloud.com`. The endpoint of all
/// regions, `obs.myhuaweicloud.com`, names none.
fn region(endpoint: &Endpoint) -> Option<String> {
    let labels: Vec<&str> = endpoint.host().split('.').skip_while(|label| *label != "obs").collect();
    match labels[..] {
        ["obs", region, _, _, ..] => Some(region.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(pairs: &[(&str, &str)]) -> OpenRepository {
        let mut request = OpenRepository::new("obs://bucket/path");
        request.properties = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        request
    }

    #[test]
    fn the_signing_region_is_read_off_the_endpoint() {
        for (endpoint, expected) in [
            ("obs.cn-north-4.myhuaweicloud.com", "cn-north-4"),
            ("https://obs.eu-west-101.myhuaweicloud.eu", "eu-west-101"),
            ("bucket.obs.ap-southeast-1.myhuaweicloud.com", "ap-southeast-1"),
        ] {
            let endpoint = Endpoint::parse(endpoint).unwrap();
            assert_eq!(region(&endpoint).as_deref(), Some(expected), "{endpoint}");
        }
        assert_eq!(region(&Endpoint::parse("10.0.0.1:9000").unwrap()), None);
    }

    #[test]
    fn documented_and_alias_keys_mean_the_same() {
        for (key, secret, endpoint) in [
            ("fs.obs.access.key", "fs.obs.secret.key", ENDPOINT),
            ("fs.obs.access_key", "fs.obs.secret_key", "fs.obs.endpoint"),
        ] {
            let request = request(&[
                (key, "the-key"),
                (secret, "the-secret"),
                (endpoint, "obs.cn-north-4.myhuaweicloud.com"),
            ]);
            let (config, warnings) = read(&request).unwrap();
            assert!(warnings.is_empty(), "{warnings:?}");
            assert_eq!(config.region.as_deref(), Some("cn-north-4"));
            assert_eq!(
                config.endpoint.as_ref().map(Endpoint::url).as_deref(),
                Some("https://obs.cn-north-4.myhuaweicloud.com")
            );
            assert!(!config.uses_path_style());
            assert_eq!(config.location.to_string(), "obs://bucket/path");
            let printed = format!("{config:?}");
            assert!(!printed.contains("the-key") && !printed.contains("the-secret"), "{printed}");
        }
    }

    #[test]
    fn what_is_missing_or_misspelt_is_named() {
        let refused = |pairs: &[(&str, &str)]| read(&request(pairs)).unwrap_err().to_string();
        assert!(refused(&[]).contains(ENDPOINT));
        let endpoint = (ENDPOINT, "obs.cn-north-4.myhuaweicloud.com");
        assert!(refused(&[endpoint]).contains("fs.obs.access.key"));
        assert!(refused(&[endpoint, ("fs.obs.access.key", "k")]).contains("fs.obs.secret.key"));
        let line = refused(&[endpoint, ("fs.obs.acces.key", "k")]);
        assert!(line.contains("fs.obs.access.key"), "{line}");
    }

    #[test]
    fn the_bucket_may_stand_in_the_endpoint_and_tls_follows_the_switch() {
        let keys = [("fs.obs.access.key", "k"), ("fs.obs.secret.key", "s")];
        let (config, warnings) = read(&request(&[
            keys[0],
            keys[1],
            (ENDPOINT, "bucket.obs.cn-north-4.myhuaweicloud.com"),
            (SSL, "false"),
        ]))
        .unwrap();
        assert_eq!(
            config.endpoint.as_ref().map(Endpoint::url).as_deref(),
            Some("http://obs.cn-north-4.myhuaweicloud.com")
        );
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("the bucket is named by the location already"));
    }
}
