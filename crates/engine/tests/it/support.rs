//! A warehouse with one table, a repository in memory, and faults in both.

use crate::kinds::{TextCodec, kinds};
use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType as Arrow, Field, Schema};
use async_trait::async_trait;
use rockhold_core::{
    ErrorKind, JobRecord, KindId, MemoryRepository, Namespace, ObjectName, OpenRepository, OpenedRepository,
    Outcome, PartitionWriter, RepositoryFactory, Result, Row, SharedState, SharedWarehouse, SnapshotWriter,
};
use rockhold_engine::{Engine, EngineBuilder, EngineConfig, Executed, JobHandle};
use rockhold_layers::{Counters, FaultPlan, Layers, Passage};
use rockhold_model::{
    Column, DataType, Distribution, KeyModel, Partition, PartitionValue, Partitioning, TableDefinition,
};
use rockhold_object_table::TableCodec;
use rockhold_sql::ast::Statement;
use rockhold_sql::{KindWords, Parser, SqlError};
use rockhold_warehouse_store::{
    Change, Fault as StoreFault, Load, LoadPartition, NewObject, OpenOptions, Store,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Repositories at `mem://<name>`, kept while the factory lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryFactory(pub(crate) Arc<Mutex<BTreeMap<String, Arc<MemoryRepository>>>>);

impl MemoryFactory {
    pub(crate) fn repository(&self, root: &str) -> Arc<MemoryRepository> {
        self.0.lock().unwrap().entry(root.to_owned()).or_default().clone()
    }

    /// An independent copy of everything.
    pub(crate) fn fork(&self) -> Self {
        let copy = self.0.lock().unwrap().iter().map(|(k, v)| (k.clone(), Arc::new(v.fork()))).collect();
        Self(Arc::new(Mutex::new(copy)))
    }
}

#[async_trait]
impl RepositoryFactory for MemoryFactory {
    fn schemes(&self) -> &[&'static str] {
        &["mem"]
    }

    async fn open(&self, request: OpenRepository) -> Result<OpenedRepository> {
        let root = format!("{}/{}", request.location, request.directory.unwrap_or_default());
        Ok(OpenedRepository { repository: self.repository(&root), warnings: Vec::new() })
    }
}

thread_local! {
    static OPEN: RefCell<Vec<Passage>> = const { RefCell::new(Vec::new()) };
}

/// The store's steps as calls of the plan, in the same numbering as the repository's.
fn hook(plan: FaultPlan) -> rockhold_warehouse_store::FaultHook {
    Arc::new(move |step| {
        let result = if step.after {
            match OPEN.with(|open| open.borrow_mut().pop()) {
                Some(passage) => passage.finish(Ok(())),
                None => Ok(()),
            }
        } else {
            plan.enter(step.name, None).map(|passage| OPEN.with(|open| open.borrow_mut().push(passage)))
        };
        match result {
            Ok(()) => StoreFault::Continue,
            Err(_) => StoreFault::Fail,
        }
    })
}

/// A warehouse that is open, with its engine.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) engine: Engine,
    /// What reached the repository.
    pub(crate) counters: Counters,
}

/// Opens the directory; every effect of store and repository passes `plan`.
pub(crate) async fn open(dir: &Path, memory: &MemoryFactory, plan: &FaultPlan) -> Result<World> {
    open_with(dir, Arc::new(memory.clone()), plan).await
}

/// As `open`, over any storage vendor.
pub(crate) async fn open_with(
    dir: &Path,
    storage: Arc<dyn RepositoryFactory>,
    plan: &FaultPlan,
) -> Result<World> {
    open_layered(dir, storage, plan, Layers::new().fault(plan.clone()), one_at_a_time()).await
}

/// One upload at a time, so that every run numbers its calls alike.
pub(crate) fn one_at_a_time() -> EngineConfig {
    EngineConfig {
        upload_worker_count: 1,
        download_worker_count: 1,
        small_files_per_worker: 1,
        window: 1,
        heartbeat_seconds: 3600,
        cancel_poll_ms: 3_600_000,
        note_ms: 3_600_000,
        ..EngineConfig::default()
    }
}

/// Opens the directory with `layers` around its repositories; every effect of
/// the store passes `plan`.
pub(crate) async fn open_layered(
    dir: &Path,
    storage: Arc<dyn RepositoryFactory>,
    plan: &FaultPlan,
    layers: Layers,
    config: EngineConfig,
) -> Result<World> {
    let mut options = OpenOptions::create();
    options.time_zone = Some("UTC".into());
    options.background = false;
    // The tasks of a world that died let go of the directory a moment later.
    options.lock_wait = std::time::Duration::from_secs(10);
    options.fault = Some(hook(plan.clone()));
    options.kinds.register(rockhold_object_table::descriptor())?;
    for kind in kinds() {
        options.kinds.register(kind)?;
    }
    let store = Store::open(dir, options).await?;
    let counters = Counters::new();
    let layers = layers.count(counters.clone());
    let engine = builder(Arc::new(store.clone()), Arc::new(store.clone()))?
        .config(config)
        .storage(storage)?
        .layer(move |repository, limiter| {
            limiter.into_iter().fold(layers.clone(), Layers::limit).around(repository)
        })
        .build();
    Ok(World { store, engine, counters })
}

