//! The properties of CREATE REPOSITORY and FILES(), with their aliases.

use crate::{
    config::{HdfsConfig, Kerberos, Login},
    target::AUTHENTICATION,
};
use rockhold_core::{Error, OpenRepository, Result, Secret, is_slip};
use std::collections::BTreeMap;

/// What we read ourselves: the name, then its other spelling.
const OURS: [[&str; 2]; 7] = [
    ["username", "hadoop.username"],
    ["password", "hadoop.password"],
    ["kerberos_principal", "hadoop.kerberos.principal"],
    ["kerberos_keytab", "hadoop.kerberos.keytab"],
    ["kerberos_keytab_content", "hadoop.kerberos.keytab_content"],
    [AUTHENTICATION, AUTHENTICATION],
    [CACHE, CACHE],
];

const CACHE: &str = "hadoop.security.kerberos.ticket.cache.path";

/// Hadoop's settings that have an effect here; one that ends in a dot is the
/// beginning of names.
const HADOOP: [&str; 18] = [
    "fs.defaultFS",
    "dfs.nameservices",
    "dfs.ha.namenodes.",
    "dfs.namenode.rpc-address.",
    "dfs.client.failover.proxy.provider",
    "dfs.client.failover.proxy.provider.",
    "dfs.client.failover.random.order.",
    "dfs.client.failover.resolve-needed.",
    "dfs.client.failover.resolver.useFQDN.",
    "dfs.client.use.datanode.hostname",
    "dfs.client.socket-timeout",
    "dfs.client.block.write.replace-datanode-on-failure.enable",
    "dfs.client.block.write.replace-datanode-on-failure.policy",
    "dfs.client.block.write.replace-datanode-on-failure.best-effort",
    "dfs.data.transfer.protection",
    "dfs.replication",
    "dfs.blocksize",
    "fs.viewfs.mounttable.",
];

/// Known, and without effect by design.
const QUIET: [&str; 1] = ["fs.hdfs.impl.disable.cache"];

/// Hadoop's own names that look like slips of others.
const NAMESAKES: [&str; 1] = ["dfs.ha.namenode.id"];

/// Reads a request; gives what the user should hear too.
pub(crate) fn read(request: &OpenRepository) -> Result<(HdfsConfig, Vec<String>)> {
    let mut given: BTreeMap<&str, Value<'_>> = BTreeMap::new();
    let plain = request.properties.iter().map(|(name, value)| (name, Value::Plain(value)));
    for (name, value) in plain.chain(request.secrets.iter().map(|(name, value)| (name, Value::Secret(value))))
    {
        given.insert(name, value);
    }
    let mut config = HdfsConfig::new(request.location.clone()).create(request.create);
    let mut warnings = Vec::new();
    for (name, value) in &given {
        if OURS.iter().flatten().any(|known| known == name) || QUIET.contains(name) {
            continue;
        }
        if HADOOP.iter().any(|known| is_named(known, name)) {
            config.hadoop.insert((*name).to_owned(), value.text().to_owned());
            continue;
        }
        if let Some(known) = near(name) {
            let message = format!("not a property of HDFS; did you mean \"{}\"?", known.escape_debug());
            return Err(Error::invalid(message).at(name.escape_debug()));
        }
        warnings.push(format!("the property {} has no effect on HDFS", name.escape_debug()));
    }
    config.login = login(&given, &mut warnings)?;
    if let Some(how) = ours(&given, AUTHENTICATION)? {
        // It wins over site files that say otherwise.
        config.hadoop.insert(AUTHENTICATION.into(), how.to_ascii_lowercase());
    }
    Ok((config, warnings))
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Plain(&'a str),
    Secret(&'a Secret),
}

impl<'a> Value<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.expose(),
        }
    }
}

/// The value of one of [`OURS`] under either name; blank is not given.
fn ours<'a>(given: &BTreeMap<&str, Value<'a>>, name: &str) -> Result<Option<&'a str>> {
    let names = OURS.iter().find(|names| names[0] == name).copied().unwrap_or_default();
    let value = |name: &str| given.get(name).map(|value| value.text().trim()).filter(|text| !text.is_empty());
    match (value(names[0]), value(names[1])) {
        (Some(one), Some(other)) if one != other => {
            let message = format!("given with another value as \"{}\"; leave one out", names[1]);
            Err(Error::invalid(message).at(names[0]))
        }
        (one, other) => Ok(one.or(other)),
    }
}

