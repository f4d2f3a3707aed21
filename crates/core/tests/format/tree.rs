//! Writing, planning, reading the tree.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{Harness, below, file, partition, version};
use proptest::prelude::*;
use rockhold_core::format::{
    Children, DocumentRef, EntryReader, FileEntry, FileWriter, ObjectEntry, ObjectEntryWriter, PAGE_TARGET,
    PageWriter, PartitionEntry, PartitionPlanner, PartitionWriter, PlanStep, Totals, read_document,
    write_object,
};
use rockhold_core::{Document, ErrorKind, JobId, KindId, LiveObject, ObjectName, PinnedPartition};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Smaller pages than usual, so that few bytes make many of them.
const TARGET: usize = PAGE_TARGET / 16;

fn name() -> ObjectName {
    ObjectName::new("shop", "orders")
}

fn writer(store: &Arc<Harness>) -> Arc<PageWriter> {
    Arc::new(PageWriter::new(store.clone(), JobId::random().unwrap()).target(TARGET))
}

/// What one backup did.
#[derive(Debug, Default)]
struct Backup {
    children: Children<PartitionEntry>,
    totals: Totals,
    pages_written: u64,
    reused: usize,
    kept: Vec<String>,
    uploaded: Vec<String>,
    based: Vec<String>,
    damaged: usize,
}

/// Backs up the partitions as the engine does.
async fn back_up(
    store: &Arc<Harness>,
    local: &[PinnedPartition],
    base: Option<Children<PartitionEntry>>,
) -> Backup {
    let pages = writer(store);
    let mut planner = PartitionPlanner::new(store.clone(), base);
    let mut out = PartitionWriter::new(pages.clone());
    let mut done = Backup::default();
    for number in 0..=local.len() {
        let steps = match local.get(number) {
            Some(partition) => planner.push(partition.clone()).await.unwrap(),
            None => planner.finish().await.unwrap(),
        };
        for step in steps {
            match step {
                PlanStep::Reuse(page) => {
                    done.reused += 1;
                    out.reuse(*page).await.unwrap();
                }
                PlanStep::Keep(entry) => {
                    done.kept.push(entry.name.clone());
                    out.push(*entry).await.unwrap();
                }
                PlanStep::Upload { partition, base } => {
                    done.uploaded.push(partition.name.clone());
                    if base.is_some() {
                        done.based.push(partition.name.clone());
                    }
                    let mut files = FileWriter::new(pages.clone());
                    for n in files_of(&partition) {
                        files.push(n).await.unwrap();
                    }
                    let (files, totals) = files.finish().await.unwrap();
                    out.push(PartitionEntry::new(&partition, files, totals).unwrap()).await.unwrap();
                }
                PlanStep::Cut => out.cut().await.unwrap(),
            }
        }
    }
    done.damaged = planner.damaged().len();
    (done.children, done.totals) = out.finish().await.unwrap();
    done.pages_written = pages.pages();
    done
}

/// The files of a partition follow from its version.
fn files_of(partition: &PinnedPartition) -> Vec<FileEntry> {
    let n = u64::from(partition.version_id.as_bytes()[0]);
    (0..n % 4).map(|i| file(n * 10 + i)).collect()
}

async fn read_all(
    store: &Arc<Harness>,
    children: Children<PartitionEntry>,
    select: Option<BTreeSet<String>>,
) -> Vec<PartitionEntry> {
    let mut reader = EntryReader::partitions(store.clone(), &name(), children, select);
    let mut all = Vec::new();
    while let Some(entry) = reader.next().await.unwrap() {
        all.push(entry);
    }
    all
}

