//! MinIO: one drive, root credentials, no TLS.

use super::{
    Failure, Lifetime, Process, Program, Running, Server, State, answers_http, find_program, free_port,
    install_dir, listens, start_by,
};
use std::path::{Path, PathBuf};

const ACCESS_KEY: &str = "rockhold-root";
const SECRET_KEY: &str = "rockhold-root-secret";
const REGION: &str = "us-east-1";

/// The server `minio`. Fields: `endpoint`, `access_key`, `secret_key`,
/// `region`. Its one process is called `minio` and keeps its data when killed.
#[derive(Debug)]
pub struct Minio;

fn binary() -> PathBuf {
    install_dir().join("bin").join("minio")
}

impl Server for Minio {
    fn name(&self) -> &'static str {
        "minio"
    }

    fn missing(&self) -> Option<String> {
        (!binary().is_file()).then(|| "minio is not installed: cargo xtask services install minio".to_owned())
    }

    fn install(&self, log: &Path) -> Result<(), Failure> {
        if binary().is_file() {
            return Ok(());
        }
        let go =
            find_program("go").ok_or_else(|| Failure::new("minio is built with go, which is missing"))?;
        Program::new(go)
            .args(["install", "github.com/minio/minio@latest"])
            .env("GOBIN", install_dir().join("bin"))
            .env("CGO_ENABLED", "0")
            .run(log)
    }

    fn start(&self, state: State, lifetime: Lifetime) -> Result<Running, Failure> {
        start(state, lifetime, |program| program)
    }
}

/// A server of the test's own with other settings: `change` adds arguments and
/// variables. With certificates below `--certs-dir` the endpoint begins with
/// `https`, and readiness is that it listens. `None`, counted as a skip of
/// `test`, when it is not installed.
///
/// # Panics
///
/// When the server is installed and does not start.
pub fn own_minio(test: &str, change: impl Fn(Program) -> Program) -> Option<Running> {
    if let Some(missing) = Minio.missing() {
        super::skip(test, &missing);
        return None;
    }
    let owned = Lifetime::Owned;
    match start_by(Minio.name(), owned, |state| start(state, owned, &change)) {
        Ok(running) => Some(running),
        Err(failure) => panic!("{failure}"),
    }
}

fn start(state: State, lifetime: Lifetime, change: impl Fn(Program) -> Program) -> Result<Running, Failure> {
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let program = Program::new(binary())
        .args(["server", "--quiet", "--address", &address, "--console-address", "127.0.0.1:0"])
        .arg(state.dir("data")?)
        .env("MINIO_ROOT_USER", ACCESS_KEY)
        .env("MINIO_ROOT_PASSWORD", SECRET_KEY)
        .env("MINIO_REGION", REGION)
        .env("MINIO_UPDATE", "off")
        .env("MINIO_BROWSER", "off")
        .env("HOME", state.path());
    let program = change(program);
    let tls = program.has_arg("--certs-dir");
    let ready = move || if tls { listens(port) } else { answers_http(port, "/minio/health/cluster") };
    let process = Process::start("minio", program, state.path(), lifetime, ready)?;
    let scheme = if tls { "https" } else { "http" };
    Ok(Running::new(Minio.name(), state, vec![process])
        .field("endpoint", format!("{scheme}://{address}"))
        .field("access_key", ACCESS_KEY)
        .field("secret_key", SECRET_KEY)
        .field("region", REGION))
}