/// An engine with tables and the kinds of `kinds.rs`.
pub(crate) fn builder(warehouse: SharedWarehouse, state: SharedState) -> Result<EngineBuilder> {
    let mut builder = EngineBuilder::new(warehouse, state)
        .object_type(Arc::new(TableCodec::default()), Some(Arc::new(PartitionWriter::new(KindId::TABLE))))?;
    for kind in kinds() {
        let writer: Option<Arc<dyn SnapshotWriter>> = match kind.has_data {
            true => Some(Arc::new(PartitionWriter::new(kind.id.clone()))),
            false => None,
        };
        builder = builder.object_type(Arc::new(TextCodec(kind)), writer)?;
    }
    Ok(builder)
}

impl World {
    /// Reads a statement with the words of every kind that the engine knows.
    pub(crate) fn parse(&self, sql: &str) -> Result<Statement, SqlError> {
        Parser::with_kinds(KindWords::of(self.engine.kinds().iter())).parse_one(sql)
    }

    /// The rows of a statement that has some.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<Row>, SqlError> {
        match self.engine.execute(&self.parse(sql)?, None).await? {
            Some(Executed::Outcome(Outcome::Rows(rows))) => Ok(rows.collect().await.unwrap()),
            other => panic!("{sql} has no rows: {other:?}"),
        }
    }

    /// Submits, waits, and gives the Status of the job, which must be CANCELLED.
    pub(crate) async fn refused(&self, sql: &str) -> String {
        let record = self.job(sql).await.unwrap();
        assert_eq!(record.state, "CANCELLED", "{sql}");
        rockhold_engine::job_status(&record)
    }

    pub(crate) async fn submit(&self, sql: &str) -> Result<JobHandle, SqlError> {
        match self.engine.execute(&self.parse(sql)?, None).await? {
            Some(Executed::Job(job)) => Ok(job),
            other => panic!("{sql} is not a job: {other:?}"),
        }
    }

    /// Submits and waits.
    pub(crate) async fn job(&self, sql: &str) -> Result<JobRecord, SqlError> {
        Ok(self.submit(sql).await?.wait().await)
    }

    pub(crate) async fn done(&self, sql: &str) {
        let record = self.job(sql).await.unwrap();
        assert_eq!(record.state, "FINISHED", "{sql}: {}", rockhold_engine::job_status(&record));
    }

    pub(crate) async fn sql(&self, sql: &str) -> Result<(), SqlError> {
        self.engine.execute(&self.parse(sql)?, None).await.map(|_| ())
    }

    /// Rows of one file for every partition: their numbers begin at `first`.
    pub(crate) async fn load(&self, table: &ObjectName, first: i32) {
        self.load_into(table, first, |_| true).await;
    }

    /// As `load`, for the partitions whose names are taken.
    pub(crate) async fn load_into(&self, table: &ObjectName, first: i32, take: impl Fn(&str) -> bool) {
        let load = self.store.begin_load(table, None).await.unwrap();
        for (i, partition) in load.partitions().into_iter().enumerate() {
            if !take(&partition.definition.name) {
                continue;
            }
            let numbers: Vec<i32> = (0..5).map(|n| first + n + 100 * i as i32).collect();
            let texts: Vec<String> = numbers.iter().map(|n| format!("row {n}")).collect();
            write_rows(&load, &partition, numbers, texts).await;
        }
        load.commit().await.unwrap();
    }

    pub(crate) async fn create_table(&self, table: &ObjectName, partitions: usize) {
        let (definition, partitions) = definition(&table.name, partitions);
        let object = NewObject {
            namespace: Namespace::Relation,
            kind: KindId::TABLE,
            name: table.clone(),
            definition: serde_json::to_value(definition).unwrap(),
            state: serde_json::Value::Null,
            partitions,
        };
        self.store.change(Change::CreateObject(object)).await.unwrap();
    }

    /// A database `d` with the table `t` of so many partitions, loaded twice,
    /// and the repository `r`.
    pub(crate) async fn set_up(&self, partitions: usize) {
        self.set_up_at(partitions, "mem://r").await;
    }

    /// As `set_up`, with the repository at a location.
    pub(crate) async fn set_up_at(&self, partitions: usize, location: &str) {
        let create = format!("CREATE REPOSITORY r WITH BROKER ON LOCATION \"{location}\"");
        self.set_up_with(partitions, &create).await;
    }

    /// As `set_up`, with the statement that creates the repository.
    pub(crate) async fn set_up_with(&self, partitions: usize, create_repository: &str) {
        self.store.change(Change::CreateDatabase { name: "d".into() }).await.unwrap();
        let table = ObjectName::new("d", "t");
        self.create_table(&table, partitions).await;
        self.load(&table, 1).await;
        self.load(&table, 50).await;
        self.sql(create_repository).await.unwrap();
    }

    /// The timestamp of a snapshot.
    pub(crate) async fn timestamp(&self, label: &str) -> String {
        let filter = rockhold_engine::SnapshotFilter::Label(label.into());
        let rows = self.engine.show_snapshots("r", filter).await.unwrap().collect().await.unwrap();
        assert_eq!(rows[0][2].as_deref(), Some("OK"), "{rows:?}");
        rows[0][1].clone().unwrap()
    }

    /// `tail` is what stands behind the repository of a RESTORE.
    pub(crate) async fn restore(&self, label: &str, tail: &str) -> String {
        let timestamp = self.timestamp(label.rsplit('.').next().unwrap()).await;
        format!("RESTORE SNAPSHOT {label} FROM r {tail} PROPERTIES (\"backup_timestamp\" = \"{timestamp}\")")
    }

    /// RESTORE of the snapshot `label`, with the timestamp that it has.
    pub(crate) async fn restore_statement(&self, label: &str, target: &str) -> String {
        let timestamp = self.timestamp(label).await;
        format!(
            "RESTORE SNAPSHOT {label} FROM r DATABASE d{target} PROPERTIES (\"backup_timestamp\" = \"{timestamp}\")"
        )
    }

    /// What a user can see of a table: its definition, and for each partition
    /// the digests of the bytes of its files, read and hashed. `None` when
    /// there is no such table.
    pub(crate) async fn visible(&self, table: &ObjectName) -> Option<Vec<String>> {
        let snapshot = match self.store.snapshot(std::slice::from_ref(table)).await {
            Ok(snapshot) => snapshot,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => panic!("{table} cannot be read: {error}"),
        };
        let object = &snapshot.objects()[0];
        let mut lines = vec![object.info.object.definition.to_string()];
        for partition in &object.partitions {
            for file in snapshot.files(partition).await.unwrap() {
                let bytes = std::fs::read(&file.path).unwrap();
                let digest = rockhold_core::Digest::of(&bytes);
                assert_eq!(digest, file.digest, "{}", file.path.display());
                lines.push(format!(
                    "{} {} {digest} {} {}",
                    partition.name(),
                    file.number,
                    file.rows,
                    file.bucket
                ));
            }
        }
        Some(lines)
    }
}

