//! The property of versions: equal ids, equal rows, in every warehouse that
//! descends from one; what is pinned reads as it was.

use crate::support::*;
use proptest::prelude::*;
use rockhold_core::{Cut, JobId, KindId, Namespace, PinRequest, RestoreAction, VersionId, Warehouse};
use rockhold_warehouse_store::{Change, ReadSnapshot, Store};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug)]
enum Op {
    Load { world: u8, partition: u8, rows: u8 },
    Overwrite { world: u8, partition: u8 },
    RemoveFile { world: u8, partition: u8, file: u8 },
    Truncate { world: u8, partition: u8 },
    DropPartition { world: u8, partition: u8 },
    AddPartition { world: u8, partition: u8 },
    DropTable { world: u8 },
    Backup { world: u8 },
    Restore { world: u8, backup: u8, commit: bool },
    Copy { world: u8 },
    Reopen { world: u8 },
    Pin { world: u8 },
    Query { world: u8 },
    Release { pin: u8 },
    Reclaim { world: u8 },
}

fn op() -> impl Strategy<Value = Op> {
    let (w, p) = (any::<u8>(), 0..3u8);
    prop_oneof![
        6 => (w, p.clone(), 1..4u8).prop_map(|(world, partition, rows)| Op::Load { world, partition, rows }),
        1 => (w, p.clone()).prop_map(|(world, partition)| Op::Overwrite { world, partition }),
        2 => (w, p.clone(), any::<u8>())
            .prop_map(|(world, partition, file)| Op::RemoveFile { world, partition, file }),
        1 => (w, p.clone()).prop_map(|(world, partition)| Op::Truncate { world, partition }),
        1 => (w, p.clone()).prop_map(|(world, partition)| Op::DropPartition { world, partition }),
        1 => (w, p).prop_map(|(world, partition)| Op::AddPartition { world, partition }),
        1 => w.prop_map(|world| Op::DropTable { world }),
        2 => w.prop_map(|world| Op::Backup { world }),
        3 => (w, any::<u8>(), prop::bool::weighted(0.7))
            .prop_map(|(world, backup, commit)| Op::Restore { world, backup, commit }),
        1 => w.prop_map(|world| Op::Copy { world }),
        1 => w.prop_map(|world| Op::Reopen { world }),
        2 => w.prop_map(|world| Op::Pin { world }),
        1 => w.prop_map(|world| Op::Query { world }),
        1 => w.prop_map(|pin| Op::Release { pin }),
        2 => w.prop_map(|world| Op::Reclaim { world }),
    ]
}

enum Held {
    Job { world: usize, job: JobId, cut: Arc<dyn Cut>, rows: Rows },
    Query { world: usize, snapshot: ReadSnapshot, rows: Rows },
}

type Rows = BTreeMap<String, (VersionId, Vec<i64>)>;

impl Held {
    fn world(&self) -> usize {
        match self {
            Held::Job { world, .. } | Held::Query { world, .. } => *world,
        }
    }
}

struct Model {
    base: tempfile::TempDir,
    worlds: Vec<Store>,
    /// Whether table `t` is there.
    tables: Vec<bool>,
    seen: BTreeMap<VersionId, Vec<i64>>,
    held: Vec<Held>,
    backups: Vec<Vec<Saved>>,
    next: i64,
}

const MOST_WORLDS: usize = 3;

impl Model {
    async fn new() -> Self {
        let base = tempfile::tempdir().expect("dir");
        let store = new_store(&base.path().join("0")).await;
        create_table(&store, "t", &["p0", "p1"]).await;
        let (worlds, tables) = (vec![store], vec![true]);
        Self { base, worlds, tables, seen: BTreeMap::new(), held: vec![], backups: vec![], next: 0 }
    }

    fn fresh_rows(&mut self, n: u8) -> Vec<i64> {
        let first = self.next;
        self.next += i64::from(n);
        (first..self.next).collect()
    }

    /// Records what a version id means, or checks that it still means it.
    fn meet(&mut self, version: VersionId, rows: &[i64]) {
        let known = self.seen.entry(version).or_insert_with(|| rows.to_vec());
        assert_eq!(known, rows, "version {version} means other rows");
    }

    async fn has(&self, world: usize, partition: &str) -> bool {
        let list = self.worlds[world].list_partitions(&name("t")).await.expect("list");
        list.iter().any(|p| p.name() == partition)
    }