async fn assert_holds(store: &Arc<Harness>, backup: &Backup, local: &[PinnedPartition]) {
    let read = read_all(store, backup.children.clone(), None).await;
    let facts = |name: &str, version, definition: &Value| (name.to_owned(), version, definition.clone());
    let got: Vec<_> = read.iter().map(|e| facts(&e.name, e.version_id, &e.definition)).collect();
    let wanted: Vec<_> = local.iter().map(|p| facts(&p.name, p.version_id, &p.definition)).collect();
    assert_eq!(got, wanted);
    let mut totals = Totals::default();
    for (entry, partition) in read.iter().zip(local) {
        assert_eq!(entry.files, Children::Inline(files_of(partition)));
        totals.add(&entry.totals);
    }
    assert_eq!(totals, backup.totals);
    // An independent backup without a base has the same fingerprint.
    assert_eq!(back_up(store, local, None).await.totals, backup.totals);
}

fn names(range: std::ops::Range<u64>) -> Vec<PinnedPartition> {
    range.map(|n| partition(&format!("p{n:05}"), n + 1, 1000)).collect()
}

#[tokio::test]
async fn small_levels_stay_inline_and_cost_no_request() {
    let store = Arc::new(Harness::new());
    let local: Vec<_> = (0..20).map(|n| partition(&format!("p{n:02}"), n, 100)).collect();
    let first = back_up(&store, &local, None).await;
    assert!(matches!(&first.children, Children::Inline(list) if list.len() == 20));
    let mut changed = local.clone();
    changed[7].version_id = version(99);
    let second = back_up(&store, &changed, Some(first.children)).await;
    assert_eq!((second.uploaded, second.based), (vec!["p07".to_owned()], vec!["p07".to_owned()]));
    assert!(store.keys().is_empty());
}

#[tokio::test]
async fn nothing_changed_means_no_page_is_read_or_written() {
    let store = Arc::new(Harness::new());
    let local = names(0..400);
    let first = back_up(&store, &local, None).await;
    let Children::Pages(pages) = &first.children else { panic!("inline") };
    assert!(pages.len() > 5 && pages.iter().all(|p| p.plain_len <= TARGET as u64));
    store.gets.lock().unwrap().clear();
    let second = back_up(&store, &local, Some(first.children.clone())).await;
    assert_eq!(second.children, first.children);
    assert_eq!((second.reused, second.pages_written), (pages.len(), 0));
    assert!(store.gets.lock().unwrap().is_empty());
    assert_holds(&store, &second, &local).await;
}

#[tokio::test]
async fn a_changed_partition_costs_the_reading_and_writing_of_its_page_alone() {
    let store = Arc::new(Harness::new());
    let mut local = names(0..400);
    let first = back_up(&store, &local, None).await;
    let Children::Pages(pages) = first.children.clone() else { panic!("inline") };
    local[200].version_id = version(9999);
    store.gets.lock().unwrap().clear();
    let second = back_up(&store, &local, Some(first.children)).await;
    assert_eq!((second.reused, second.pages_written), (pages.len() - 1, 1));
    assert_eq!(store.gets.lock().unwrap().len(), 1);
    assert_eq!(second.uploaded, ["p00200"]);
    assert_holds(&store, &second, &local).await;
    // A partition at the end costs the last page.
    local.extend(names(400..401));
    let third = back_up(&store, &local, Some(second.children)).await;
    assert_eq!((third.reused, third.pages_written), (pages.len() - 1, 1));
    // A changed definition alone keeps the files.
    local[10].definition = json!({"comment": "new"});
    let fourth = back_up(&store, &local, Some(third.children)).await;
    assert!(fourth.uploaded.is_empty());
    assert_holds(&store, &fourth, &local).await;
}

#[tokio::test]
async fn a_year_of_daily_partitions_does_not_fragment() {
    let store = Arc::new(Harness::new());
    let mut base: Option<Children<PartitionEntry>> = None;
    for day in 0..365u64 {
        // Ninety days are kept.
        let local = names(day.saturating_sub(90)..day + 1);
        let done = back_up(&store, &local, base.take()).await;
        assert!(done.pages_written <= 3, "day {day}: {} pages", done.pages_written);
        if let Children::Pages(pages) = &done.children {
            assert!(pages.len() <= 5, "day {day}: {} pages", pages.len());
        }
        base = Some(done.children);
    }
}

