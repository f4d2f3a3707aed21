//! From Alibaba Cloud OSS's property keys to a configuration.

use rockhold_core::{OpenRepository, Result};
use rockhold_storage_s3::{
    Dialect, Endpoint, Names, S3Config, location,
    properties::{CA_FILE, Given, Property},
    without_bucket,
};
use std::path::PathBuf;

const ENDPOINT: &str = "fs.oss.endpoint";
const SSL: &str = "fs.oss.connection.secure.enabled";

/// The documented keys with their aliases.
const KNOWN: &[Property] = &[
    Property::new(&["fs.oss.accessKeyId", "aliyun.oss.access_key"]),
    Property::new(&["fs.oss.accessKeySecret", "aliyun.oss.secret_key"]),
    Property::new(&["fs.oss.securityToken"]),
    Property::new(&[ENDPOINT, "aliyun.oss.endpoint"]),
    Property::new(&[SSL]),
    Property::new(&[CA_FILE]),
    Property::ignored(&["fs.oss.impl"]),
    Property::ignored(&["fs.oss.impl.disable.cache"]),
    Property::ignored(&["fs.oss.connection.maximum"]),
];

const NAMES: Names = Names::new("fs.oss.accessKeyId", "fs.oss.accessKeySecret", ENDPOINT, SSL)
    .session_token("fs.oss.securityToken");

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
    let dialect =
        Dialect::s3("Alibaba Cloud OSS", NAMES).forbids_overwrite_by("x-oss-forbid-overwrite", "true");
    let mut config = S3Config::new(location, given.keys(&NAMES)?, dialect);
    config.region = region(&endpoint);
    config.path_style = Some(endpoint.is_address());
    config.endpoint = Some(endpoint);
    config.ca_file = given.text(CA_FILE)?.map(PathBuf::from);
    Ok((config, given.into_warnings()))
}

/// The region that requests are signed for: the first label of the host
/// without `-internal`, so `oss-cn-hangzhou` for
/// `oss-cn-hangzhou-internal.aliyuncs.com`. The label `s3` of the S3 form of an
/// endpoint is passed over.
fn region(endpoint: &Endpoint) -> Option<String> {
    let mut labels = endpoint.host().split('.').skip_while(|label| *label == "s3");
    let label = labels.next().filter(|label| label.starts_with("oss"))?;
    Some(label.strip_suffix("-internal").unwrap_or(label).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(pairs: &[(&str, &str)]) -> OpenRepository {
        let mut request = OpenRepository::new("oss://bucket/path");
        request.properties = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        request
    }

    #[test]
    fn the_signing_region_is_read_off_the_endpoint() {
        for (endpoint, expected) in [
            ("oss-cn-hangzhou.aliyuncs.com", "oss-cn-hangzhou"),
            ("https://oss-cn-hangzhou-internal.aliyuncs.com", "oss-cn-hangzhou"),
            ("s3.oss-us-west-1.aliyuncs.com", "oss-us-west-1"),
            ("oss-accelerate.aliyuncs.com", "oss-accelerate"),
        ] {
            let endpoint = Endpoint::parse(endpoint).unwrap();
            assert_eq!(region(&endpoint).as_deref(), Some(expected), "{endpoint}");
        }
        assert_eq!(region(&Endpoint::parse("10.0.0.1:9000").unwrap()), None);
    }

    #[test]
    fn documented_and_alias_keys_mean_the_same() {
        for (key, secret, endpoint) in [
            ("fs.oss.accessKeyId", "fs.oss.accessKeySecret", ENDPOINT),
            ("aliyun.oss.access_key", "aliyun.oss.secret_key", "aliyun.oss.endpoint"),
        ] {
            let request = request(&[
                (key, "the-key"),
                (secret, "the-secret"),
                (endpoint, "oss-cn-hangzhou.aliyuncs.com"),
            ]);
            let (config, warnings) = read(&request).unwrap();
            assert!(warnings.is_empty(), "{warnings:?}");
            assert_eq!(config.region.as_deref(), Some("oss-cn-hangzhou"));
            assert_eq!(
                config.endpoint.as_ref().map(Endpoint::url).as_deref(),
                Some("https://oss-cn-hangzhou.aliyuncs.com")
            );
            assert!(!config.uses_path_style());
            assert_eq!(config.location.to_string(), "oss://bucket/path");
            let printed = format!("{config:?}");
            assert!(!printed.contains("the-key") && !printed.contains("the-secret"), "{printed}");
        }
    }

    #[test]
    fn what_is_missing_or_misspelt_is_named() {
        let refused = |pairs: &[(&str, &str)]| read(&request(pairs)).unwrap_err().to_string();
        assert!(refused(&[]).contains(ENDPOINT));
        let endpoint = (ENDPOINT, "oss-cn-hangzhou.aliyuncs.com");
        assert!(refused(&[endpoint]).contains("fs.oss.accessKeyId"));
        assert!(refused(&[endpoint, ("fs.oss.accessKeyId", "k")]).contains("fs.oss.accessKeySecret"));
        let line = refused(&[endpoint, ("fs.oss.accessKeyID", "k")]);
        assert!(line.contains("fs.oss.accessKeyId"), "{line}");
    }

    #[test]
    fn the_bucket_may_stand_in_the_endpoint_and_tls_follows_the_switch() {
        let keys = [("fs.oss.accessKeyId", "k"), ("fs.oss.accessKeySecret", "s")];
        let (config, warnings) = read(&request(&[
            keys[0],
            keys[1],
            (ENDPOINT, "bucket.oss-cn-hangzhou.aliyuncs.com"),
            (SSL, "false"),
        ]))
        .unwrap();
        assert_eq!(
            config.endpoint.as_ref().map(Endpoint::url).as_deref(),
            Some("http://oss-cn-hangzhou.aliyuncs.com")
        );
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("the bucket is named by the location already"));
    }
}
