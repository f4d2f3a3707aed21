//! The four worker pools bound what they say, over all jobs of an engine, and
//! are used to the full; large files come in ranges within the same bound.

use crate::counting::{CountingRepository, CountingWarehouse, Gauge, Gauges};
use crate::support::{MemoryFactory, World, builder, open, write_rows};
use rockhold_core::{Guarantee, Guarantees, ObjectName};
use rockhold_engine::{EngineConfig, JobDetail, JobHandle};
use rockhold_layers::{Counters, FaultPlan, Operation};
use rockhold_warehouse_store::Change;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

/// A world whose engine has these limits and counts.
async fn counted(dir: &Path, memory: &MemoryFactory, config: EngineConfig) -> (World, Arc<Gauges>) {
    let whole = Guarantees::new(Guarantee::Whole, Guarantee::Whole);
    promising(dir, memory, config, whole).await
}

/// As `counted`, over a warehouse that promises so much.
async fn promising(
    dir: &Path,
    memory: &MemoryFactory,
    config: EngineConfig,
    guarantees: Guarantees,
) -> (World, Arc<Gauges>) {
    let plain = open(dir, memory, &FaultPlan::new()).await.unwrap();
    let (gauges, counters) = (Arc::<Gauges>::default(), Counters::new());
    let inner = Arc::new(plain.store.clone());
    let warehouse = CountingWarehouse { inner, gauges: gauges.clone(), guarantees };
    let layer = {
        let (gauges, counters) = (gauges.clone(), counters.clone());
        move |repository, _| {
            let counted = rockhold_layers::Layers::new().count(counters.clone()).around(repository);
            Arc::new(CountingRepository { inner: counted, gauges: gauges.clone() }) as _
        }
    };
    let engine = builder(Arc::new(warehouse), Arc::new(plain.store.clone()))
        .unwrap()
        .config(config)
        .storage(Arc::new(memory.clone()))
        .unwrap()
        .layer(layer)
        .build();
    (World { store: plain.store, engine, counters }, gauges)
}

async fn all(jobs: Vec<JobHandle>) {
    for job in jobs {
        let record = job.wait().await;
        assert_eq!(record.state, "FINISHED", "{}", rockhold_engine::job_status(&record));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_worker_count_bounds_its_pool_over_all_jobs_and_is_reached() {
    // Uploads and downloads of files that are no longer than their share.
    for (small_files, uploads, downloads) in [(1, 4, 5), (3, 12, 15)] {
        let expected = [3, 2, uploads, downloads];
        let most = most_at_once(small_files, expected).await;
        assert_eq!(most, expected, "{small_files} small files for each worker");
    }
}

async fn most_at_once(small_files: usize, expected: [usize; 4]) -> [usize; 4] {
    const JOBS: usize = 8;
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    let config = EngineConfig {
        make_snapshot_worker_count: 3,
        release_snapshot_worker_count: 2,
        upload_worker_count: 4,
        download_worker_count: 5,
        small_files_per_worker: small_files,
        ..EngineConfig::default()
    };
    let (w, gauges) = counted(dir.path(), &memory, config).await;
    for (gauge, count) in gauges.pools().into_iter().zip(expected) {
        gauge.expect(count);
    }
    w.set_up(1).await;
    for n in 0..JOBS {
        w.store.change(Change::CreateDatabase { name: format!("d{n}") }).await.unwrap();
        let table = ObjectName::new(format!("d{n}"), "t");
        w.create_table(&table, 6).await;
        // Other rows in each database, so that no file is found by another's digest.
        w.load(&table, 1000 * (n as i32 + 1)).await;
    }
    let mut jobs = Vec::new();
    for n in 0..JOBS {
        jobs.push(w.submit(&format!("BACKUP DATABASE d{n} SNAPSHOT s{n} TO r")).await.unwrap());
    }
    all(jobs).await;
    for n in 0..JOBS {
        w.store.change(Change::DropDatabase { name: format!("d{n}") }).await.unwrap();
    }
    w.store.reclaim().await.unwrap();
    let mut jobs = Vec::new();
    for n in 0..JOBS {
        let restore = w
            .restore_statement(&format!("s{n}"), "")
            .await
            .replace("DATABASE d ", &format!("DATABASE d{n} "));
        jobs.push(w.submit(&restore).await.unwrap());
    }
    all(jobs).await;
    gauges.pools().map(Gauge::most)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_files_that_seem_to_be_here_are_looked_for() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    let (w, gauges) = counted(dir.path(), &memory, EngineConfig::default()).await;
    w.set_up(3).await;
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    w.done(&w.restore_statement("s", " AS copy").await).await;
    assert_eq!((gauges.finds.load(SeqCst), gauges.downloads.most()), (6, 0));
    let restore = w.restore_statement("s", "").await;
    for database in ["d", "copy"] {
        w.store.change(Change::DropDatabase { name: database.into() }).await.unwrap();
    }
    w.store.reclaim().await.unwrap();
    w.done(&restore).await;
    assert_eq!(gauges.finds.load(SeqCst), 6, "none is here");
    assert!(gauges.downloads.most() > 0);
}

/// One file in each partition: text of so many MiB that hardly compresses, to
/// four fifths of that.
pub(crate) async fn load_large(w: &World, table: &ObjectName, mib: i32) {
    let load = w.store.begin_load(table, None).await.unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut text = |len: usize| -> String {
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b' ' + (state % 64) as u8)
        };
        (0..len).map(|_| random()).collect()
    };
    for partition in load.partitions() {
        let texts: Vec<String> = (0..mib).map(|_| text(1 << 20)).collect();
        write_rows(&load, &partition, (0..mib).collect(), texts).await;
    }
    load.commit().await.unwrap();
}

