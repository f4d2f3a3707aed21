//! From Tencent Cloud COS's property keys to a configuration.

use rockhold_core::{OpenRepository, Result};
use rockhold_storage_s3::{
    Dialect, Endpoint, Names, S3Config, location,
    properties::{CA_FILE, Given, Property},
    without_bucket,
};
use std::path::PathBuf;

const ENDPOINT: &str = "fs.cosn.bucket.endpoint_suffix";
const SSL: &str = "fs.cos.connection.ssl.enabled";
const REGION: &str = "fs.cosn.bucket.region";

/// The documented keys with their aliases.
const KNOWN: &[Property] = &[
    Property::new(&["fs.cosn.userinfo.secretId", "tencent.cos.access_key"]),
    Property::new(&["fs.cosn.userinfo.secretKey", "tencent.cos.secret_key"]),
    Property::new(&["fs.cosn.userinfo.sessionToken"]),
    Property::new(&[ENDPOINT, "tencent.cos.endpoint"]),
    Property::new(&[REGION]),
    Property::new(&[SSL]),
    Property::new(&[CA_FILE]),
    Property::ignored(&["fs.cosn.impl"]),
    Property::ignored(&["fs.cosn.impl.disable.cache"]),
    Property::ignored(&["fs.AbstractFileSystem.cosn.impl"]),
];

const NAMES: Names = Names::new("fs.cosn.userinfo.secretId", "fs.cosn.userinfo.secretKey", ENDPOINT, SSL)
    .session_token("fs.cosn.userinfo.sessionToken")
    .region(REGION);

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
        Dialect::s3("Tencent Cloud COS", NAMES).forbids_overwrite_by("x-cos-forbid-overwrite", "true");
    let mut config = S3Config::new(location, given.keys(&NAMES)?, dialect);
    config.region = given.region(REGION)?.or_else(|| region(&endpoint));
    config.path_style = Some(endpoint.is_address());
    config.endpoint = Some(endpoint);
    config.ca_file = given.text(CA_FILE)?.map(PathBuf::from);
    Ok((config, given.into_warnings()))
}

/// The region that requests are signed for: the label behind `cos`, so
/// `ap-guangzhou` for `cos.ap-guangzhou.myqcloud.com`.
fn region(endpoint: &Endpoint) -> Option<String> {
    let mut labels = endpoint.host().split('.').skip_while(|label| !label.starts_with("cos"));
    labels.nth(1).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(pairs: &[(&str, &str)]) -> OpenRepository {
        let mut request = OpenRepository::new("cosn://bucket-1250000000/path");
        request.properties = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        request
    }

    #[test]
    fn the_signing_region_is_read_off_the_endpoint() {
        for (endpoint, expected) in [
            ("cos.ap-guangzhou.myqcloud.com", "ap-guangzhou"),
            ("http://cos-internal.ap-guangzhou.tencentcos.cn", "ap-guangzhou"),
            ("name-1250000000.cos.eu-frankfurt.myqcloud.com", "eu-frankfurt"),
        ] {
            let endpoint = Endpoint::parse(endpoint).unwrap();
            assert_eq!(region(&endpoint).as_deref(), Some(expected), "{endpoint}");
        }
        assert_eq!(region(&Endpoint::parse("10.0.0.1:9000").unwrap()), None);
    }

    #[test]
    fn documented_and_alias_keys_mean_the_same() {
        for (key, secret, endpoint) in [
            ("fs.cosn.userinfo.secretId", "fs.cosn.userinfo.secretKey", ENDPOINT),
            ("tencent.cos.access_key", "tencent.cos.secret_key", "tencent.cos.endpoint"),
        ] {
            let request = request(&[
                (key, "the-key"),
                (secret, "the-secret"),
                (endpoint, "cos.ap-guangzhou.myqcloud.com"),
            ]);
            let (config, warnings) = read(&request).unwrap();
            assert!(warnings.is_empty(), "{warnings:?}");
            assert_eq!(config.region.as_deref(), Some("ap-guangzhou"));
            assert_eq!(
                config.endpoint.as_ref().map(Endpoint::url).as_deref(),
                Some("https://cos.ap-guangzhou.myqcloud.com")
            );
            assert!(!config.uses_path_style());
            assert_eq!(config.location.to_string(), "cosn://bucket-1250000000/path");
            let printed = format!("{config:?}");
            assert!(!printed.contains("the-key") && !printed.contains("the-secret"), "{printed}");
        }
    }

    #[test]
    fn what_is_missing_or_misspelt_is_named() {
        let refused = |pairs: &[(&str, &str)]| read(&request(pairs)).unwrap_err().to_string();
        assert!(refused(&[]).contains(ENDPOINT));
        let endpoint = (ENDPOINT, "cos.ap-guangzhou.myqcloud.com");
        assert!(refused(&[endpoint]).contains("fs.cosn.userinfo.secretId"));
        assert!(
            refused(&[endpoint, ("fs.cosn.userinfo.secretId", "k")]).contains("fs.cosn.userinfo.secretKey")
        );
        let line = refused(&[endpoint, ("fs.cosn.userinfo.secretID", "k")]);
        assert!(line.contains("fs.cosn.userinfo.secretId"), "{line}");
        let keys = [("fs.cosn.userinfo.secretId", "k"), ("fs.cosn.userinfo.secretKey", "s")];
        let line = refused(&[endpoint, keys[0], keys[1], (REGION, "ap guangzhou")]);
        assert!(line.starts_with("the property fs.cosn.bucket.region is not"), "{line}");
        let line = refused(&[endpoint, keys[0], ("fs.cosn.userinfo.secretKey", "a\nb")]);
        assert!(line.contains("fs.cosn.userinfo.secretKey contains a control character"), "{line}");
    }

    #[test]
    fn the_bucket_may_stand_in_the_endpoint_and_tls_follows_the_switch() {
        let keys = [("fs.cosn.userinfo.secretId", "k"), ("fs.cosn.userinfo.secretKey", "s")];
        let (config, warnings) = read(&request(&[
            keys[0],
            keys[1],
            (ENDPOINT, "bucket-1250000000.cos.ap-guangzhou.myqcloud.com"),
            (SSL, "false"),
        ]))
        .unwrap();
        assert_eq!(
            config.endpoint.as_ref().map(Endpoint::url).as_deref(),
            Some("http://cos.ap-guangzhou.myqcloud.com")
        );
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("the bucket is named by the location already"));
    }
}