/// One file of a partition of such a table.
pub(crate) async fn write_rows(
    load: &Load,
    partition: &LoadPartition,
    numbers: Vec<i32>,
    texts: Vec<String>,
) {
    let schema =
        Arc::new(Schema::new(vec![Field::new("k", Arrow::Int32, true), Field::new("v", Arrow::Utf8, true)]));
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int32Array::from(numbers)), Arc::new(StringArray::from(texts))];
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    load.write_file(partition, 0, schema, futures::stream::iter([Ok(batch)])).await.unwrap();
}

/// A table of `count` range partitions `p001`, `p002`, … of 100 numbers each.
pub(crate) fn definition(name: &str, count: usize) -> (TableDefinition, Vec<Partition>) {
    let mut key = Column::new("k", DataType::Int);
    key.key = true;
    let range = |name: &str, low: &str, high: &str| {
        Partition::new(
            name,
            PartitionValue::Range {
                lower: vec![rockhold_model::Bound::Value(low.into())],
                upper: vec![rockhold_model::Bound::Value(high.into())],
            },
        )
    };
    let definition = TableDefinition {
        name: name.into(),
        engine: "OLAP".into(),
        columns: vec![key, Column::new("v", DataType::Varchar(20))],
        key_model: KeyModel::Duplicate,
        key_columns: vec!["k".into()],
        comment: String::new(),
        partitioning: Partitioning::Range { columns: vec!["k".into()], expression: None },
        distribution: Distribution::Hash { columns: vec!["k".into()] },
        buckets: Some(1),
        sort_key: Vec::new(),
        indexes: Vec::new(),
        rollups: Vec::new(),
        properties: [("replication_num".to_owned(), "3".to_owned())].into_iter().collect(),
    };
    let bound = |n: usize| (n * 100).to_string();
    let partitions = (0..count).map(|n| range(&format!("p{:03}", n + 1), &bound(n), &bound(n + 1))).collect();
    (definition, partitions)
}
