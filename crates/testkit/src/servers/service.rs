//! What a client must know of a server that runs, and where tests find it.

use super::{Failure, named, skip};
use std::{collections::BTreeMap, path::Path};

/// The variable that names the JSON file of the shared servers.
pub const SERVICES: &str = "ROCKHOLD_SERVICES";

/// How to reach a server: its name and a flat map, such as `endpoint`,
/// `access_key`, `secret_key`, `region`.
#[derive(Clone, PartialEq, Eq)]
pub struct Service {
    name: String,
    fields: BTreeMap<String, String>,
}

// Test credentials are no secrets; logs are shorter without them all the same.
impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Service({}, {:?})", self.name, self.fields.keys())
    }
}

impl Service {
    /// A service from its parts.
    pub fn new(name: &str, fields: BTreeMap<String, String>) -> Self {
        Self { name: name.to_owned(), fields }
    }

    /// The name of the server, such as `minio`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All fields.
    pub fn fields(&self) -> &BTreeMap<String, String> {
        &self.fields
    }

    /// The field called `field`.
    ///
    /// # Panics
    ///
    /// When the server does not have it: the test asks for the wrong thing.
    pub fn get(&self, field: &str) -> &str {
        match self.fields.get(field) {
            Some(value) => value,
            None => panic!("the server {} has no field {field}, only {:?}", self.name, self.fields.keys()),
        }
    }
}

/// The shared server called `name`, or `None`, counted as a skip of `test`,
/// when none was started.
///
/// # Panics
///
/// When no server has that name, or when the file of the services is broken.
pub fn service(name: &str, test: &str) -> Option<Service> {
    let Some(server) = named(name) else { panic!("there is no server called {name}") };
    let found = match std::env::var_os(SERVICES) {
        None => None,
        Some(path) => match read_services(Path::new(&path)) {
            Ok(services) => services.into_iter().find(|service| service.name == name),
            Err(failure) => panic!("{SERVICES}: {failure}"),
        },
    };
    if found.is_none() {
        let reason = server
            .missing()
            .unwrap_or_else(|| format!("{name} is not running: cargo xtask services up {name}"));
        skip(test, &reason);
    }
    found
}

/// Reads the file that `cargo xtask services up` wrote.
pub fn read_services(path: &Path) -> Result<Vec<Service>, Failure> {
    let wrong = |what: String| Failure::new(format!("{}: {what}", path.display()));
    let text = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
    let all: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
    Ok(all.into_iter().map(|(name, fields)| Service { name, fields }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_read_from_a_flat_file() {
        let dir = std::env::temp_dir().join(format!("rockhold-services-{}.json", std::process::id()));
        std::fs::write(&dir, r#"{"minio": {"endpoint": "http://127.0.0.1:9123", "region": "us-east-1"}}"#)
            .unwrap();
        let services = read_services(&dir).unwrap();
        std::fs::write(&dir, r#"{"minio": ["endpoint"]}"#).unwrap();
        let broken = read_services(&dir).unwrap_err().to_string();
        std::fs::remove_file(&dir).unwrap();
        assert_eq!(services.len(), 1);
        assert_eq!(services[0].name(), "minio");
        assert_eq!(services[0].get("endpoint"), "http://127.0.0.1:9123");
        assert!(broken.contains("rockhold-services-"), "{broken}");
    }
}
