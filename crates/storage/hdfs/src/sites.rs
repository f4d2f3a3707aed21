//! Hadoop's settings: from properties, from `core-site.xml` and `hdfs-site.xml`.
//!
//! They are read here and not by the client, so that one set of settings is in
//! force for the client and for our own checks, and so that blanks in lists of
//! NameNodes are taken away (the client would silently drop such a NameNode).

use rockhold_core::{Error, Result};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The largest site file that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// The settings in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sites(BTreeMap<String, String>);

impl Sites {
    /// Merges the site files and what is set in the configuration, which wins.
    ///
    /// # Errors
    /// `InvalidInput` for a file that is no site file, `NotFound` for a
    /// directory that was named and is not there.
    pub(crate) fn read(directory: Option<&Path>, set: &BTreeMap<String, String>) -> Result<Self> {
        let mut all = BTreeMap::new();
        let ambient = if directory.is_none() { ambient() } else { None };
        if let Some(directory) = directory.or(ambient.as_deref()) {
            if !directory.is_dir() {
                let error = Error::not_found("no such directory of Hadoop site files");
                return Err(error.during("open").at(directory.display()));
            }
            for name in ["core-site.xml", "hdfs-site.xml"] {
                read_file(&directory.join(name), &mut all)?;
            }
        }
        all.extend(set.iter().map(|(key, value)| (key.clone(), value.clone())));
        let tidy = all.into_iter().map(|(key, value)| {
            let value = if key.starts_with("dfs.ha.namenodes.") || key == "dfs.nameservices" {
                value.split(',').map(str::trim).filter(|id| !id.is_empty()).collect::<Vec<_>>().join(",")
            } else {
                value.trim().to_owned()
            };
            (key.trim().to_owned(), value)
        });
        Ok(Self(tidy.collect()))
    }

    /// One setting.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// All settings.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The ids of the NameNodes of a nameservice; empty for what is none.
    pub(crate) fn namenodes(&self, nameservice: &str) -> Vec<&str> {
        let ids = self.get(&format!("dfs.ha.namenodes.{nameservice}"));
        ids.map(|ids| ids.split(',').collect()).unwrap_or_default()
    }

    /// The address of one NameNode of a nameservice.
    pub(crate) fn address(&self, nameservice: &str, id: &str) -> Option<&str> {
        self.get(&format!("dfs.namenode.rpc-address.{nameservice}.{id}"))
    }

    /// Whether the settings ask for Kerberos.
    pub(crate) fn kerberos(&self) -> bool {
        self.get("hadoop.security.authentication").is_some_and(|how| !how.eq_ignore_ascii_case("simple"))
    }

    /// A number of bytes, with the letters that Hadoop allows (`128m`).
    ///
    /// # Errors
    /// `InvalidInput` naming the setting.
    pub(crate) fn bytes(&self, key: &'static str) -> Result<Option<u64>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        let (digits, shift) = match text.as_bytes()[text.len() - 1].to_ascii_lowercase() {
            b'k' => (&text[..text.len() - 1], 10),
            b'm' => (&text[..text.len() - 1], 20),
            b'g' => (&text[..text.len() - 1], 30),
            b't' => (&text[..text.len() - 1], 40),
            _ => (text, 0),
        };
        let number = digits.trim().parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift));
        match number {
            Some(number) if number > 0 => Ok(Some(number)),
            _ => Err(Error::invalid(format!(
                "`{}` is no number of bytes such as 134217728 or 128m",
                text.escape_debug()
            ))
            .at(key)),
        }
    }

    /// A number above zero.
    ///
    /// # Errors
    /// `InvalidInput` naming the setting.
    pub(crate) fn number(&self, key: &'static str) -> Result<Option<u64>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        match text.parse::<u64>() {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(Error::invalid(format!("`{}` is no number above zero", text.escape_debug())).at(key)),
        }
    }
}

/// The directory that the environment names.
fn ambient() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("HADOOP_CONF_DIR").or_else(|| Some(set("HADOOP_HOME")?.join("etc/hadoop")))
}

fn read_file(path: &Path, into: &mut BTreeMap<String, String>) -> Result<()> {
    let failed = |error| Error::io(error, "open", path.display());
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(facts) if facts.len() > LONGEST => {
            let message = format!("a site file has at most {LONGEST} bytes");
            return Err(Error::invalid(message).during("open").at(path.display()));
        }
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(&text, options).map_err(|error| {
        Error::invalid(format!("not a Hadoop site file: {error}")).during("open").at(path.display())
    })?;
    for property in document.root_element().children().filter(|node| node.has_tag_name("property")) {
        let text = |tag: &str| property.children().find(|node| node.has_tag_name(tag))?.text();
        if let Some(name) = text("name") {
            into.insert(name.trim().to_owned(), text("value").unwrap_or_default().to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn directory(core: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("core-site.xml"), core).unwrap();
        directory
    }

    #[test]
    fn blanks_in_the_list_of_namenodes_drop_none() {
        let sites = Sites::read(
            Some(tempfile::tempdir().unwrap().path()),
            &set(&[("dfs.ha.namenodes.ns1", " nn1 , nn2, "), ("dfs.namenode.rpc-address.ns1.nn2", " h:1 ")]),
        )
        .unwrap();
        assert_eq!(sites.namenodes("ns1"), ["nn1", "nn2"]);
        assert_eq!(sites.address("ns1", "nn2"), Some("h:1"));
        assert!(sites.namenodes("other").is_empty());
    }

    #[test]
    fn properties_win_over_site_files() {
        let directory = directory(
            "<?xml version='1.0'?><configuration><property><name>fs.defaultFS</name><value>hdfs://a:1</value>\
             </property><property><name> dfs.blocksize </name><value>2m</value></property></configuration>",
        );
        let sites = Sites::read(Some(directory.path()), &set(&[("fs.defaultFS", "hdfs://b:2")])).unwrap();
        assert_eq!(sites.get("fs.defaultFS"), Some("hdfs://b:2"));
        assert_eq!(sites.bytes("dfs.blocksize").unwrap(), Some(2 << 20));
    }

    #[test]
    fn what_is_no_site_file_is_named() {
        let directory = directory("<configuration>");
        let error = Sites::read(Some(directory.path()), &BTreeMap::new()).unwrap_err().to_string();
        assert!(error.contains("core-site.xml: not a Hadoop site file"), "{error}");
        let error = Sites::read(Some(Path::new("/no/such/conf")), &BTreeMap::new()).unwrap_err();
        assert!(error.to_string().contains("/no/such/conf"), "{error}");
        let sites = Sites::read(Some(directory.path().parent().unwrap()), &set(&[("dfs.blocksize", "big")]));
        assert!(sites.unwrap().bytes("dfs.blocksize").is_err());
    }
}
