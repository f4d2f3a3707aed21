//! Ceph's S3 gateway: a second S3 implementation, with STS.
//!
//! One monitor, one object store in memory and one gateway, from Debian's
//! packages. Everything lives in the state folder: no service of the system is
//! touched.

use super::{
    Failure, Lifetime, Process, Program, Running, Server, State, answers_http, find_program, free_port,
    listens,
};
use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

const ACCESS_KEY: &str = "RGWROCKHOLDROOT00000";
const SECRET_KEY: &str = "rgw-rockhold-root-secret";
const USER_ACCESS_KEY: &str = "RGWROCKHOLDUSER00000";
const USER_SECRET_KEY: &str = "rgw-rockhold-user-secret";
/// The name of the zone group, which is what the gateway knows of regions.
const REGION: &str = "default";
/// Exactly 16 characters: it is the key of a block cipher.
const STS_KEY: &str = "rockhold-sts-key";
const FSID: &str = "5a6f0c1e-4c8e-4f0b-9f0a-6d6f636b686f";

const PROGRAMS: [&str; 7] =
    ["ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph-authtool", "monmaptool", "ceph"];
const PACKAGES: [&str; 4] = ["ceph-mon", "ceph-osd", "radosgw", "ceph-common"];

/// The server `rgw`. Fields: `endpoint`, `access_key`, `secret_key` (a user who
/// owns buckets), `region`; for STS, at the same endpoint, `user_access_key`
/// and `user_secret_key` (a user without buckets who may assume the role) and
/// `role_arn` (a role that may do everything in S3).
///
/// Its processes are `mon`, `osd` and `radosgw`. The objects are in the memory
/// of `osd`: kill and restart `radosgw` only.
#[derive(Debug)]
pub struct Rgw;

fn absent() -> Vec<&'static str> {
    PROGRAMS.into_iter().filter(|program| find_program(program).is_none()).collect()
}

impl Server for Rgw {
    fn name(&self) -> &'static str {
        "rgw"
    }

    fn missing(&self) -> Option<String> {
        let absent = absent();
        (!absent.is_empty()).then(|| {
            format!(
                "{} is not installed: apt-get install --no-install-recommends {}",
                absent.join(", "),
                PACKAGES.join(" ")
            )
        })
    }

    fn install(&self, log: &Path) -> Result<(), Failure> {
        if absent().is_empty() {
            return Ok(());
        }
        let apt = find_program("apt-get")
            .ok_or_else(|| Failure::new("radosgw comes from Debian's packages, and there is no apt-get"))?;
        let apt = |arguments: &[&str]| {
            Program::new(&apt).args(arguments).env("DEBIAN_FRONTEND", "noninteractive").run(log)
        };
        apt(&["update", "-qq"])?;
        let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
        arguments.extend(PACKAGES);
        apt(&arguments).map_err(|e| e.context("Debian's packages are installed by root"))
    }

    fn start(&self, state: State, lifetime: Lifetime) -> Result<Running, Failure> {
        let cluster = Cluster::new(&state)?;
        let mon = cluster.monitor(lifetime)?;
        // The users do not need the gateway, but everything needs the store.
        let osd = cluster.object_store(lifetime)?;
        let gateway_port = free_port();
        let radosgw = thread::scope(|scope| {
            let users = scope.spawn(|| cluster.users());
            let radosgw = cluster.gateway(gateway_port, lifetime);
            let users = users.join().unwrap_or_else(|_| Err(Failure::new("the users were not made")));
            users.and(radosgw)
        })?;
        Ok(Running::new(self.name(), state, vec![mon, osd, radosgw])
            .field("endpoint", format!("http://127.0.0.1:{gateway_port}"))
            .field("access_key", ACCESS_KEY)
            .field("secret_key", SECRET_KEY)
            .field("region", REGION)
            .field("user_access_key", USER_ACCESS_KEY)
            .field("user_secret_key", USER_SECRET_KEY)
            .field("role_arn", "arn:aws:iam:::role/rockhold"))
    }
}

/// The files of one cluster.
struct Cluster {
    state: PathBuf,
    conf: PathBuf,
    keyring: PathBuf,
    log: PathBuf,
    port: u16,
}

