//! What is connected to: addresses, settings and identity, worked out once.

use crate::{
    config::{HdfsConfig, Kerberos, Location, Login},
    keytab,
    sites::Sites,
};
use hdfs_native::{Client, ClientBuilder, HdfsError, WriteOptions};
use rockhold_core::{Error, ErrorKind, Result};
use std::path::PathBuf;
use tempfile::NamedTempFile;

/// The port of a NameNode whose address names none.
const DEFAULT_PORT: u16 = 8020;

/// What is connected to, and as whom.
pub(crate) struct Target {
    /// `hdfs://host:port`, `hdfs://nameservice` or `viewfs://table`.
    url: String,
    /// The root directory without a slash at its end.
    pub(crate) root: String,
    sites: Sites,
    identity: Identity,
    options: WriteOptions,
}

enum Identity {
    Simple(Option<String>),
    Kerberos {
        principal: Option<String>,
        keytab: Option<PathBuf>,
        cache: Option<String>,
        /// Holds the file that `keytab` names, where we made it.
        _unpacked: Option<NamedTempFile>,
    },
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let user = match &self.identity {
            Identity::Simple(user) => user,
            Identity::Kerberos { principal, .. } => principal,
        };
        f.debug_struct("Target")
            .field("location", &self.location())
            .field("user", user)
            .finish_non_exhaustive()
    }
}

impl Target {
    /// Checks and merges everything; reads files, so it may block.
    ///
    /// # Errors
    /// `InvalidInput` naming the setting, `Unauthenticated` for a keytab or a
    /// cache that cannot be used.
    pub(crate) fn new(config: &HdfsConfig) -> Result<Self> {
        let location = Location::parse(&config.location)?;
        let mut set = config.hadoop.clone();
        match &config.login {
            Login::Unset => {}
            Login::Simple { .. } => drop(set.insert(AUTHENTICATION.into(), "simple".into())),
            Login::Kerberos(_) => drop(set.insert(AUTHENTICATION.into(), "kerberos".into())),
        }
        let sites = Sites::read(config.conf_dir.as_deref(), &set)?;
        let how = sites.get(AUTHENTICATION).unwrap_or("simple");
        if !["simple", "kerberos"].iter().any(|known| known.eq_ignore_ascii_case(how)) {
            let message = format!("`{}` is neither simple nor kerberos", how.escape_debug());
            return Err(Error::invalid(message).at(AUTHENTICATION));
        }
        let identity = match &config.login {
            Login::Simple { user } => Identity::Simple(Some(user.clone())),
            Login::Kerberos(kerberos) => Identity::kerberos(kerberos)?,
            Login::Unset if sites.kerberos() => Identity::kerberos(&Kerberos::new())?,
            Login::Unset => Identity::Simple(None),
        };
        let options = WriteOptions {
            block_size: sites.bytes("dfs.blocksize")?,
            replication: sites.number("dfs.replication")?.and_then(|replicas| u32::try_from(replicas).ok()),
            ..WriteOptions::default()
        };
        let url = url(&location, &sites).map_err(|error| error.at(&config.location))?;
        Ok(Self { url, root: location.path, sites, identity, options })
    }

    /// The location as a person would write it.
    pub(crate) fn location(&self) -> String {
        let root = if self.root.is_empty() { "/" } else { &self.root };
        format!("{}{root}", self.url)
    }

    /// Where the servers are, for messages.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How files are created.
    pub(crate) fn options(&self) -> &WriteOptions {
        &self.options
    }

    /// Whether Kerberos is asked for.
    pub(crate) fn kerberos(&self) -> bool {
        matches!(self.identity, Identity::Kerberos { .. })
    }