#[tokio::test]
async fn inserting_into_full_pages_again_and_again_does_not_fragment() {
    let store = Arc::new(Harness::new());
    let mut local: BTreeMap<String, PinnedPartition> =
        names(0..150).into_iter().map(|p| (p.name.clone(), p)).collect();
    let mut base = None;
    for round in 0..200u64 {
        let all: Vec<_> = local.values().cloned().collect();
        base = Some(back_up(&store, &all, base.take()).await.children);
        let new = partition(&format!("p00020-{round:04}"), round, 1000);
        local.insert(new.name.clone(), new);
    }
    let Some(Children::Pages(pages)) = base else { panic!("inline") };
    let plain: u64 = pages.iter().map(|p| p.plain_len).sum();
    let least = plain.div_ceil(TARGET as u64);
    assert!((pages.len() as u64) <= least * 2, "{} pages where {least} would do", pages.len());
}

#[tokio::test]
async fn a_base_page_that_is_damaged_or_gone_is_written_anew() {
    for gone in [false, true] {
        let store = Arc::new(Harness::new());
        let mut local = names(0..200);
        let first = back_up(&store, &local, None).await;
        let Children::Pages(pages) = first.children.clone() else { panic!("inline") };
        local[0].version_id = version(9999);
        if gone {
            use rockhold_core::Repository;
            store.delete(vec![pages[0].key.clone()]).await.unwrap();
        } else {
            store.overwrite(&pages[0].key, vec![0; 10]).await;
        }
        let second = back_up(&store, &local, Some(first.children)).await;
        assert_eq!(second.damaged, 1);
        assert_eq!(second.uploaded.len() as u64, pages[0].entries);
        assert_holds(&store, &second, &local).await;
    }
}

