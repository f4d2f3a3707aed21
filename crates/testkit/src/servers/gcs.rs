//! fake-gcs-server: the JSON interface of Cloud Storage, by other people.

use super::{
    Failure, Lifetime, Process, Program, Running, Server, State, answers_http, find_program, free_port,
    install_dir,
};
use std::path::{Path, PathBuf};

const VERSION: &str = "v1.56.1";
const BUCKET: &str = "rockhold";

/// The server `gcs`. Fields: `endpoint` and `bucket`, which is there and empty.
/// Everybody is let in, and a killed one forgets its objects.
///
/// It departs from the service in ways that its tests in
/// `crates/storage/gcs` list; what it does not check,
/// `rockhold-testkit-gcs` does.
#[derive(Debug)]
pub struct Gcs;

fn binary() -> PathBuf {
    install_dir().join("bin").join("fake-gcs-server")
}

impl Server for Gcs {
    fn name(&self) -> &'static str {
        "gcs"
    }

    fn missing(&self) -> Option<String> {
        (!binary().is_file()).then(|| "gcs is not installed: cargo xtask services install gcs".to_owned())
    }

    fn install(&self, log: &Path) -> Result<(), Failure> {
        if binary().is_file() {
            return Ok(());
        }
        let go = find_program("go")
            .ok_or_else(|| Failure::new("fake-gcs-server is built with go, which is missing"))?;
        Program::new(go)
            .args(["install", &format!("github.com/fsouza/fake-gcs-server@{VERSION}")])
            .env("GOBIN", install_dir().join("bin"))
            .env("CGO_ENABLED", "0")
            .run(log)
    }

    fn start(&self, state: State, lifetime: Lifetime) -> Result<Running, Failure> {
        let port = free_port();
        // Each folder of the data is a bucket from the beginning.
        let data = state.dir("data")?;
        state.dir(&format!("data/{BUCKET}"))?;
        let program = Program::new(binary())
            .args(["-scheme", "http", "-host", "127.0.0.1", "-port", &port.to_string()])
            .args(["-backend", "memory", "-log-level", "error", "-data"])
            .arg(data)
            .env("HOME", state.path());
        let ready = move || answers_http(port, &format!("/storage/v1/b/{BUCKET}"));
        let process = Process::start("gcs", program, state.path(), lifetime, ready)?;
        Ok(Running::new(self.name(), state, vec![process])
            .field("endpoint", format!("http://127.0.0.1:{port}"))
            .field("bucket", BUCKET))
    }
}