fn login(given: &BTreeMap<&str, Value<'_>>, warnings: &mut Vec<String>) -> Result<Login> {
    let user = ours(given, "username")?;
    let kerberos = Kerberos {
        principal: ours(given, "kerberos_principal")?.map(str::to_owned),
        keytab: ours(given, "kerberos_keytab")?.map(Into::into),
        keytab_content: ours(given, "kerberos_keytab_content")?.map(Secret::new),
        ticket_cache: ours(given, CACHE)?.map(str::to_owned),
    };
    let names_kerberos = kerberos.principal.is_some()
        || kerberos.keytab.is_some()
        || kerberos.keytab_content.is_some()
        || kerberos.ticket_cache.is_some();
    let how = ours(given, AUTHENTICATION)?.map(str::to_ascii_lowercase);
    let by_kerberos = match how.as_deref() {
        Some("kerberos") => true,
        Some("simple") if names_kerberos => {
            let message =
                "`simple` contradicts the Kerberos properties beside it; say kerberos, or leave them out";
            return Err(Error::invalid(message).at(AUTHENTICATION));
        }
        Some("simple") => false,
        Some(other) => {
            let message = format!("`{}` is neither simple nor kerberos", other.escape_debug());
            return Err(Error::invalid(message).at(AUTHENTICATION));
        }
        None => names_kerberos,
    };
    if ours(given, "password")?.is_some() {
        warnings.push("the property password has no effect: HDFS knows no passwords".into());
    }
    if by_kerberos {
        if user.is_some() {
            warnings
                .push("the property username has no effect with Kerberos: the principal is the user".into());
        }
        return Ok(Login::Kerberos(kerberos));
    }
    Ok(user.map_or(Login::Unset, |user| Login::Simple { user: user.to_owned() }))
}

fn is_named(known: &str, name: &str) -> bool {
    if known.ends_with('.') { name.len() > known.len() && name.starts_with(known) } else { name == known }
}

/// A known name with an effect that somebody may have meant.
fn near(name: &str) -> Option<String> {
    if NAMESAKES.contains(&name) {
        return None;
    }
    let mut names = OURS.iter().flatten().chain(&HADOOP);
    names.find_map(|known| match known.strip_suffix('.') {
        None => is_slip(name, known).then(|| (*known).to_owned()),
        Some(beginning) => {
            let (begun, rest) = split_alike(name, beginning)?;
            is_slip(begun, beginning).then(|| format!("{known}{rest}"))
        }
    })
}