#[tokio::test]
async fn a_selection_reads_only_the_pages_it_needs() {
    let store = Arc::new(Harness::new());
    let local = names(0..400);
    let backup = back_up(&store, &local, None).await;
    store.gets.lock().unwrap().clear();
    let select: BTreeSet<String> = ["p00003", "p00399", "nowhere"].map(str::to_owned).into();
    let read = read_all(&store, backup.children, Some(select)).await;
    assert_eq!(read.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["p00003", "p00399"]);
    assert_eq!(store.gets.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn many_files_go_to_pages_in_order() {
    let store = Arc::new(Harness::new());
    let pages = writer(&store);
    let mut files = FileWriter::new(pages.clone());
    for n in 0..2_000 {
        files.push(file(n)).await.unwrap();
    }
    let (children, totals) = files.finish().await.unwrap();
    assert!(pages.pages() > 3 && pages.stored() > 0);
    assert_eq!(totals.files, 2_000);
    let entry = PartitionEntry::new(&partition("p", 1, 1), children.clone(), totals).unwrap();
    assert_eq!(entry.file_totals(), totals);
    let mut reader = EntryReader::files(store.clone(), &name(), "p", children);
    for n in 0..2_000 {
        assert_eq!(reader.next().await.unwrap(), Some(file(n)));
    }
    assert_eq!(reader.next().await.unwrap(), None);
}

fn live(n: u64) -> LiveObject {
    LiveObject {
        kind: KindId::TABLE,
        name: ObjectName::new("shop", format!("t{n:05}")),
        definition: Value::Null,
        state: Value::Null,
    }
}

fn document(n: u64, weight: usize) -> Document {
    Document {
        format: 1,
        kind: KindId::TABLE,
        body: json!({"columns": [n], "comment": "c".repeat(weight)}),
        state: json!({"next": n}),
        sql: format!("CREATE TABLE t{n:05} (a INT)"),
    }
}

#[tokio::test]
async fn objects_and_documents_come_back_and_unchanged_pages_are_found_by_their_bytes() {
    let store = Arc::new(Harness::new());
    let mut base: Option<Children<ObjectEntry>> = None;
    let mut base_documents: Vec<DocumentRef> = Vec::new();
    for round in 0..2 {
        let pages = writer(&store);
        base.iter().for_each(|b| pages.know_all(b));
        base_documents.iter().for_each(|d| pages.know_document(d));
        let mut out = ObjectEntryWriter::new(pages.clone());
        for n in 0..300 {
            // A few documents are too long to stay inline.
            let weight = if n % 100 == 0 { 20_000 } else { 1000 };
            let entry =
                write_object(&pages, &live(n), document(n, weight), Default::default()).await.unwrap();
            base_documents.push(entry.document.clone());
            out.push(entry).await.unwrap();
        }
        let (children, _) = out.finish().await.unwrap();
        if round == 1 {
            assert_eq!(pages.pages(), 0, "nothing changed, nothing is written");
            assert_eq!(Some(&children), base.as_ref());
        }
        base = Some(children);
    }
    let mut reader = EntryReader::objects(store.clone(), base.unwrap());
    for n in 0..300 {
        let entry = reader.next().await.unwrap().unwrap();
        assert_eq!(entry.name, live(n).name);
        let weight = if n % 100 == 0 { 20_000 } else { 1000 };
        assert_eq!(matches!(entry.document, DocumentRef::Page(_)), weight > 16_384);
        assert_eq!(read_document(&*store, &entry).await.unwrap(), document(n, weight));
    }
    assert!(reader.next().await.unwrap().is_none());
}

#[tokio::test]
async fn entries_out_of_order_too_long_or_with_false_totals_are_refused() {
    let store = Arc::new(Harness::new());
    let mut out = PartitionWriter::new(writer(&store));
    let entry = |p: &PinnedPartition| PartitionEntry::new(p, Children::default(), Totals::default()).unwrap();
    out.push(entry(&partition("b", 1, 1))).await.unwrap();
    for bad in ["a", "b"] {
        let error = out.push(entry(&partition(bad, 1, 1))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    let long = out.push(entry(&partition("c", 1, 17 << 20))).await.unwrap_err();
    assert_eq!(long.kind(), ErrorKind::LimitExceeded);
    assert!(long.to_string().contains("the manifest entry of one partition has 17"), "{long}");
    let mut lying = entry(&partition("d", 1, 1));
    lying.totals.rows = 5;
    assert_eq!(out.push(lying).await.unwrap_err().kind(), ErrorKind::Internal);

    let mut planner = PartitionPlanner::new(store.clone(), None);
    planner.push(partition("b", 1, 1)).await.unwrap();
    assert_eq!(planner.push(partition("a", 1, 1)).await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_fingerprint_tells_which_partition_a_file_is_in_and_ignores_where_it_is_stored() {
    let totals = |f: &FileEntry| {
        let mut t = Totals::default();
        t.add_file(f);
        t
    };
    let of = |name: &str, f: &FileEntry| PartitionEntry::totals_with(name, &json!({}), &totals(f)).unwrap();
    let (a, b) = (file(1), file(2));
    let sum = |one: Totals, other: Totals| {
        let mut t = one;
        t.add(&other);
        t.fingerprint
    };
    assert_ne!(sum(of("p", &a), of("q", &b)), sum(of("p", &b), of("q", &a)));
    let mut moved = a.clone();
    moved.key = file(77).key;
    assert_eq!(of("p", &a), of("p", &moved));
}

/// One change of the partitions of a table.
#[derive(Clone, Debug)]
enum Change {
    Load(usize),
    Add(u64),
    Drop(usize),
    Redefine(usize),
    DropRange(usize, usize),
    Rows(Vec<usize>),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (0..400usize).prop_map(Change::Load),
        4 => (0..100_000u64).prop_map(Change::Add),
        2 => (0..400usize).prop_map(Change::Drop),
        1 => (0..400usize).prop_map(Change::Redefine),
        1 => (0..400usize, 1..60usize).prop_map(|(a, n)| Change::DropRange(a, n)),
        1 => proptest::collection::vec(0..400usize, 0..20).prop_map(Change::Rows),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Reading back gives exactly the model, and of the base's pages exactly
    /// those are written again whose ranges changed.
    #[test]
    fn reused_pages_hold_what_they_should(
        start in 0..300u64,
        weight in prop_oneof![Just(100usize), Just(2000)],
        rounds in proptest::collection::vec(proptest::collection::vec(change(), 0..12), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let store = Arc::new(Harness::new());
            let mut model: BTreeMap<String, PinnedPartition> = (0..start)
                .map(|n| partition(&format!("p{:06}", n * 300), n, weight))
                .map(|p| (p.name.clone(), p))
                .collect();
            let mut base: Option<Children<PartitionEntry>> = None;
            let mut next = 1_000_000;
            for changes in rounds {
                let before = model.clone();
                for change in changes {
                    apply(change, &mut model, &mut next, weight);
                }
                let local: Vec<_> = model.values().cloned().collect();
                let done = back_up(&store, &local, base.clone()).await;
                assert_holds(&store, &done, &local).await;
                if let Some(Children::Pages(pages)) = &base {
                    let unchanged = unchanged_ranges(pages, &before, &model);
                    assert_eq!(done.reused, unchanged, "of {} pages", pages.len());
                    let touched = pages.len() - unchanged;
                    let grown = local.len() * (weight + 1200) / TARGET + 1;
                    assert!(done.pages_written as usize <= touched + grown);
                }
                base = Some(done.children);
            }
            assert_eq!(below(&store.memory.objects(), "labels/"), 0);
        });
    }
}

fn apply(change: Change, model: &mut BTreeMap<String, PinnedPartition>, next: &mut u64, weight: usize) {
    let mut fresh = || {
        *next += 1;
        version(*next)
    };
    let nth = |model: &BTreeMap<String, PinnedPartition>, n: usize| {
        (!model.is_empty()).then(|| model.keys().nth(n % model.len()).unwrap().clone())
    };
    match change {
        Change::Add(n) => {
            let mut new = partition(&format!("p{n:06}"), 1, weight);
            new.version_id = fresh();
            model.insert(new.name.clone(), new);
        }
        Change::Load(n) => {
            if let Some(name) = nth(model, n) {
                model.get_mut(&name).unwrap().version_id = fresh();
            }
        }
        Change::Rows(many) => {
            for n in many {
                apply(Change::Load(n), model, next, weight);
            }
        }
        Change::Redefine(n) => {
            if let Some(name) = nth(model, n) {
                model.get_mut(&name).unwrap().definition = json!({"new": n, "ratio": 0.1 + n as f64});
            }
        }
        Change::Drop(n) => {
            if let Some(name) = nth(model, n) {
                model.remove(&name);
            }
        }
        Change::DropRange(first, count) => {
            let names: Vec<_> = model.keys().skip(first % model.len().max(1)).take(count).cloned().collect();
            names.iter().for_each(|name| {
                model.remove(name);
            });
        }
    }
}

fn unchanged_ranges(
    pages: &[rockhold_core::format::PageRef],
    before: &BTreeMap<String, PinnedPartition>,
    after: &BTreeMap<String, PinnedPartition>,
) -> usize {
    let range = |model: &BTreeMap<String, PinnedPartition>, number: usize| -> Vec<PinnedPartition> {
        let inside = |name: &String| {
            (number == 0 || *name > pages[number - 1].last)
                && (number + 1 == pages.len() || *name <= pages[number].last)
        };
        model.values().filter(|p| inside(&p.name)).cloned().collect()
    };
    (0..pages.len()).filter(|n| range(before, *n) == range(after, *n)).count()
}