/// Backs up a database with a table of such files. Gives the table, its rows, and
/// the statement that restores them; they are nowhere else any more.
async fn back_up_large(w: &World, partitions: usize, mib: i32) -> (ObjectName, Vec<String>, String) {
    w.store.change(Change::CreateDatabase { name: "d".into() }).await.unwrap();
    let table = ObjectName::new("d", "t");
    w.create_table(&table, partitions).await;
    load_large(w, &table, mib).await;
    w.sql("CREATE REPOSITORY r WITH BROKER ON LOCATION \"mem://r\"").await.unwrap();
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    let (rows, restore) = (w.visible(&table).await.unwrap(), w.restore_statement("s", "").await);
    w.store.change(Change::DropDatabase { name: "d".into() }).await.unwrap();
    w.store.reclaim().await.unwrap();
    (table, rows, restore)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn downloads_share_a_worker_by_what_they_hold_and_uploads_by_their_length() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    let config = EngineConfig { upload_worker_count: 1, download_worker_count: 1, ..EngineConfig::default() };
    let (w, gauges) = counted(dir.path(), &memory, config).await;
    let (table, rows, restore) = back_up_large(&w, 6, 6).await;
    assert_eq!(gauges.uploads.most(), 1, "two would not fit a buffer");
    gauges.downloads.expect(4);
    w.done(&restore).await;
    assert_eq!(gauges.downloads.most(), 4);
    assert_eq!(w.visible(&table).await.unwrap(), rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_large_file_comes_in_ranges_at_once_each_verified_and_never_more_than_the_workers() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    let config = EngineConfig { download_worker_count: 2, ..EngineConfig::default() };
    let (w, gauges) = counted(dir.path(), &memory, config).await;
    let (table, rows, restore) = back_up_large(&w, 1, 60).await;

    let repository = memory.repository("mem://r/__rockhold_repository_r");
    let (key, bytes) =
        repository.objects().into_iter().find(|(key, _)| key.as_str().starts_with("data/")).unwrap();
    let chunks = bytes.len().div_ceil(16 << 20);
    assert!(chunks >= 3, "{} bytes", bytes.len());
    // A flipped bit is named with the range that it lies in, cut off bytes with what is missing.
    let at = bytes.len() - 10;
    for (damaged, said) in [
        (
            bytes.iter().enumerate().map(|(n, b)| if n == at { b ^ 1 } else { *b }).collect(),
            "are not those that were stored",
        ),
        (bytes[..at].to_vec(), "came only in part"),
        (bytes[..16 << 20].to_vec(), "are not there"),
    ] {
        let put = rockhold_core::PutRequest::new(key.clone(), damaged);
        let put = put.mode(rockhold_core::WriteMode::Overwrite);
        rockhold_core::Repository::put(&*repository, put).await.unwrap();
        let status = w.refused(&restore).await;
        assert!(status.starts_with("[BAD_FILE") && status.contains(said), "{status}");
        assert!(status.contains(key.as_str()) && status.contains("object d.t"), "{status}");
        assert!(w.store.list_databases().await.unwrap().is_empty());
    }
    let put = rockhold_core::PutRequest::new(key, bytes.to_vec()).mode(rockhold_core::WriteMode::Overwrite);
    rockhold_core::Repository::put(&*repository, put).await.unwrap();

    let before = w.counters.snapshot();
    gauges.downloads.expect(2);
    w.done(&restore).await;
    let spent = w.counters.snapshot().since(&before);
    println!("{} bytes in {chunks} ranges, {} at once", bytes.len(), gauges.downloads.most());
    assert!(spent.bytes_down() < bytes.len() as u64 + (64 << 10), "no byte comes twice: {spent:?}");
    assert!(spent.of(Operation::Get).calls >= chunks as u64);
    assert_eq!(gauges.downloads.most(), 2);
    assert_eq!(w.visible(&table).await.unwrap(), rows);
}

/// Idle workers send parts of a long file, where the store takes them at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_large_file_goes_in_parts_at_once_and_never_more_than_the_workers() {
    for (serial, most) in [(false, 3), (true, 1)] {
        let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
        let config = EngineConfig { upload_worker_count: 3, ..EngineConfig::default() };
        let (w, gauges) = counted(dir.path(), &memory, config).await;
        gauges.one_part_after_the_other.store(serial, SeqCst);
        gauges.uploads.expect(most);
        let (table, rows, restore) = back_up_large(&w, 1, 60).await;
        assert_eq!(gauges.uploads.most(), most, "serial: {serial}");
        w.done(&restore).await;
        assert_eq!(w.visible(&table).await.unwrap(), rows);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_weaker_guarantee_is_told_by_explain_and_by_the_job() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    let weak = Guarantees::new(Guarantee::PerTable, Guarantee::Whole);
    let (w, _) = promising(dir.path(), &memory, EngineConfig::default(), weak).await;
    w.set_up(1).await;
    let told = async |sql: &str| -> Vec<String> {
        let rows = w.rows(&format!("EXPLAIN {sql}")).await.unwrap();
        let (words, notes): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .filter(|row| matches!(row[0].as_deref(), Some("guarantee" | "note")))
            .partition(|row| row[0].as_deref() == Some("guarantee"));
        let detail = |rows: Vec<Vec<Option<String>>>| rows.into_iter().filter_map(|row| row[9].clone());
        detail(words).chain(detail(notes)).collect()
    };
    let note = "each table is consistent by itself; together they are not of one instant";
    let backup = "BACKUP DATABASE d SNAPSHOT s TO r";
    assert_eq!(told(backup).await, ["cut: per table", note]);
    let record = w.job(backup).await.unwrap();
    assert_eq!(JobDetail::of(&record).unwrap().notes, [note]);
    // The snapshot remembers it, whatever the warehouse promises that restores it.
    let restore = w.restore_statement("s", " AS e").await;
    let word = "per table (cut of the snapshot: per table, commit: whole)";
    assert_eq!(told(&restore).await, [word, "database e will be created", note]);
    let record = w.job(&restore).await.unwrap();
    assert_eq!(JobDetail::of(&record).unwrap().notes, [note]);
}