    async fn apply(&mut self, op: Op) {
        let pick = |n: u8, of: usize| usize::from(n) % of.max(1);
        let worlds = self.worlds.len();
        match op {
            Op::Load { world, partition, rows } => {
                let (world, partition) = (pick(world, worlds), format!("p{partition}"));
                if self.tables[world] && self.has(world, &partition).await {
                    let rows = self.fresh_rows(rows);
                    load(&self.worlds[world], "t", &partition, &rows).await.expect("load");
                }
            }
            Op::Overwrite { world, partition } => {
                let (world, partition) = (pick(world, worlds), format!("p{partition}"));
                if self.tables[world] && self.has(world, &partition).await {
                    let rows = self.fresh_rows(2);
                    let load = self.worlds[world].begin_load(&name("t"), None).await.expect("begin");
                    load.truncate(&load.partition(&partition).expect("there"));
                    add_rows(&load, &partition, &rows).await.expect("write");
                    load.commit().await.expect("commit");
                }
            }
            Op::RemoveFile { world, partition, file } => {
                let (world, partition) = (pick(world, worlds), format!("p{partition}"));
                if self.tables[world] && self.has(world, &partition).await {
                    self.remove_file(world, &partition, file).await;
                }
            }
            Op::Truncate { world, partition } => {
                let (world, partition) = (pick(world, worlds), format!("p{partition}"));
                if self.tables[world] && self.has(world, &partition).await {
                    let names = Some(vec![partition.to_uppercase()]);
                    let change = Change::TruncatePartitions { table: name("t"), names };
                    self.worlds[world].change(change).await.expect("truncate");
                }
            }
            Op::DropPartition { world, partition } => {
                let (world, partition) = (pick(world, worlds), format!("p{partition}"));
                if self.tables[world] && self.has(world, &partition).await {
                    let names = vec![partition];
                    let change = Change::DropPartitions { table: name("t"), names, temporary: false };
                    self.worlds[world].change(change).await.expect("drop");
                }
            }
            Op::AddPartition { world, partition: number } => {
                let (world, partition_name) = (pick(world, worlds), format!("p{number}"));
                if self.tables[world] && !self.has(world, &partition_name).await {
                    let partitions = vec![partition(&partition_name)];
                    let change = Change::AddPartitions { table: name("t"), partitions };
                    self.worlds[world].change(change).await.expect("add");
                }
            }
            Op::DropTable { world } => {
                let world = pick(world, worlds);
                if self.tables[world] {
                    let change = Change::DropObject { namespace: Namespace::Relation, name: name("t") };
                    self.worlds[world].change(change).await.expect("drop");
                    self.tables[world] = false;
                } else {
                    create_table(&self.worlds[world], "t", &["p0", "p1"]).await;
                    self.tables[world] = true;
                }
            }
            Op::Backup { world } => {
                let world = pick(world, worlds);
                if self.tables[world] {
                    let saved = backup(&self.worlds[world], "t").await.expect("backup");
                    for partition in &saved {
                        self.meet(partition.entry.version_id, &partition.rows());
                    }
                    self.backups.push(saved);
                }
            }
            Op::Restore { world, backup, commit } => self.restore(pick(world, worlds), backup, commit).await,
            Op::Copy { world } => self.copy(pick(world, worlds)).await,
            Op::Reopen { world } => self.reopen(pick(world, worlds)).await,
            Op::Pin { world } => {
                let world = pick(world, worlds);
                if self.tables[world] {
                    let job = JobId::random().expect("id");
                    let requests = vec![PinRequest::new(KindId::TABLE, name("t"))];
                    let rows = read_table(&self.worlds[world], "t").await.expect("read");
                    let cut = self.worlds[world].pin(job, requests).await.expect("pin");
                    self.held.push(Held::Job { world, job, cut, rows });
                }
            }
            Op::Query { world } => {
                let world = pick(world, worlds);
                if self.tables[world] {
                    let rows = read_table(&self.worlds[world], "t").await.expect("read");
                    let snapshot = self.worlds[world].snapshot(&[name("t")]).await.expect("pin");
                    self.held.push(Held::Query { world, snapshot, rows });
                }
            }
            Op::Release { pin } => {
                if !self.held.is_empty() {
                    let held = self.held.swap_remove(pick(pin, self.held.len()));
                    self.check_held(&held).await;
                    self.release(held).await;
                }
            }
            Op::Reclaim { world } => self.worlds[pick(world, worlds)].reclaim().await.expect("reclaim"),
        }
        self.check().await;
    }

