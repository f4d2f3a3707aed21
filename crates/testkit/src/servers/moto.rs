//! moto: what AWS has beside S3, emulated: the instance metadata service
//! (IMDSv2) and STS.

use super::{
    Failure, Lifetime, Process, Program, Running, Server, State, answers_http, find_program, free_port,
    install_dir,
};
use std::path::{Path, PathBuf};

const PACKAGE: &str = "moto[server]==5.2.*";

/// The server `moto`. Fields: `endpoint` (S3, STS, IAM and, below `/latest`,
/// the instance metadata service), `region`, `role_arn`, and the instance
/// profile's `access_key`, `secret_key` and `session_token`.
///
/// It takes any signature: what it proves is which credentials a client found
/// and asked for, not that it signs. MinIO and Ceph prove that.
#[derive(Debug)]
pub struct Moto;

fn venv() -> PathBuf {
    install_dir().join("moto")
}

fn binary() -> PathBuf {
    venv().join("bin").join("moto_server")
}

impl Server for Moto {
    fn name(&self) -> &'static str {
        "moto"
    }

    fn missing(&self) -> Option<String> {
        (!binary().is_file()).then(|| "moto is not installed: cargo xtask services install moto".to_owned())
    }

    fn install(&self, log: &Path) -> Result<(), Failure> {
        if binary().is_file() {
            return Ok(());
        }
        let python = find_program("python3").ok_or_else(|| Failure::new("moto needs python3"))?;
        // Made anew: one that was cut off in the middle would miss pip.
        Program::new(python).args(["-m", "venv", "--clear"]).arg(venv()).run(log).map_err(|e| {
            e.context("moto needs an environment of its own (Debian: apt-get install python3-venv)")
        })?;
        Program::new(venv().join("bin").join("python3"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE])
            .run(log)
    }

    fn start(&self, state: State, lifetime: Lifetime) -> Result<Running, Failure> {
        let port = free_port();
        let program = Program::new(binary())
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .env("HOME", state.path())
            .env("PYTHONUNBUFFERED", "1");
        let ready = move || answers_http(port, "/moto-api/data.json");
        let process = Process::start("moto", program, state.path(), lifetime, ready)?;
        Ok(Running::new(self.name(), state, vec![process])
            .field("endpoint", format!("http://127.0.0.1:{port}"))
            .field("region", "us-east-1")
            .field("role_arn", "arn:aws:iam::123456789012:role/rockhold")
            // Constants of moto's metadata service.
            .field("access_key", "test-key")
            .field("secret_key", "test-secret-key")
            .field("session_token", "test-session-token"))
    }
}
