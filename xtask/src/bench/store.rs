//! Where the backups go: a directory, or a server that speaks S3.

use anyhow::{Context, Result, bail};
use rockhold_testkit::servers::{self, Running};
use std::{fs, path::Path, process::Command, time::Duration};

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum StoreKind {
    /// A directory of the same disk.
    File,
    /// MinIO on this machine, which shares the processors with its clients.
    S3,
}

impl StoreKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::S3 => "s3",
        }
    }
}

/// How often MinIO may be behind with what it counts.
const COUNT_DELAY: Duration = Duration::from_secs(12);

const BUCKET: &str = "bench";

/// An opened store.
pub(crate) enum Store {
    File,
    S3 { server: Box<Running>, variables: Vec<(String, String)> },
}

impl Store {
    /// Starts the server where one is needed. Its data lies below `place`.
    pub(crate) fn open(kind: StoreKind, place: &Path) -> Result<Self> {
        if kind == StoreKind::File {
            return Ok(Self::File);
        }
        fs::create_dir_all(place).with_context(|| place.display().to_string())?;
        let server =
            servers::own_minio("bench", |program| program.env("MINIO_PROMETHEUS_AUTH_TYPE", "public"));
        let server = server.context("MinIO is not installed: cargo xtask services install minio")?;
        let field = |name: &str| server.service().get(name).to_owned();
        let (endpoint, key, secret) = (field("endpoint"), field("access_key"), field("secret_key"));
        let variables = [
            ("AWS_ACCESS_KEY_ID", key.clone()),
            ("AWS_SECRET_ACCESS_KEY", secret.clone()),
            ("AWS_REGION", field("region")),
            ("S3_ENDPOINT_URL", endpoint.clone()),
            ("RCLONE_S3_PROVIDER", "Minio".into()),
            ("RCLONE_S3_ENDPOINT", endpoint),
            ("RCLONE_S3_ACCESS_KEY_ID", key),
            ("RCLONE_S3_SECRET_ACCESS_KEY", secret),
            ("NO_PROXY", "127.0.0.1".into()),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let store = Self::S3 { server: Box::new(server), variables };
        store.shell(&format!("rclone mkdir :s3:{BUCKET} || s5cmd mb s3://{BUCKET}"))?;
        Ok(store)
    }

    /// What the shell scripts of other tools need.
    pub(crate) fn variables(&self) -> &[(String, String)] {
        match self {
            Self::File => &[],
            Self::S3 { variables, .. } => variables,
        }
    }

    /// The place of one tool in one round: a directory, or `bucket/prefix`.
    pub(crate) fn place(&self, directory: &Path, tool: &str, round: u32) -> String {
        match self {
            Self::File => directory.display().to_string(),
            Self::S3 { .. } => format!("{BUCKET}/{}-{round}", tool.replace(' ', "-")),
        }
    }

    /// The location and the properties of a repository there, as SQL.
    pub(crate) fn location(&self, at: &str) -> String {
        match self {
            Self::File => format!("\"file://{at}\""),
            Self::S3 { server, .. } => {
                let field = |name: &str| server.service().get(name).to_owned();
                format!(
                    r#""s3://{at}" PROPERTIES ("aws.s3.endpoint" = "{}", "aws.s3.access_key" = "{}", "aws.s3.secret_key" = "{}")"#,
                    field("endpoint"),
                    field("access_key"),
                    field("secret_key")
                )
            }
        }
    }

    /// Removes what a tool has written.
    pub(crate) fn empty(&self, at: &str) -> Result<()> {
        match self {
            Self::File => Ok(()),
            Self::S3 { .. } => self.shell(&format!("rclone purge \":s3:{at}\"")),
        }
    }

    /// The S3 requests that the server has counted so far; `None` where there
    /// is no server, or when they are not wanted.
    pub(crate) fn requests(&self, wanted: bool) -> Result<Option<u64>> {
        let Self::S3 { server, .. } = self else { return Ok(None) };
        if !wanted {
            return Ok(None);
        }
        std::thread::sleep(COUNT_DELAY);
        let url = format!("{}/minio/v2/metrics/cluster", server.service().get("endpoint"));
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--noproxy", "*", &url])
            .output()
            .context("cannot run curl")?;
        if !output.status.success() {
            bail!("MinIO does not tell its metrics: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(Some(count(&String::from_utf8_lossy(&output.stdout))))
    }

    fn shell(&self, script: &str) -> Result<()> {
        let output = Command::new("sh")
            .args(["-ec", script])
            .envs(self.variables().iter().map(|(name, value)| (name, value)))
            .output()
            .context("cannot run sh")?;
        if output.status.success() {
            return Ok(());
        }
        bail!("{script} failed: {}", String::from_utf8_lossy(&output.stderr).trim())
    }
}

/// The sum of MinIO's counter of S3 requests over all calls.
fn count(metrics: &str) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with("minio_s3_requests_total{"));
    let numbers = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    // Counters are whole numbers.
    numbers.map(|number| number as u64).sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_requests_of_all_calls_are_summed() {
        let text = "# TYPE x counter\nminio_s3_requests_total{api=\"putobject\",server=\"a\"} 12\n\
                    minio_s3_requests_total{api=\"getobject\",server=\"a\"} 3\nminio_s3_requests_inflight_total{} 9\n";
        assert_eq!(super::count(text), 15);
    }
}
