//! MinIO: one drive, root credentials, no TLS.

use super::{
    Failure, Lifetime, Process, Program, Running, Server, State, answers_http, find_program, free_port,
    install_dir,
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
        let ready = move || answers_http(port, "/minio/health/cluster");
        let process = Process::start("minio", program, state.path(), lifetime, ready)?;
        Ok(Running::new(self.name(), state, vec![process])
            .field("endpoint", format!("http://{address}"))
            .field("access_key", ACCESS_KEY)
            .field("secret_key", SECRET_KEY)
            .field("region", REGION))
    }
}
