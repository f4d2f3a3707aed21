//! HDFS: a real Hadoop cluster, simple, with Kerberos, or with two NameNodes.
//!
//! Every cluster has one DataNode, and a directory `/everybody` in which everybody
//! may write; `/` belongs to whoever runs it.

use super::{
    Failure, Lifetime, Process, Program, Running, Server, State, free_port, hadoop,
    kdc::{self, Kdc, REALM, USERS},
};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// The server `hdfs`. Fields: `url` (`hdfs://127.0.0.1:…`), `namenode` (host
/// and port). Its processes are `nn1` and `dn`; both keep what they have when
/// killed.
#[derive(Debug)]
pub struct Hdfs;

/// The server `hdfs-kerberos`. Fields as of `hdfs`, and `krb5_conf` (for
/// `KRB5_CONFIG`), `realm`, and for the users `alice` and `bob`, of whom each
/// has a keytab, `alice_keytab` and `bob_keytab`. Its processes are `kdc`,
/// `nn1` and `dn`.
#[derive(Debug)]
pub struct HdfsKerberos;

/// The server `hdfs-ha`. Fields: `url` (`hdfs://ns1`), `nameservice`, and the
/// addresses `nn1` and `nn2`. Its processes are `nn1`, `nn2` and `dn`; the
/// first is active when it starts, and [`make_active`] changes that.
#[derive(Debug)]
pub struct HdfsHa;

/// The server `hdfs-ha-kerberos`: `hdfs-ha` with the fields of
/// `hdfs-kerberos`, and both kinds of processes.
#[derive(Debug)]
pub struct HdfsHaKerberos;

const NAMESERVICE: &str = "ns1";
const NAMENODE: &str = "org.apache.hadoop.hdfs.server.namenode.NameNode";
const DATANODE: &str = "org.apache.hadoop.hdfs.server.datanode.DataNode";

macro_rules! server {
    ($server:ty, $name:literal, kerberos: $kerberos:literal, pair: $pair:literal) => {
        impl Server for $server {
            fn name(&self) -> &'static str {
                $name
            }

            fn missing(&self) -> Option<String> {
                let kerberos = || hadoop::KDC.missing($name).or_else(kdc::missing_library);
                hadoop::HDFS.missing($name).or_else(|| if $kerberos { kerberos() } else { None })
            }

            fn install(&self, log: &Path) -> Result<(), Failure> {
                if $kerberos {
                    hadoop::KDC.install(log)?;
                }
                hadoop::HDFS.install(log)
            }

            fn start(&self, state: State, lifetime: Lifetime) -> Result<Running, Failure> {
                start($name, state, lifetime, $kerberos, $pair)
            }
        }
    };
}

server!(Hdfs, "hdfs", kerberos: false, pair: false);
server!(HdfsKerberos, "hdfs-kerberos", kerberos: true, pair: false);
server!(HdfsHa, "hdfs-ha", kerberos: false, pair: true);
server!(HdfsHaKerberos, "hdfs-ha-kerberos", kerberos: true, pair: true);

/// One NameNode.
struct NameNode {
    id: &'static str,
    rpc: u16,
    http: u16,
}

