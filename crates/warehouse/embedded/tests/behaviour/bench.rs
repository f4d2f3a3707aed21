//! A warehouse of one test.

use rockhold_core::{Namespace, ObjectName, Outcome, Row, SharedClock, SystemClock};
use rockhold_sql::{Parser, SqlError};
use rockhold_warehouse_embedded::{Session, SessionOptions};
use rockhold_warehouse_store::{Change, NewObject, OpenOptions, Store};
use std::sync::Arc;
use tempfile::TempDir;

pub(crate) struct Bench {
    pub(crate) session: Session,
    pub(crate) dir: TempDir,
}

impl Bench {
    /// A new warehouse with database `d` selected.
    pub(crate) async fn new() -> Self {
        Self::with_options(SessionOptions::default()).await
    }

    pub(crate) async fn with_options(options: SessionOptions) -> Self {
        Self::with_clock(options, Arc::new(SystemClock)).await
    }

    pub(crate) async fn with_clock(options: SessionOptions, clock: SharedClock) -> Self {
        let dir = TempDir::new().unwrap();
        let mut open = OpenOptions::create();
        open.clock = clock;
        open.time_zone = Some("Asia/Shanghai".into());
        let store = Store::open(dir.path().join("warehouse"), open).await.unwrap();
        let mut bench = Bench { session: Session::with_options(store, options).unwrap(), dir };
        bench.run("CREATE DATABASE d; USE d").await;
        bench
    }

    async fn execute(&mut self, sql: &str) -> Result<Vec<Outcome>, SqlError> {
        let mut outcomes = Vec::new();
        for parsed in Parser::new().parse(sql) {
            outcomes.push(self.session.execute(&parsed.statement?).await?);
        }
        Ok(outcomes)
    }

    /// Runs statements; returns the rows changed by the last one.
    pub(crate) async fn run(&mut self, sql: &str) -> u64 {
        match self.execute(sql).await {
            Ok(outcomes) => match outcomes.into_iter().last() {
                Some(Outcome::Done { affected, .. }) => affected,
                _ => 0,
            },
            Err(error) => panic!("{sql}\n{error}"),
        }
    }

    /// Runs statements, those that give rows as well.
    pub(crate) async fn run_any(&mut self, sql: &str) {
        if let Err(error) = self.execute(sql).await {
            panic!("{sql}\n{error}");
        }
    }

    /// Runs statements that may be refused.
    pub(crate) async fn try_run(&mut self, sql: &str) -> Result<(), SqlError> {
        self.execute(sql).await.map(|_| ())
    }

    /// The remark of a statement.
    pub(crate) async fn info(&mut self, sql: &str) -> String {
        match self.execute(sql).await {
            Ok(mut outcomes) => match outcomes.pop() {
                Some(Outcome::Done { info, .. }) => info,
                other => panic!("{sql}\ngave {other:?}"),
            },
            Err(error) => panic!("{sql}\n{error}"),
        }
    }

    /// Puts a copy of a catalog into another warehouse, as a restore does.
    pub(crate) async fn move_object_to(&self, other: &Bench, catalog: &str) {
        let name = ObjectName::new("", catalog);
        let found = self.session.store().find_object(Namespace::Catalog, &name).await.unwrap().unwrap();
        let object = NewObject {
            namespace: Namespace::Catalog,
            kind: found.object.kind,
            name,
            definition: found.object.definition,
            state: found.object.state,
            partitions: Vec::new(),
        };
        other.session.store().change(Change::CreateObject(object)).await.unwrap();
    }

    /// The error of a statement.
    pub(crate) async fn error(&mut self, sql: &str) -> SqlError {
        let mut last = match self.execute(sql).await {
            Ok(outcomes) => outcomes,
            Err(error) => return error,
        };
        match last.pop() {
            // A query may fail while it is read.
            Some(Outcome::Rows(rows)) => match rows.collect().await {
                Ok(rows) => panic!("{sql}\ngave {rows:?}"),
                Err(error) => SqlError::execute(error.to_string()),
            },
            other => panic!("{sql}\ngave {other:?}"),
        }
    }

    /// The names and rows of a query.
    pub(crate) async fn table(&mut self, sql: &str) -> (Vec<String>, Vec<Row>) {
        match self.execute(sql).await {
            Ok(mut outcomes) => match outcomes.pop() {
                Some(Outcome::Rows(rows)) => {
                    let names = rows.columns.iter().map(|column| column.name.clone()).collect();
                    (names, rows.collect().await.unwrap_or_else(|error| panic!("{sql}\n{error}")))
                }
                other => panic!("{sql}\ngave {other:?}"),
            },
            Err(error) => panic!("{sql}\n{error}"),
        }
    }

    /// The rows of a query, values joined by `|`, NULL as `NULL`.
    pub(crate) async fn rows(&mut self, sql: &str) -> Vec<String> {
        let (_, rows) = self.table(sql).await;
        rows.into_iter()
            .map(|row| {
                let values: Vec<String> =
                    row.into_iter().map(|value| value.unwrap_or_else(|| "NULL".into())).collect();
                values.join("|")
            })
            .collect()
    }

    /// The only value of a query.
    pub(crate) async fn value(&mut self, sql: &str) -> String {
        let rows = self.rows(sql).await;
        assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
        rows.into_iter().next().unwrap()
    }
}
