//! How large and how fast a manifest of many files is: sizes, times and peak
//! memory on the in-memory repository.
//!
//! ```sh
//! cargo run --release -p rockhold-core --example manifest_size -- 1000000
//! ```
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "an example")]

use rockhold_core::format::{
    Children, EntryReader, FileEntry, FileWriter, PageWriter, PartitionEntry, PartitionPlanner,
    PartitionWriter, PlanStep, data_key,
};
use rockhold_core::{Digest, JobId, MemoryRepository, ObjectName, PinnedPartition, VersionId};
use serde_json::json;
use std::{sync::Arc, time::Instant};

fn file(job: JobId, n: u64) -> FileEntry {
    let digest = Digest::of(&n.to_le_bytes());
    FileEntry {
        key: data_key(job, n, "parquet").unwrap(),
        offset: 0,
        len: 4_000_000 + n * 7919 % 1_000_000,
        digest,
        chunks: Vec::new(),
        logical_len: None,
        logical_digest: None,
        codec: None,
        key_id: None,
        rows: 50_000 + n * 31 % 9973,
        bucket: (n % 16) as u32,
        loads: Some((n / 16, n / 16)),
        rollup: None,
    }
}

fn pinned(n: u64) -> PinnedPartition {
    let mut id = [0; 16];
    id.copy_from_slice(&Digest::of(&n.to_be_bytes()).as_bytes()[..16]);
    let definition =
        json!({"kind": "range", "lower": [format!("{n}")], "upper": [format!("{}", n + 1)], "buckets": 16});
    PinnedPartition::new(1, format!("p{n:08}"), definition, VersionId::from_bytes(id))
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) / 1024
}

async fn measure(files: u64, per_partition: u64) {
    let store = Arc::new(MemoryRepository::new());
    let job = JobId::random().unwrap();
    let name = ObjectName::new("shop", "orders");
    let pages = Arc::new(PageWriter::new(store.clone(), job));

    let begin = Instant::now();
    let mut out = PartitionWriter::new(pages.clone());
    for p in 0..files / per_partition {
        let mut list = FileWriter::new(pages.clone());
        for f in 0..per_partition {
            list.push(file(job, p * per_partition + f)).await.unwrap();
        }
        let (children, totals) = list.finish().await.unwrap();
        out.push(PartitionEntry::new(&pinned(p), children, totals).unwrap()).await.unwrap();
    }
    let (children, totals) = out.finish().await.unwrap();
    let write = begin.elapsed();
    let (count, stored) = (pages.pages(), pages.stored());

    let begin = Instant::now();
    let mut read = 0;
    let mut partitions = EntryReader::partitions(store.clone(), &name, children.clone(), None);
    while let Some(partition) = partitions.next().await.unwrap() {
        let mut list = EntryReader::files(store.clone(), &name, &partition.name, partition.files);
        while list.next().await.unwrap().is_some() {
            read += 1;
        }
    }
    let reading = begin.elapsed();
    assert_eq!((read, totals.files), (files, files));

    let begin = Instant::now();
    let pages = Arc::new(PageWriter::new(store.clone(), JobId::random().unwrap()));
    let mut planner = PartitionPlanner::new(store.clone(), Some(children.clone()));
    let mut out = PartitionWriter::new(pages.clone());
    for p in 0..=files / per_partition {
        let steps = match p == files / per_partition {
            true => planner.finish().await.unwrap(),
            false => planner.push(pinned(p)).await.unwrap(),
        };
        for step in steps {
            match step {
                PlanStep::Reuse(page) => out.reuse(*page).await.unwrap(),
                PlanStep::Keep(entry) => out.push(*entry).await.unwrap(),
                _ => {}
            }
        }
    }
    let (again, _): (Children<PartitionEntry>, _) = out.finish().await.unwrap();
    assert!(again == children);
    println!(
        "{files} files, {per_partition} a partition: {count} pages, {stored} bytes ({:.1} a file), write {write:.2?}, \
         read and verify {reading:.2?}, unchanged backup {:.2?} writing {} pages; peak {} MiB with the store",
        stored as f64 / files as f64,
        begin.elapsed(),
        pages.pages(),
        peak_mib()
    );
}

fn main() {
    let files = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for per_partition in [10, 100, files] {
        runtime.block_on(measure(files, per_partition));
    }
}