impl Cluster {
    fn new(state: &State) -> Result<Self, Failure> {
        let port = free_port();
        let keyring = state.path().join("keyring");
        let text = format!(
            "[global]\n\
             fsid = {FSID}\n\
             mon initial members = a\n\
             mon host = v2:127.0.0.1:{port}\n\
             public addr = 127.0.0.1\n\
             ms bind msgr1 = false\n\
             ms bind msgr2 = true\n\
             keyring = {keyring}\n\
             run dir = {state}\n\
             admin socket =\n\
             log file = {state}/$name.ceph.log\n\
             mon cluster log file = {state}/cluster.log\n\
             mon data = {state}/mon\n\
             mon data avail warn = 1\n\
             mon data avail crit = 0\n\
             mon allow pool size one = true\n\
             mon allow pool delete = true\n\
             auth allow insecure global id reclaim = false\n\
             osd data = {state}/osd\n\
             osd objectstore = memstore\n\
             memstore device bytes = 4294967296\n\
             osd pool default size = 1\n\
             osd pool default min size = 1\n\
             osd pool default pg num = 4\n\
             osd pool default pgp num = 4\n\
             osd pool default pg autoscale mode = off\n\
             osd crush chooseleaf type = 0\n\
             osd crush update on start = true\n\
             mon max pg per osd = 1000\n\
             [client]\n\
             rgw enable apis = s3, sts, admin\n\
             rgw sts key = {STS_KEY}\n\
             rgw sts min session duration = 1\n\
             rgw s3 auth use sts = true\n\
             rgw enable usage log = false\n\
             rgw enable gc threads = true\n\
             rgw dynamic resharding = false\n\
             rgw data = {state}/rgw\n\
             rgw thread pool size = 64\n",
            keyring = keyring.display(),
            state = state.path().display(),
        );
        for dir in ["mon", "osd", "rgw"] {
            state.dir(dir)?;
        }
        Ok(Self {
            conf: state.file("ceph.conf", &text)?,
            state: state.path().to_owned(),
            keyring,
            log: state.path().join("setup.log"),
            port,
        })
    }

    /// One of Ceph's programs, by its configuration of this cluster.
    fn program(&self, name: &str) -> Program {
        let path = find_program(name).unwrap_or_else(|| PathBuf::from(name));
        Program::new(path).arg("-c").arg(&self.conf)
    }

    fn ceph(&self, arguments: &[&str]) -> Result<String, Failure> {
        self.program("ceph").args(["--connect-timeout", "60"]).args(arguments).output(&self.log)
    }

    fn monitor(&self, lifetime: Lifetime) -> Result<Process, Failure> {
        let authtool = |arguments: &[&str]| {
            Program::new(find_program("ceph-authtool").unwrap_or_default())
                .arg(&self.keyring)
                .args(arguments)
                .run(&self.log)
        };
        authtool(&["--create-keyring", "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"])?;
        let all = ["--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *"];
        for name in ["client.admin", "osd.0"] {
            authtool(&[&["--gen-key", "-n", name], &all[..]].concat())?;
        }
        let map = self.state.join("monmap");
        Program::new(find_program("monmaptool").unwrap_or_default())
            .args(["--create", "--fsid", FSID, "--addv", "a", &format!("[v2:127.0.0.1:{}]", self.port)])
            .arg(&map)
            .run(&self.log)?;
        self.program("ceph-mon")
            .args(["--mkfs", "-i", "a", "--monmap"])
            .arg(&map)
            .arg("--keyring")
            .arg(&self.keyring)
            .run(&self.log)?;
        let port = self.port;
        let program = self.program("ceph-mon").args(["-i", "a", "-f"]);
        Process::start("mon", program, &self.state, lifetime, move || listens(port))
    }

    fn object_store(&self, lifetime: Lifetime) -> Result<Process, Failure> {
        // The first one gets the number 0.
        self.ceph(&["osd", "new", FSID])?;
        let keyring = self.keyring.display().to_string();
        self.ceph(&["auth", "import", "-i", &keyring])?;
        self.program("ceph-osd").args(["-i", "0", "--mkfs", "--osd-uuid", FSID]).run(&self.log)?;
        let program = self.program("ceph-osd").args(["-i", "0", "-f"]);
        let osd = Process::start("osd", program, &self.state, lifetime, || true)?;
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let stat = self.ceph(&["osd", "stat"])?;
            if stat.contains("1 up") && stat.contains("1 in") {
                break;
            }
            if Instant::now() > deadline {
                return Err(Failure::new(format!("the object store did not come up: {}", stat.trim())));
            }
            thread::sleep(Duration::from_millis(200));
        }
        // Without it the gateway may not create its pools.
        self.ceph(&["osd", "require-osd-release", "pacific"])?;
        Ok(osd)
    }

    fn gateway(&self, port: u16, lifetime: Lifetime) -> Result<Process, Failure> {
        let program = self.program("radosgw").args([
            "-f",
            "-n",
            "client.admin",
            &format!("--rgw-frontends=beast endpoint=127.0.0.1:{port}"),
        ]);
        Process::start("radosgw", program, &self.state, lifetime, move || answers_http(port, "/"))
    }

    fn users(&self) -> Result<(), Failure> {
        let admin = |arguments: &[&str]| self.program("radosgw-admin").args(arguments).run(&self.log);
        let user = |name, access, secret| {
            let flags =
                ["--uid", name, "--display-name", name, "--access-key", access, "--secret-key", secret];
            admin(&[&["user", "create"], &flags[..]].concat())
        };
        user("rockhold", ACCESS_KEY, SECRET_KEY)?;
        user("assumer", USER_ACCESS_KEY, USER_SECRET_KEY)?;
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam:::user/assumer"]},"Action":["sts:AssumeRole"]}]}"#;
        admin(&[
            "role",
            "create",
            "--role-name",
            "rockhold",
            "--path",
            "/",
            "--assume-role-policy-doc",
            trust,
        ])?;
        let rights = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]}"#;
        admin(&[
            "role-policy",
            "put",
            "--role-name",
            "rockhold",
            "--policy-name",
            "all",
            "--policy-doc",
            rights,
        ])
    }
}
