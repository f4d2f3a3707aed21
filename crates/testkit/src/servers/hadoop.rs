//! Java software from Maven Central: HDFS and the Kerberos server beside it.

use super::{Failure, Program, find_program, install_dir};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

const VERSION: &str = "3.4.1";

/// The jars of HDFS: server, client, command line.
pub(super) const HDFS: Jars =
    Jars { name: "hdfs", artifacts: &["hadoop-common", "hadoop-hdfs", "hadoop-hdfs-client"] };

/// The jars of Hadoop's small Kerberos server.
pub(super) const KDC: Jars = Jars { name: "kdc", artifacts: &["hadoop-minikdc"] };

/// Some artifacts of Hadoop with all they depend on, in a folder of their own.
pub(super) struct Jars {
    name: &'static str,
    artifacts: &'static [&'static str],
}

impl Jars {
    fn dir(&self) -> PathBuf {
        install_dir().join(format!("{}-{VERSION}", self.name))
    }

    /// What is not there.
    pub(super) fn missing(&self, server: &str) -> Option<String> {
        if find_program("java").is_none() {
            return Some(format!("{server} needs Java 17 (package openjdk-17-jre-headless)"));
        }
        (!self.dir().is_dir())
            .then(|| format!("Hadoop is not installed: cargo xtask services install {server}"))
    }

    /// Fetches the jars. They appear at once and whole, so that two programs
    /// that install at the same time do no harm.
    pub(super) fn install(&self, log: &Path) -> Result<(), Failure> {
        // Servers that share jars are installed side by side.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        if self.dir().is_dir() {
            return Ok(());
        }
        let mvn = find_program("mvn")
            .ok_or_else(|| Failure::new("Hadoop is fetched by Maven, which is missing (package maven)"))?;
        let cannot = |path: &Path, e: std::io::Error| Failure::new(format!("{}: {e}", path.display()));
        let partial = install_dir().join(format!(".{}-{}", self.name, std::process::id()));
        fs::create_dir_all(&partial).map_err(|e| cannot(&partial, e))?;
        fs::write(partial.join("pom.xml"), self.pom()).map_err(|e| cannot(&partial, e))?;
        let fetched = Program::new(mvn)
            .args([
                "-q",
                "-B",
                "dependency:copy-dependencies",
                "-DincludeScope=runtime",
                "-DoutputDirectory=lib",
            ])
            .current_dir(&partial)
            .run(log);
        let moved = fetched.and_then(|()| match fs::rename(&partial, self.dir()) {
            Err(_) if self.dir().is_dir() => Ok(()), // another was faster
            other => other.map_err(|e| cannot(&partial, e)),
        });
        let _ = fs::remove_dir_all(&partial);
        moved
    }

    fn pom(&self) -> String {
        let dependency = |artifact: &&str| {
            format!(
                "<dependency><groupId>org.apache.hadoop</groupId><artifactId>{artifact}</artifactId>\
                 <version>{VERSION}</version></dependency>"
            )
        };
        // Left to itself, Maven takes an older jackson-core than its sister needs.
        format!(
            "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
             <groupId>rockhold</groupId><artifactId>{}</artifactId><version>1</version><packaging>pom</packaging>\
             <dependencyManagement><dependencies><dependency><groupId>com.fasterxml.jackson.core</groupId>\
             <artifactId>jackson-core</artifactId><version>2.12.7</version></dependency></dependencies>\
             </dependencyManagement><dependencies>{}</dependencies></project>",
            self.name,
            self.artifacts.iter().map(dependency).collect::<String>()
        )
    }

    /// A program of these jars. Compiled lightly: it lives for seconds.
    pub(super) fn java(&self, conf: Option<&Path>, options: &[String], class: &str) -> Program {
        let jars = self.dir().join("lib/*");
        let class_path = match conf {
            Some(conf) => format!("{}:{}", conf.display(), jars.display()),
            None => jars.display().to_string(),
        };
        Program::new(find_program("java").unwrap_or_else(|| PathBuf::from("java")))
            .args(["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"])
            .args(["--add-opens", "java.base/java.lang=ALL-UNNAMED", "-cp", &class_path])
            .args(options)
            .arg(class)
    }
}