fn start(
    name: &'static str,
    state: State,
    lifetime: Lifetime,
    kerberos: bool,
    pair: bool,
) -> Result<Running, Failure> {
    let kdc = if kerberos { Some(Kdc::start(&state, lifetime)?) } else { None };
    let ids: &[&'static str] = if pair { &["nn1", "nn2"] } else { &["nn1"] };
    let namenodes: Vec<NameNode> =
        ids.iter().map(|id| NameNode { id, rpc: free_port(), http: free_port() }).collect();
    let host = if kerberos { "localhost" } else { "127.0.0.1" };
    let files = KdcFiles::of(state.path());
    let cluster = Cluster { dir: state.path().to_owned(), host, namenodes, kdc: files };
    cluster.configure(&state)?;
    let first = &cluster.namenodes[0];
    cluster.java(first.id, NAMENODE).args(["-format", "-nonInteractive"]).run(&cluster.log())?;
    let mut processes: Vec<Process> = kdc.map(|kdc| kdc.process).into_iter().collect();
    processes.push(cluster.namenode(first, lifetime)?);
    for second in cluster.namenodes.iter().skip(1) {
        cluster
            .java(second.id, NAMENODE)
            .args(["-bootstrapStandby", "-nonInteractive"])
            .run(&cluster.log())?;
        processes.push(cluster.namenode(second, lifetime)?);
    }
    let http = first.http;
    let registered =
        move || jmx(http, "FSNamesystemState").is_some_and(|text| field_is(&text, "NumLiveDataNodes", "1"));
    let datanode = cluster.java(first.id, DATANODE);
    processes.push(Process::start("dn", datanode, state.path(), lifetime, registered)?);
    if pair {
        transition(state.path(), first.id, false)?;
    }
    cluster.make_work()?;
    let address = |namenode: &NameNode| format!("{host}:{}", namenode.rpc);
    let mut fields = Vec::new();
    if pair {
        fields.push(("url".to_owned(), format!("hdfs://{NAMESERVICE}")));
        fields.push(("nameservice".to_owned(), NAMESERVICE.to_owned()));
        fields.extend(cluster.namenodes.iter().map(|namenode| (namenode.id.to_owned(), address(namenode))));
    } else {
        fields.push(("url".to_owned(), format!("hdfs://{}", address(first))));
        fields.push(("namenode".to_owned(), address(first)));
    }
    if let Some(kdc) = &cluster.kdc {
        fields.push(("krb5_conf".to_owned(), kdc.krb5_conf.display().to_string()));
        fields.push(("realm".to_owned(), REALM.to_owned()));
        for user in USERS {
            let keytab = state.path().join(format!("{user}.keytab"));
            fields.push((format!("{user}_keytab"), keytab.display().to_string()));
        }
    }
    let running = Running::new(name, state, processes);
    Ok(fields.into_iter().fold(running, |running, (name, value)| running.field(&name, value)))
}

/// Makes one NameNode of a pair the active one. The other is asked to step
/// back first; when it is dead, `by_force` is needed.
pub fn make_active(cluster: &Running, id: &str, by_force: bool) -> Result<(), Failure> {
    if !by_force {
        let other = if id == "nn1" { "nn2" } else { "nn1" };
        admin(cluster.state(), &["-failover", other, id])?;
        return Ok(());
    }
    transition(cluster.state(), id, true)
}

fn transition(state: &Path, id: &str, by_force: bool) -> Result<(), Failure> {
    let mut arguments = vec!["-transitionToActive"];
    if by_force {
        arguments.push("--forceactive");
    }
    arguments.push(id);
    admin(state, &arguments)
}

fn admin(state: &Path, arguments: &[&str]) -> Result<(), Failure> {
    tool(state, "org.apache.hadoop.hdfs.tools.DFSHAAdmin")
        .args(["-ns", NAMESERVICE])
        .args(arguments)
        .run(&state.join("admin.log"))
}

/// Puts the NameNode into safe mode, or takes it out.
pub fn safe_mode(cluster: &Running, enter: bool) -> Result<(), Failure> {
    let state = cluster.state();
    tool(state, "org.apache.hadoop.hdfs.tools.DFSAdmin")
        .args(["-safemode", if enter { "enter" } else { "leave" }])
        .run(&state.join("admin.log"))
}

/// A program of Hadoop's that acts as the user of the NameNodes.
fn tool(state: &Path, class: &str) -> Program {
    let kdc = KdcFiles::of(state);
    let options: Vec<String> = kdc.iter().map(KdcFiles::option).collect();
    let program = hadoop::HDFS.java(Some(&state.join("conf-nn1")), &options, class);
    match kdc {
        None => program,
        // By these, Hadoop logs in without a ticket cache.
        Some(kdc) => program
            .env("KRB5PRINCIPAL", format!("nn/localhost@{REALM}"))
            .env("KRB5KEYTAB", kdc.keytab.display().to_string()),
    }
}

struct KdcFiles {
    krb5_conf: PathBuf,
    keytab: PathBuf,
}

impl KdcFiles {
    /// Those of a cluster, where it has a KDC.
    fn of(state: &Path) -> Option<Self> {
        let files = Self { krb5_conf: state.join(kdc::KRB5_CONF), keytab: state.join(kdc::KEYTAB) };
        files.krb5_conf.exists().then_some(files)
    }

    /// What a Java machine is told.
    fn option(&self) -> String {
        format!("-Djava.security.krb5.conf={}", self.krb5_conf.display())
    }
}

struct Cluster {
    dir: PathBuf,
    host: &'static str,
    namenodes: Vec<NameNode>,
    kdc: Option<KdcFiles>,
}

impl Cluster {
    fn log(&self) -> PathBuf {
        self.dir.join("admin.log")
    }

    fn java(&self, id: &str, class: &str) -> Program {
        let options: Vec<String> = self.kdc.iter().map(KdcFiles::option).collect();
        hadoop::HDFS.java(Some(&self.dir.join(format!("conf-{id}"))), &options, class)
    }

    fn namenode(&self, namenode: &NameNode, lifetime: Lifetime) -> Result<Process, Failure> {
        let http = namenode.http;
        let ready = move || jmx(http, "FSNamesystemState").is_some();
        Process::start(namenode.id, self.java(namenode.id, NAMENODE), &self.dir, lifetime, ready)
    }

    /// A folder of settings for each NameNode; that of the first serves the
    /// DataNode too.
    fn configure(&self, state: &State) -> Result<(), Failure> {
        for namenode in &self.namenodes {
            let conf = format!("conf-{}", namenode.id);
            // Hadoop looks for its web pages on the class path.
            for page in ["hdfs", "datanode", "secondary"] {
                state.dir(&format!("{conf}/webapps/{page}"))?;
            }
            state.file(&format!("{conf}/core-site.xml"), &site(&self.core()))?;
            state.file(&format!("{conf}/hdfs-site.xml"), &site(&self.hdfs(namenode)))?;
            state.file(
                &format!("{conf}/log4j.properties"),
                "log4j.rootLogger=INFO,console\n\
                 log4j.appender.console=org.apache.log4j.ConsoleAppender\n\
                 log4j.appender.console.target=System.err\n\
                 log4j.appender.console.layout=org.apache.log4j.PatternLayout\n\
                 log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %c{2}: %m%n\n",
            )?;
        }
        Ok(())
    }

    fn core(&self) -> Vec<(String, String)> {
        let first = &self.namenodes[0];
        let default = match self.namenodes.len() {
            1 => format!("hdfs://{}:{}", self.host, first.rpc),
            _ => format!("hdfs://{NAMESERVICE}"),
        };
        let mut all = vec![("fs.defaultFS".into(), default), ("hadoop.tmp.dir".into(), self.path("tmp"))];
        if self.kdc.is_some() {
            all.push(("hadoop.security.authentication".into(), "kerberos".into()));
            all.push(("hadoop.security.authorization".into(), "true".into()));
        }
        all
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn hdfs(&self, namenode: &NameNode) -> Vec<(String, String)> {
        let loopback = "127.0.0.1:0";
        let mut all: Vec<(String, String)> = [
            ("dfs.namenode.name.dir", format!("file://{}", self.path(&format!("name-{}", namenode.id)))),
            ("dfs.datanode.data.dir", format!("file://{}", self.path("data"))),
            ("dfs.datanode.address", loopback.into()),
            ("dfs.datanode.ipc.address", loopback.into()),
            ("dfs.datanode.http.address", loopback.into()),
            ("dfs.datanode.hostname", "localhost".into()),
            ("dfs.replication", "1".into()),
            // Room for a whole block is set aside for each file that is written,
            // and for ten minutes for one whose writer went away.
            ("dfs.blocksize", "8388608".into()),
            ("dfs.namenode.redundancy.considerLoad", "false".into()),
            ("dfs.namenode.fs-limits.min-block-size", "1048576".into()),
            ("dfs.namenode.safemode.extension", "0".into()),
            ("dfs.namenode.datanode.registration.ip-hostname-check", "false".into()),
            ("dfs.heartbeat.interval", "1".into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let mut set = |name: String, value: String| all.push((name, value));
        if self.namenodes.len() > 1 {
            set("dfs.nameservices".into(), NAMESERVICE.into());
            set("dfs.nameservice.id".into(), NAMESERVICE.into());
            set("dfs.ha.namenode.id".into(), namenode.id.into());
            set(format!("dfs.ha.namenodes.{NAMESERVICE}"), "nn1,nn2".into());
            for other in &self.namenodes {
                let (id, host) = (other.id, self.host);
                set(format!("dfs.namenode.rpc-address.{NAMESERVICE}.{id}"), format!("{host}:{}", other.rpc));
                set(
                    format!("dfs.namenode.http-address.{NAMESERVICE}.{id}"),
                    format!("{host}:{}", other.http),
                );
            }
            set(
                format!("dfs.client.failover.proxy.provider.{NAMESERVICE}"),
                "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider".into(),
            );
            set("dfs.namenode.shared.edits.dir".into(), format!("file://{}", self.path("edits")));
            set("dfs.ha.fencing.methods".into(), "shell(/bin/true)".into());
            set("dfs.ha.automatic-failover.enabled".into(), "false".into());
            set("dfs.ha.tail-edits.period".into(), "1".into());
        } else {
            set("dfs.namenode.http-address".into(), format!("{}:{}", self.host, namenode.http));
        }
        if let Some(kdc) = &self.kdc {
            let keytab = kdc.keytab.display().to_string();
            for (role, name) in [("namenode", "nn"), ("datanode", "dn")] {
                set(format!("dfs.{role}.kerberos.principal"), format!("{name}/localhost@{REALM}"));
                set(format!("dfs.{role}.keytab.file"), keytab.clone());
            }
            set("dfs.web.authentication.kerberos.principal".into(), format!("HTTP/localhost@{REALM}"));
            set("dfs.web.authentication.kerberos.keytab".into(), keytab);
            set("dfs.block.access.token.enable".into(), "true".into());
            set("dfs.data.transfer.protection".into(), "authentication".into());
            set("ignore.secure.ports.for.testing".into(), "true".into());
        }
        all
    }

    /// Makes `/everybody`. That this succeeds is the sign that the cluster takes
    /// writes, which it does not as soon as its ports listen.
    fn make_work(&self) -> Result<(), Failure> {
        let shell = || {
            let shell = tool(&self.dir, "org.apache.hadoop.fs.FsShell");
            shell.args(["-D", "fs.permissions.umask-mode=000", "-mkdir", "-p", "/everybody"])
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match shell().run(&self.log()) {
                Ok(()) => return Ok(()),
                Err(failure) if Instant::now() > deadline => return Err(failure),
                Err(_) => thread::sleep(Duration::from_millis(500)),
            }
        }
    }
}

fn site(settings: &[(String, String)]) -> String {
    let property = |(name, value): &(String, String)| {
        format!("<property><name>{name}</name><value>{value}</value></property>\n")
    };
    format!("<configuration>\n{}</configuration>\n", settings.iter().map(property).collect::<String>())
}

/// What a NameNode tells of itself, as text of JSON.
fn jmx(port: u16, name: &str) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let query =
        format!("GET /jmx?qry=Hadoop:service=NameNode,name={name} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(query.as_bytes()).ok()?;
    let mut text = String::new();
    stream.take(1 << 20).read_to_string(&mut text).ok()?;
    text.contains(name).then_some(text)
}

/// Whether a field of that text has a value.
fn field_is(text: &str, field: &str, value: &str) -> bool {
    let compact: String = text.split_whitespace().collect();
    compact.contains(&format!("\"{field}\":{value},"))
}