    async fn remove_file(&mut self, world: usize, partition: &str, file: u8) {
        let store = &self.worlds[world];
        let load = store.begin_load(&name("t"), None).await.expect("begin");
        let snapshot = store.snapshot(&[name("t")]).await.expect("pin");
        let info = snapshot.objects()[0].partitions.iter().find(|p| p.name() == partition).expect("there");
        let files = snapshot.files(info).await.expect("files");
        if !files.is_empty() {
            let gone = &files[usize::from(file) % files.len()];
            load.remove_file(&load.partition(partition).expect("there"), gone.number);
            load.commit().await.expect("commit");
        }
    }

    async fn restore(&mut self, world: usize, backup: u8, commit: bool) {
        if self.backups.is_empty() {
            return;
        }
        let saved = self.backups[usize::from(backup) % self.backups.len()].clone();
        let store = &self.worlds[world];
        let there = self.tables[world];
        let action = if there { RestoreAction::Merge } else { RestoreAction::Create };
        let mut wanted = if there { rows_by_partition(store, "t").await } else { BTreeMap::new() };
        let before = wanted.clone();
        let job = JobId::random().expect("id");
        store.begin(job, &plan("t", action, json!({}))).await.expect("begin");
        stage(store, job, 0, &saved).await.expect("stage");
        store.reclaim().await.expect("reclaiming spares what is staged");
        if commit {
            store.commit(job).await.expect("commit");
            wanted.extend(saved.iter().map(|s| (s.entry.name.clone(), s.rows())));
            self.tables[world] = true;
        } else {
            store.rollback(job).await.expect("rollback");
            wanted = before;
        }
        if self.tables[world] {
            assert_eq!(rows_by_partition(&self.worlds[world], "t").await, wanted);
        }
    }

    async fn copy(&mut self, world: usize) {
        if self.worlds.len() < MOST_WORLDS {
            let to = self.base.path().join(self.worlds.len().to_string());
            copy_dir(self.worlds[world].dir(), &to);
            self.worlds.push(Store::open(&to, reopen()).await.expect("the copy opens"));
            self.tables.push(self.tables[world]);
        }
    }

    async fn reopen(&mut self, world: usize) {
        let mut rest = Vec::new();
        for held in std::mem::take(&mut self.held) {
            if held.world() == world {
                self.check_held(&held).await;
                self.release(held).await;
            } else {
                rest.push(held);
            }
        }
        self.held = rest;
        let dir = self.worlds[world].dir().to_path_buf();
        let other = self.base.path().join("empty");
        // The place is taken by another store while the old one closes.
        self.worlds[world] = Store::open(&other, quiet()).await.expect("a placeholder");
        self.worlds[world] = Store::open(&dir, reopen()).await.expect("open again");
    }

    async fn release(&self, held: Held) {
        if let Held::Job { world, job, .. } = held {
            self.worlds[world].release(job).await.expect("release");
        }
    }

    async fn check_held(&mut self, held: &Held) {
        let rows: Rows = match held {
            Held::Job { cut, .. } => {
                let saved = save(&**cut, 0).await.expect("read");
                saved.into_iter().map(|s| (s.entry.name.clone(), (s.entry.version_id, s.rows()))).collect()
            }
            Held::Query { snapshot, .. } => {
                let mut all = BTreeMap::new();
                for partition in &snapshot.objects()[0].partitions {
                    let files = snapshot.files(partition).await.expect("files");
                    let mut rows: Vec<i64> = files.iter().flat_map(|f| rows_of(&f.path)).collect();
                    rows.sort_unstable();
                    all.insert(partition.name().to_owned(), (partition.version_id, rows));
                }
                all
            }
        };
        let wanted = match held {
            Held::Job { rows, .. } | Held::Query { rows, .. } => rows,
        };
        assert_eq!(&rows, wanted, "a pinned cut changed");
    }

    /// Every warehouse agrees on what its version ids mean.
    async fn check(&mut self) {
        for world in 0..self.worlds.len() {
            if self.tables[world] {
                for (version, rows) in read_table(&self.worlds[world], "t").await.expect("read").into_values()
                {
                    self.meet(version, &rows);
                }
            }
        }
    }

    async fn finish(mut self) {
        for held in std::mem::take(&mut self.held) {
            self.check_held(&held).await;
            self.release(held).await;
        }
        for store in &self.worlds {
            store.reclaim().await.expect("reclaim");
        }
        self.check().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn equal_version_ids_mean_equal_rows_in_every_copy_and_cuts_never_change(
        ops in prop::collection::vec(op(), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            let mut model = Model::new().await;
            for op in ops {
                model.apply(op).await;
            }
            model.finish().await;
        });
    }
}
