//! A warehouse with a session, and how tests talk to it.

use rockhold::{Executed, Outcome, Rockhold, Row, Session, SqlError};
use std::path::{Path, PathBuf};

/// A directory for one test: warehouses and repositories below it.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The location of a repository on local disk.
    pub(crate) fn location(&self, name: &str) -> String {
        format!("file://{}", self.path(name).display())
    }

    pub(crate) fn create_repository(&self, name: &str, at: &str) -> String {
        format!("CREATE REPOSITORY {name} WITH BROKER ON LOCATION \"{}\"", self.location(at))
    }

    pub(crate) async fn warehouse(&self, name: &str) -> TestWarehouse {
        TestWarehouse::open(&self.path(name)).await
    }
}

/// A session of an open warehouse, which stays open with it.
pub(crate) struct TestWarehouse {
    pub(crate) rockhold: Rockhold,
    pub(crate) session: Session,
}

impl TestWarehouse {
    pub(crate) async fn open(dir: &Path) -> Self {
        let rockhold = Rockhold::embedded(dir).time_zone("UTC").open().await.unwrap();
        Self { session: rockhold.session().unwrap(), rockhold }
    }

    /// Runs statements, waits for jobs, and gives the rows of the last one.
    pub(crate) async fn try_sql(&mut self, text: &str) -> Result<Vec<Row>, SqlError> {
        let mut last = Vec::new();
        for statement in rockhold::statements(text) {
            last = match self.session.execute(&statement.parsed?).await? {
                Executed::Outcome(Outcome::Rows(rows)) => {
                    rows.collect().await.map_err(rockhold::sql_error)?
                }
                Executed::Job(job) => {
                    let record = job.wait().await;
                    vec![vec![Some(record.state.clone()), Some(rockhold::job_status(&record))]]
                }
                _ => Vec::new(),
            };
        }
        Ok(last)
    }

    /// Runs statements that must succeed.
    pub(crate) async fn sql(&mut self, text: &str) -> Vec<Row> {
        match self.try_sql(text).await {
            Ok(rows) => rows,
            Err(error) => panic!("{text}\n{error}"),
        }
    }

    /// Runs statements that must fail; gives the text of the error with its number.
    pub(crate) async fn fails(&mut self, text: &str) -> String {
        match self.try_sql(text).await {
            Ok(rows) => panic!("{text}\nshould fail and gave {rows:?}"),
            Err(error) => format!("{} {error}", error.errno),
        }
    }

    /// Runs a BACKUP or RESTORE that must end FINISHED.
    pub(crate) async fn job(&mut self, text: &str) {
        let rows = self.sql(text).await;
        assert_eq!(rows[0][0].as_deref(), Some("FINISHED"), "{text}\n{rows:?}");
    }

    /// Runs a BACKUP or RESTORE that must end CANCELLED; gives its status.
    pub(crate) async fn cancelled(&mut self, text: &str) -> String {
        let rows = self.sql(text).await;
        assert_eq!(rows[0][0].as_deref(), Some("CANCELLED"), "{text}\n{rows:?}");
        rows[0][1].clone().unwrap()
    }

    /// The timestamp of a snapshot.
    pub(crate) async fn timestamp(&mut self, repository: &str, label: &str) -> String {
        let rows = self.sql(&format!("SHOW SNAPSHOT ON {repository} WHERE SNAPSHOT = '{label}'")).await;
        assert_eq!(rows[0][2].as_deref(), Some("OK"), "{rows:?}");
        rows[0][1].clone().unwrap()
    }

    /// The rows of a query as text, one line each.
    pub(crate) async fn lines(&mut self, query: &str) -> Vec<String> {
        let text = |v: &Option<String>| v.clone().unwrap_or_else(|| "NULL".into());
        self.sql(query).await.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join("|")).collect()
    }
}
