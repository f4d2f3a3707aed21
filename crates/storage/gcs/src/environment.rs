//! What this machine says about default credentials.

use std::{env, ffi::OsString, fs, path::PathBuf};

/// What `gcloud auth application-default login` leaves below the directory of
/// the user.
const GCLOUD: &str = ".config/gcloud/application_default_credentials.json";

/// Where Linux tells what the firmware calls the machine.
const PRODUCT: &str = "/sys/class/dmi/id/product_name";

/// Where default credentials are announced. A value, so that a test can have
/// another one than the process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// `GOOGLE_APPLICATION_CREDENTIALS`.
    pub(crate) file: Option<OsString>,
    /// `GCE_METADATA_HOST`.
    pub(crate) metadata_host: Option<OsString>,
    /// The directory of the user.
    pub(crate) home: Option<PathBuf>,
    /// The file with the name of the machine's kind.
    pub(crate) product: PathBuf,
}

impl Environment {
    /// That of this process.
    pub(crate) fn here() -> Self {
        Self {
            file: env::var_os("GOOGLE_APPLICATION_CREDENTIALS"),
            metadata_host: env::var_os("GCE_METADATA_HOST"),
            home: env::var_os("HOME").map(PathBuf::from),
            product: PathBuf::from(PRODUCT),
        }
    }

    /// Whether something says that there are default credentials, so that a
    /// token which is not to be had now may come later.
    pub(crate) fn announces_credentials(&self) -> bool {
        let is_set = |variable: &Option<OsString>| variable.as_ref().is_some_and(|text| !text.is_empty());
        is_set(&self.file)
            || is_set(&self.metadata_host)
            || self.home.as_ref().is_some_and(|home| home.join(GCLOUD).is_file())
            || fs::read_to_string(&self.product).is_ok_and(|name| name.contains("Google"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sign_of_default_credentials_is_enough() {
        let place = tempfile::tempdir().unwrap();
        let none = Environment {
            home: Some(place.path().join("nobody")),
            product: place.path().join("none"),
            ..Environment::default()
        };
        assert!(!none.announces_credentials());
        assert!(!Environment { file: Some("".into()), ..none.clone() }.announces_credentials());
        assert!(Environment { file: Some("/key.json".into()), ..none.clone() }.announces_credentials());
        assert!(Environment { metadata_host: Some("host".into()), ..none.clone() }.announces_credentials());

        let left = place.path().join(GCLOUD);
        fs::create_dir_all(left.parent().unwrap()).unwrap();
        fs::write(&left, "{}").unwrap();
        let home = Some(place.path().to_path_buf());
        assert!(Environment { home, ..none.clone() }.announces_credentials());

        for (name, is_google) in [("Google Compute Engine\n", true), ("Standard PC\n", false)] {
            let product = place.path().join("product_name");
            fs::write(&product, name).unwrap();
            assert_eq!(Environment { product, ..none.clone() }.announces_credentials(), is_google, "{name}");
        }
    }
}