    /// Host and port of every NameNode concerned.
    pub(crate) fn namenodes(&self) -> Vec<String> {
        let mut urls = vec![self.url.as_str()];
        if let Some(table) = self.url.strip_prefix("viewfs://") {
            let links = format!("fs.viewfs.mounttable.{table}.link");
            urls = self.sites.iter().filter(|(key, _)| key.starts_with(&links)).map(|(_, url)| url).collect();
        }
        let mut addresses = Vec::new();
        for url in urls {
            let authority =
                url.strip_prefix("hdfs://").unwrap_or_default().split('/').next().unwrap_or_default();
            let ids = self.sites.namenodes(authority);
            if ids.is_empty() && authority.contains(':') {
                addresses.push(authority.to_owned());
            }
            let named = ids.into_iter().filter_map(|id| self.sites.address(authority, id));
            addresses.extend(named.map(str::to_owned));
        }
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// The nameservice that is connected to, where it is one, and the addresses
    /// of its NameNodes.
    pub(crate) fn nameservice(&self) -> Option<(&str, Vec<String>)> {
        let name = self.url.strip_prefix("hdfs://").filter(|authority| !authority.contains(':'))?;
        Some((name, self.namenodes()))
    }

    /// Makes a client; may block. `turn` says with which NameNode of a
    /// nameservice it begins, so that one that hangs is not asked first again.
    ///
    /// # Errors
    /// What the client says of the settings.
    pub(crate) fn build(&self, turn: usize) -> Result<Client, HdfsError> {
        let mut settings: Vec<(String, String)> =
            self.sites.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        for (key, value) in &mut settings {
            if key.starts_with("dfs.ha.namenodes.") {
                let mut ids: Vec<&str> = value.split(',').collect();
                let by = turn % ids.len().max(1);
                ids.rotate_left(by);
                *value = ids.join(",");
            }
        }
        let mut force = |key: &str, value: &str| {
            settings.retain(|(other, _)| other != key);
            settings.push((key.to_owned(), value.to_owned()));
        };
        // Each NameNode of a pair is asked twice, shortly one after the other.
        // Waiting longer is for the one retry loop above all adapters.
        force("dfs.client.failover.max.attempts", "3");
        force("dfs.client.failover.sleep.base.millis", "50");
        force("dfs.client.failover.sleep.max.millis", "200");
        force(AUTHENTICATION, if self.kerberos() { "kerberos" } else { "simple" });
        if self.kerberos() && self.sites.get(PROTECTION).is_none() {
            // Without it the client talks to DataNodes in clear, and they hang up.
            // Which protection is used, the DataNode says.
            force(PROTECTION, "authentication");
        }
        // The client would read the environment's site files again, without our care.
        let builder = ClientBuilder::new().with_url(&self.url).with_config_dir("/nonexistent/rockhold");
        let builder = match &self.identity {
            Identity::Simple(None) => builder,
            Identity::Simple(Some(user)) => builder.with_user(user),
            Identity::Kerberos { principal, keytab, cache, .. } => {
                let mut builder = builder;
                if let Some(principal) = principal {
                    builder = builder.with_kerberos_principal(principal);
                }
                if let Some(keytab) = keytab {
                    builder = builder.with_kerberos_keytab(keytab.to_string_lossy());
                }
                if let Some(cache) = cache {
                    builder = builder.with_kerberos_cache(cache);
                }
                builder
            }
        };
        builder.with_config(settings).build()
    }
}

/// The setting that chooses between simple and Kerberos.
pub(crate) const AUTHENTICATION: &str = "hadoop.security.authentication";
const PROTECTION: &str = "dfs.data.transfer.protection";

impl Identity {
    fn kerberos(given: &Kerberos) -> Result<Self> {
        let refuse = |kind, key: &str, message: String| Err(Error::new(kind, message).during("open").at(key));
        let principal = given.principal.as_deref().map(str::trim).filter(|text| !text.is_empty());
        if given.keytab.is_some() && given.keytab_content.is_some() {
            let message = "given twice, as a file and as content; leave one out";
            return refuse(ErrorKind::InvalidInput, "kerberos_keytab", message.into());
        }
        let needs = given.keytab.is_some() || given.keytab_content.is_some() || given.ticket_cache.is_some();
        let Some(principal) = principal else {
            if needs {
                let message = "needed beside a keytab or a ticket cache, such as backup@EXAMPLE.COM";
                return refuse(ErrorKind::InvalidInput, "kerberos_principal", message.into());
            }
            return Ok(Self::Kerberos { principal: None, keytab: None, cache: None, _unpacked: None });
        };
        let unpacked = given.keytab_content.as_ref().map(keytab::unpack).transpose()?;
        let keytab = unpacked.as_ref().map(|file| file.path().to_owned()).or_else(|| given.keytab.clone());
        if let Some(path) = &keytab {
            let checked = keytab::check(path, principal);
            if unpacked.is_some() {
                // The temporary file is nothing a person knows.
                checked.map_err(|error| {
                    Error::new(error.kind(), error.message().to_owned())
                        .during("open")
                        .at("kerberos_keytab_content")
                })?;
            } else {
                checked?;
            }
        }
        let cache = given.ticket_cache.as_deref().map(str::trim).filter(|text| !text.is_empty());
        if let Some(cache) = cache
            && keytab.is_none()
            && let Some(path) =
                cache.strip_prefix("FILE:").or_else(|| cache.starts_with('/').then_some(cache))
            && let Err(error) = std::fs::File::open(path)
        {
            let message = format!("the ticket cache cannot be read: {error}; run kinit first");
            return refuse(ErrorKind::Unauthenticated, path, message);
        }
        Ok(Self::Kerberos {
            principal: Some(principal.to_owned()),
            keytab,
            cache: cache.map(str::to_owned),
            _unpacked: unpacked,
        })
    }
}

/// The address that the client is given.
fn url(location: &Location, sites: &Sites) -> Result<String> {
    let (mut scheme, mut authority) = (location.scheme, location.authority.clone());
    if authority.is_empty() {
        let default = sites.get("fs.defaultFS").ok_or_else(|| {
            Error::invalid(
                "the location names no host, and there is no fs.defaultFS; write hdfs://host:port/path",
            )
        })?;
        let default = Location::parse(default)?;
        (scheme, authority) = (default.scheme, default.authority);
    }
    if authority.is_empty() {
        return Err(Error::invalid("fs.defaultFS names no host"));
    }
    if scheme == "viewfs" {
        let table = format!("fs.viewfs.mounttable.{authority}.link");
        if !sites.iter().any(|(key, _)| key.starts_with(&table)) {
            let message = format!("the mount table {authority} is not known; set {table}.<path>");
            return Err(Error::invalid(message));
        }
        // The client does not begin without one, though every path had a link.
        if sites.get(&format!("{table}Fallback")).is_none() {
            let message = format!(
                "{table}Fallback is missing; name the cluster of all paths that have no link, such as \
                 hdfs://host:port/"
            );
            return Err(Error::invalid(message));
        }
        return Ok(format!("viewfs://{authority}"));
    }
    if authority.contains(':') {
        return Ok(format!("hdfs://{authority}"));
    }
    let ids = sites.namenodes(&authority);
    if ids.is_empty() {
        let known = sites.get("dfs.nameservices").is_some_and(|all| all.split(',').any(|ns| ns == authority));
        if known {
            return Err(Error::invalid(format!("dfs.ha.namenodes.{authority} is missing")));
        }
        return Ok(format!("hdfs://{authority}:{DEFAULT_PORT}"));
    }
    for id in ids {
        if !sites.address(&authority, id).is_some_and(is_host_and_port) {
            let message = format!("dfs.namenode.rpc-address.{authority}.{id} is missing, or not host:port");
            return Err(Error::invalid(message));
        }
    }
    Ok(format!("hdfs://{authority}"))
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(['/', '@', ','])
            && !host.contains(char::is_whitespace)
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(config: HdfsConfig) -> Result<Target> {
        // No ambient site files.
        let empty = tempfile::tempdir().unwrap();
        Target::new(&config.conf_dir(empty.path()))
    }

    fn refused(config: HdfsConfig) -> String {
        target(config).unwrap_err().to_string()
    }

    #[test]
    fn a_host_without_a_port_gets_the_usual_one_and_a_nameservice_its_namenodes() {
        let single = target(HdfsConfig::new("hdfs://nn/x")).unwrap();
        assert_eq!(
            (single.location(), single.namenodes()),
            ("hdfs://nn:8020/x".into(), vec!["nn:8020".into()])
        );
        let pair = HdfsConfig::new("hdfs://ns1/x")
            .set("dfs.nameservices", "ns1")
            .set("dfs.ha.namenodes.ns1", "nn1, nn2")
            .set("dfs.namenode.rpc-address.ns1.nn1", "a:1")
            .set("dfs.namenode.rpc-address.ns1.nn2", "b:2");
        assert_eq!(target(pair.clone()).unwrap().namenodes(), ["a:1", "b:2"]);
        let by_default =
            HdfsConfig { location: "hdfs:///x".into(), ..pair.clone() }.set("fs.defaultFS", "hdfs://ns1");
        assert_eq!(target(by_default).unwrap().location(), "hdfs://ns1/x");
        for bad in ["", "b", "http://b/", "http://b:8020", "b:0", "b:", ":8020", "b c:8020", "u:p@b:8020"] {
            let text = refused(pair.clone().set("dfs.namenode.rpc-address.ns1.nn2", bad));
            assert!(
                text.ends_with("dfs.namenode.rpc-address.ns1.nn2 is missing, or not host:port"),
                "{text}"
            );
        }
        let text = refused(HdfsConfig::new("hdfs://ns1/x").set("dfs.nameservices", "ns0,ns1"));
        assert!(text.contains("dfs.ha.namenodes.ns1 is missing"), "{text}");
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(refused(HdfsConfig::new("hdfs:///x")).contains("fs.defaultFS"));
        let viewfs = HdfsConfig::new("viewfs://t/x");
        assert!(refused(viewfs.clone()).contains("fs.viewfs.mounttable.t.link"));
        let text = refused(viewfs.set("fs.viewfs.mounttable.t.link./x", "hdfs://a:1/data"));
        assert!(text.contains("fs.viewfs.mounttable.t.linkFallback is missing"), "{text}");
        let kerberos = |given| HdfsConfig::new("hdfs://nn/x").login(Login::Kerberos(given));
        let keytab = Kerberos { keytab: Some("/x".into()), ..Kerberos::new() };
        assert!(refused(kerberos(keytab)).contains("kerberos_principal: needed"));
        assert!(refused(kerberos(Kerberos::keytab("a@B", "/no/such"))).contains("open /no/such: the keytab"));
        let cache = Kerberos {
            principal: Some("a@B".into()),
            ticket_cache: Some("FILE:/no/cache".into()),
            ..Kerberos::new()
        };
        assert!(refused(kerberos(cache)).contains("open /no/cache: the ticket cache"));
        let text = refused(HdfsConfig::new("hdfs://nn/x").set(AUTHENTICATION, "kerberose"));
        assert!(text.contains("neither simple nor kerberos"), "{text}");
    }

    #[test]
    fn the_mount_table_of_viewfs_names_its_namenodes() {
        let config = HdfsConfig::new("viewfs://t/x")
            .set("fs.viewfs.mounttable.t.link./x", "hdfs://a:1/data")
            .set("fs.viewfs.mounttable.t.linkFallback", "hdfs://b:2/");
        assert_eq!(target(config).unwrap().namenodes(), ["a:1", "b:2"]);
    }
}