/// As many segments of a name as the beginning of names has, and the rest.
fn split_alike<'a>(name: &'a str, beginning: &str) -> Option<(&'a str, &'a str)> {
    let (dot, _) = name.match_indices('.').nth(beginning.matches('.').count())?;
    let rest = name.get(dot + 1..).filter(|rest| !rest.is_empty())?;
    Some((name.get(..dot)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(properties: &[(&str, &str)]) -> OpenRepository {
        let mut request = OpenRepository::new("hdfs://nn:8020/x");
        for (name, value) in properties {
            if rockhold_core::is_secret_property(name) {
                request.secrets.insert((*name).into(), (*value).into());
            } else {
                request.properties.insert((*name).into(), (*value).into());
            }
        }
        request
    }

    fn parsed(properties: &[(&str, &str)]) -> (HdfsConfig, Vec<String>) {
        read(&request(properties)).unwrap()
    }

    fn refused(properties: &[(&str, &str)]) -> String {
        read(&request(properties)).unwrap_err().to_string()
    }

    #[test]
    fn a_password_is_accepted_with_a_warning() {
        let (config, warnings) = parsed(&[("username", "bob"), ("password", "hunter2")]);
        assert!(matches!(config.login, Login::Simple { user } if user == "bob"));
        assert_eq!(warnings, ["the property password has no effect: HDFS knows no passwords"]);
    }

    #[test]
    fn both_spellings_are_taken_and_must_agree() {
        let (config, _) = parsed(&[("hadoop.username", "bob")]);
        assert!(matches!(config.login, Login::Simple { user } if user == "bob"));
        assert!(
            refused(&[("username", "a"), ("hadoop.username", "b")])
                .starts_with("username: given with another")
        );
    }

    #[test]
    fn kerberos_is_asked_for_by_name_or_by_its_properties() {
        let all = [
            ("hadoop.security.authentication", "kerberos"),
            ("kerberos_principal", "a@B"),
            ("hadoop.kerberos.keytab_content", "AAAA"),
        ];
        let (config, warnings) = parsed(&all);
        let Login::Kerberos(kerberos) = &config.login else { panic!("{config:?}") };
        assert_eq!(kerberos.keytab_content.as_ref().map(Secret::expose), Some("AAAA"));
        assert!(warnings.is_empty() && !format!("{config:?}").contains("AAAA"));
        assert!(matches!(parsed(&all[1..]).0.login, Login::Kerberos(_)));
        assert!(refused(&[("hadoop.security.authentication", "simple"), all[1]]).contains("contradicts"));
        assert!(
            refused(&[("hadoop.security.authentication", "kerb")]).contains("neither simple nor kerberos")
        );
    }

    #[test]
    fn hadoop_settings_go_through_and_others_are_warned_of() {
        let (config, warnings) = parsed(&[
            ("dfs.nameservices", "ns1"),
            ("dfs.ha.namenodes.ns1", "a, b"),
            ("fs.hdfs.impl.disable.cache", "true"),
            ("dfs.client.read.shortcircuit", "true"),
            ("aws.s3.region", "x"),
        ]);
        assert_eq!(config.hadoop.len(), 2);
        assert_eq!(parsed(&[(AUTHENTICATION, "SIMPLE")]).0.hadoop[AUTHENTICATION], "simple");
        assert_eq!(
            warnings,
            [
                "the property aws.s3.region has no effect on HDFS",
                "the property dfs.client.read.shortcircuit has no effect on HDFS"
            ]
        );
    }

    #[test]
    fn a_near_miss_is_refused_by_name() {
        for (wrong, right) in [
            ("user_name", "username"),
            ("kerberos_principle", "kerberos_principal"),
            ("dfs.nameservice", "dfs.nameservices"),
            ("fs.defaultfs", "fs.defaultFS"),
            ("hadoop.security.authentification", "hadoop.security.authentication"),
            (
                "dfs.client.block.write.replace_datanode_on_failure.enable",
                "dfs.client.block.write.replace-datanode-on-failure.enable",
            ),
            // Its name before Hadoop 2, which would have no effect here.
            ("dfs.block.size", "dfs.blocksize"),
            ("dfs.ha.namenode.ns1", "dfs.ha.namenodes.ns1"),
            ("DFS.HA.NameNodes.ns1", "dfs.ha.namenodes.ns1"),
            ("dfs.namenode.rpc_address.ns1.nn1", "dfs.namenode.rpc-address.ns1.nn1"),
            ("dfs.name_node.rpc_address.ns1.nn1", "dfs.namenode.rpc-address.ns1.nn1"),
            ("dfs.namenodes.rpcaddress.ns1.nn1", "dfs.namenode.rpc-address.ns1.nn1"),
            ("dfs.client.fail_over.proxy.provider.ns1", "dfs.client.failover.proxy.provider.ns1"),
            ("dfs.client.failover.proxy.providers.ns1", "dfs.client.failover.proxy.provider.ns1"),
            ("dfs.client.failover.resolve_needed.ns1", "dfs.client.failover.resolve-needed.ns1"),
            ("fs.viewfs.mountable.t.link./a.b", "fs.viewfs.mounttable.t.link./a.b"),
        ] {
            let text = refused(&[(wrong, "x")]);
            assert_eq!(text, format!("{wrong}: not a property of HDFS; did you mean \"{right}\"?"));
        }
    }

    /// Names that a copied site file may hold, above all those that resemble one
    /// with an effect here.
    #[test]
    fn names_of_hadoop_are_not_taken_for_slips_of_others() {
        let names = "
            dfs.block.access.token.enable
            dfs.bytes-per-checksum
            dfs.client-write-packet-size
            dfs.client.block.write.locateFollowingBlock.retries
            dfs.client.block.write.replace-datanode-on-failure.min-replication
            dfs.client.block.write.retries
            dfs.client.datanode-restart.timeout
            dfs.client.failover.connection.retries
            dfs.client.failover.connection.retries.on.timeouts
            dfs.client.failover.max.attempts
            dfs.client.failover.observer.auto-msync-period.ns1
            dfs.client.failover.random.order
            dfs.client.failover.resolve-needed
            dfs.client.failover.resolver.impl.ns1
            dfs.client.failover.sleep.base.millis
            dfs.client.failover.sleep.max.millis
            dfs.client.hedged.read.threadpool.size
            dfs.client.read.shortcircuit
            dfs.client.socketcache.capacity
            dfs.client.use.legacy.blockreader.local
            dfs.data.transfer.saslproperties.resolver.class
            dfs.datanode.address
            dfs.datanode.ipc.address
            dfs.datanode.kerberos.principal
            dfs.datanode.use.datanode.hostname
            dfs.domain.socket.path
            dfs.encrypt.data.transfer
            dfs.federation.router.rpc-address
            dfs.ha.automatic-failover.enabled
            dfs.ha.fencing.methods
            dfs.ha.namenode.id
            dfs.ha.namenodes
            dfs.ha.standby.checkpoints
            dfs.ha.tail-edits.period
            dfs.internal.nameservices
            dfs.journalnode.rpc-address
            dfs.journalnode.rpc-address.ns1
            dfs.namenode.http-address.ns1.nn1
            dfs.namenode.https-address.ns1.nn1
            dfs.namenode.kerberos.principal
            dfs.namenode.kerberos.principal.pattern
            dfs.namenode.lifeline.rpc-address.ns1.nn1
            dfs.namenode.lifeline.rpc-bind-host
            dfs.namenode.name.dir.ns1.nn1
            dfs.namenode.replication.min
            dfs.namenode.rpc-address
            dfs.namenode.rpc-address.auxiliary-ports
            dfs.namenode.rpc-bind-host.ns1.nn1
            dfs.namenode.secondary.http-address.ns1.nn1
            dfs.namenode.servicerpc-address.ns1.nn1
            dfs.namenode.servicerpc-bind-host
            dfs.namenode.shared.edits.dir.ns1
            dfs.nameservice.id
            dfs.permissions.enabled
            dfs.replication.max
            fs.AbstractFileSystem.hdfs.impl
            fs.abfs.impl.disable.cache
            fs.default.name
            fs.file.impl.disable.cache
            fs.hdfs.impl
            fs.hdfs.impl.disable.cache
            fs.o3fs.impl.disable.cache
            fs.ofs.impl.disable.cache
            fs.s3a.impl.disable.cache
            fs.trash.interval
            fs.viewfs.impl.disable.cache
            fs.viewfs.mount.links.as.symlinks
            fs.viewfs.mounttable.default.name.key
            fs.viewfs.overload.scheme.target.hdfs.impl
            fs.viewfs.rename.strategy
            fs.webhdfs.impl.disable.cache
            hadoop.http.authentication.type
            hadoop.kerberos.keytab.login.autorenewal.enabled
            hadoop.kerberos.min.seconds.before.relogin
            hadoop.rpc.protection
            hadoop.security.auth_to_local
            hadoop.security.authorization
            hadoop.security.group.mapping
            hadoop.security.key.provider.path
            hadoop.security.token.service.use_ip
            hadoop.user.group.static.mapping.overrides
            ipc.client.connect.max.retries
            ipc.client.fallback-to-simple-auth-allowed
        ";
        for name in names.split_whitespace() {
            let read = read(&request(&[(name, "x")]));
            assert!(read.is_ok(), "{:?}", read.err());
        }
    }
}
