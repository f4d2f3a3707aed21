//! Bytes that nobody honest wrote.
#![allow(clippy::unwrap_used, clippy::panic, clippy::type_complexity, reason = "tests")]

use crate::support::{Harness, file, partition};
use rockhold_core::format::{
    Children, EntryReader, FileEntry, FileWriter, ObjectEntry, PAGE_MAX_ENTRIES, PAGE_MAX_PLAIN, PageRef,
    PageWriter, PartitionEntry, PartitionWriter, RepositoryDocument, Totals, VersionsDigest, decode_page,
    repository_key, unseal, write_object,
};
use rockhold_core::{Digest, Document, Error, ErrorKind, JobId, Key, KindId, LiveObject, ObjectName};
use serde_json::{Value, json};
use std::sync::Arc;

fn key() -> Key {
    Key::new("meta/00000000000000000000000000000000/0.jsonl.zst").unwrap()
}

/// A true reference to a page of these entries.
fn page_of(entries: &[PartitionEntry]) -> (PageRef, Vec<u8>) {
    let lines: Vec<String> = entries.iter().map(|e| serde_json::to_string(e).unwrap() + "\n").collect();
    let plain = lines.concat().into_bytes();
    let mut totals = Totals::default();
    let mut versions = VersionsDigest::default();
    for entry in entries {
        totals.add(&entry.totals);
        versions.add(&entry.name, entry.version_id, &entry.definition).unwrap();
    }
    let stored = zstd::bulk::compress(&plain, 3).unwrap();
    let page = PageRef {
        key: key(),
        len: stored.len() as u64,
        digest: Digest::of(&stored),
        plain_len: plain.len() as u64,
        entries: entries.len() as u64,
        first: entries[0].name.clone(),
        last: entries[entries.len() - 1].name.clone(),
        totals,
        versions: Some(versions.finish()),
    };
    (page, stored)
}

fn entry(name: &str) -> PartitionEntry {
    let mut totals = Totals::default();
    totals.add_file(&file(1));
    PartitionEntry::new(&partition(name, 1, 10), Children::Inline(vec![file(1)]), totals).unwrap()
}

fn entries() -> Vec<PartitionEntry> {
    ["a", "b", "c"].map(entry).into()
}

fn refused(page: &PageRef, stored: &[u8]) -> Error {
    let error = decode_page::<PartitionEntry>(page, 0, stored).unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(page.key.as_str())), "{error}");
    error
}

/// The page with other plain bytes, everything about the stored bytes true.
fn with_plain(page: &PageRef, plain: &[u8]) -> (PageRef, Vec<u8>) {
    let stored = zstd::bulk::compress(plain, 3).unwrap();
    let (len, digest) = (stored.len() as u64, Digest::of(&stored));
    (PageRef { len, digest, plain_len: plain.len() as u64, ..page.clone() }, stored)
}

#[test]
fn a_page_with_any_byte_changed_missing_or_added_is_refused() {
    let (page, stored) = page_of(&entries());
    decode_page::<PartitionEntry>(&page, 0, &stored).unwrap();
    for at in 0..stored.len() {
        let mut changed = stored.clone();
        changed[at] ^= 1;
        refused(&page, &changed);
        refused(&page, &stored[..at]);
    }
    refused(&page, &[stored.as_slice(), &[0]].concat());
}

#[test]
fn a_reference_that_lies_in_any_member_is_refused() {
    let (page, stored) = page_of(&entries());
    let lies: Vec<(&str, Box<dyn Fn(&mut PageRef)>)> = vec![
        ("len", Box::new(|p| p.len += 1)),
        ("digest", Box::new(|p| p.digest = Digest::of(b"x"))),
        ("plain_len more", Box::new(|p| p.plain_len += 1)),
        ("plain_len less", Box::new(|p| p.plain_len -= 1)),
        ("plain_len huge", Box::new(|p| p.plain_len = u64::MAX)),
        ("plain_len over", Box::new(|p| p.plain_len = PAGE_MAX_PLAIN + 1)),
        ("len huge", Box::new(|p| p.len = u64::MAX)),
        ("entries more", Box::new(|p| p.entries += 1)),
        ("entries less", Box::new(|p| p.entries -= 1)),
        ("entries none", Box::new(|p| p.entries = 0)),
        ("entries over", Box::new(|p| p.entries = PAGE_MAX_ENTRIES + 1)),
        ("first", Box::new(|p| p.first = "Z".into())),
        ("last", Box::new(|p| p.last = "d".into())),
        ("first behind last", Box::new(|p| p.first = "d".into())),
        ("rows", Box::new(|p| p.totals.rows += 1)),
        ("bytes", Box::new(|p| p.totals.bytes += 1)),
        ("fingerprint", Box::new(|p| p.totals.fingerprint.add(&Digest::of(b"x")))),
        ("versions", Box::new(|p| p.versions = Some(Digest::of(b"x")))),
        ("no versions", Box::new(|p| p.versions = None)),
        ("key", Box::new(|p| p.key = Key::new("labels/l/1/claim").unwrap())),
    ];
    for (what, lie) in lies {
        let mut lying = page.clone();
        lie(&mut lying);
        let error = decode_page::<PartitionEntry>(&lying, 0, &stored).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
    }
}

#[test]
fn bombs_and_strange_frames_are_refused_before_they_grow() {
    let (page, stored) = page_of(&entries());
    // A gigabyte in a few kilobytes, announced as something small.
    let bomb = zstd::stream::encode_all(std::io::repeat(b'\n').take_bytes(1 << 28), 19).unwrap();
    let (len, digest) = (bomb.len() as u64, Digest::of(&bomb));
    for plain_len in [1000, PAGE_MAX_PLAIN] {
        let lying = PageRef { len, digest, plain_len, ..page.clone() };
        assert!(refused(&lying, &bomb).to_string().contains("does not decompress to the length recorded"));
    }
    // Two frames, a skippable frame, half a frame, no frame.
    let skippable = [&0x184D_2A50u32.to_le_bytes()[..], &4u32.to_le_bytes(), b"abcd"].concat();
    for strange in [
        [stored.clone(), stored.clone()].concat(),
        [skippable.clone(), stored.clone()].concat(),
        [stored.clone(), skippable].concat(),
        stored[..stored.len() / 2].to_vec(),
        b"{}\n".to_vec(),
    ] {
        let lying = PageRef { len: strange.len() as u64, digest: Digest::of(&strange), ..page.clone() };
        refused(&lying, &strange);
    }
}

trait TakeBytes: std::io::Read + Sized {
    fn take_bytes(self, limit: u64) -> std::io::Take<Self> {
        self.take(limit)
    }
}

impl TakeBytes for std::io::Repeat {}

#[test]
fn lines_that_are_not_sorted_whole_or_known_are_refused() {
    let all = entries();
    let (page, _) = page_of(&all);
    let line = |e: &PartitionEntry| serde_json::to_string(e).unwrap() + "\n";
    let (a, b, c) = (line(&all[0]), line(&all[1]), line(&all[2]));
    let unknown = a.replacen('{', "{\"new\":1,", 1);
    let twice = a.replacen('{', "{\"name\":\"a\",", 1);
    let deep =
        a.replace("{\"range\"", &format!("{{\"deep\":{}1{},\"range\"", "[".repeat(200), "]".repeat(200)));
    for (what, plain) in [
        ("out of order", [b.as_str(), &a, &c].concat()),
        ("repeated", [a.as_str(), &a, &c].concat()),
        ("last line not ended", [a.as_str(), &b, c.trim_end()].concat()),
        ("blank line", [a.as_str(), "\n", &b, &c].concat()),
        ("unknown member", [unknown.as_str(), &b, &c].concat()),
        ("member twice", [twice.as_str(), &b, &c].concat()),
        ("too deep", [deep.as_str(), &b, &c].concat()),
        ("too few", [a.as_str(), &c].concat()),
        ("too many", [a.as_str(), &b, &b.replace("\"b\"", "\"bb\""), &c].concat()),
        ("not JSON", "x\ny\nz\n".to_owned()),
        ("wrong type", "1\n2\n3\n".to_owned()),
    ] {
        let (lying, stored) = with_plain(&page, plain.as_bytes());
        let error = refused(&lying, &stored);
        assert!(!error.to_string().contains('\n'), "{what}: {error}");
    }
}

#[test]
fn entries_that_contradict_themselves_are_refused_by_name() {
    let lies: Vec<(&str, fn(&mut PartitionEntry))> = vec![
        ("rows", |e| e.totals.rows += 1),
        ("no name", |e| e.name = String::new()),
        ("definition", |e| e.definition = json!({"range": "all"})),
        ("file outside data", |e| files(e)[0].key = Key::new("repository.json").unwrap()),
        ("file in a deeper folder", |e| files(e)[0].key = Key::new("data/a/b/c").unwrap()),
        ("length", |e| {
            files(e)[0].offset = u64::MAX;
        }),
        ("chunks", |e| files(e)[0].chunks = vec![Digest::of(b"")]),
        ("codec", |e| files(e)[0].codec = Some("zstd".into())),
        ("loads", |e| files(e)[0].loads = Some((2, 1))),
        ("pages of files", |e| {
            e.files = Children::Pages(vec![PageRef { versions: None, ..page_of(&entries()).0 }]);
        }),
    ];
    for (what, lie) in lies {
        let mut lying = entry("b");
        lie(&mut lying);
        let (page, stored) = page_of(&[entry("a"), lying, entry("c")]);
        let error = decode_page::<PartitionEntry>(&page, 0, &stored).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}");
        assert!(what == "no name" || error.to_string().contains("partition b"), "{what}: {error}");
    }
}

fn files(entry: &mut PartitionEntry) -> &mut Vec<FileEntry> {
    match &mut entry.files {
        Children::Inline(files) => files,
        Children::Pages(_) => panic!("pages"),
    }
}

#[test]
fn a_sealed_document_that_is_too_long_or_too_deep_is_refused() {
    let key = repository_key().unwrap();
    let seal = |line: &str| format!("{line}\n{{\"sha256\":\"{}\"}}\n", Digest::of(line.as_bytes()));
    let deep = format!("{{\"format\":1,\"extensions\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    let format = |n: &str| format!("{{\"format\":{n}}}");
    for line in
        [deep, "x".repeat(1 << 20), "[]".into(), String::new(), format("0"), format("-1"), format("1e99")]
    {
        let error = unseal::<RepositoryDocument>(&key, seal(&line).as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
    let newer = unseal::<RepositoryDocument>(&key, seal(&format("2")).as_bytes()).unwrap_err();
    assert_eq!(newer.kind(), ErrorKind::Unsupported);
}

/// Writes a tree of three levels in pages.
async fn tree(store: &Arc<Harness>) -> ObjectEntry {
    let pages = Arc::new(PageWriter::new(store.clone(), JobId::random().unwrap()).target(16 << 10));
    let mut out = PartitionWriter::new(pages.clone());
    for n in 0..40 {
        let mut files = FileWriter::new(pages.clone());
        for f in 0..if n == 20 { 100 } else { 2 } {
            files.push(file(f)).await.unwrap();
        }
        let (files, totals) = files.finish().await.unwrap();
        let pinned = partition(&format!("p{n:02}"), n, 1000);
        out.push(PartitionEntry::new(&pinned, files, totals).unwrap()).await.unwrap();
    }
    let name = ObjectName::new("shop", "orders");
    let live = LiveObject { kind: KindId::TABLE, name, definition: Value::Null, state: Value::Null };
    let body = json!({"text": "d".repeat(20_000)});
    let document = Document { format: 1, kind: KindId::TABLE, body, state: Value::Null, sql: String::new() };
    write_object(&pages, &live, document, out.finish().await.unwrap()).await.unwrap()
}

async fn read_tree(store: &Arc<Harness>, object: &ObjectEntry) -> Result<u64, Error> {
    rockhold_core::format::read_document(&**store, object).await?;
    let mut count = 0;
    let mut partitions =
        EntryReader::partitions(store.clone(), &object.name, object.partitions.clone(), None);
    while let Some(partition) = partitions.next().await? {
        let mut files = EntryReader::files(store.clone(), &object.name, &partition.name, partition.files);
        while files.next().await?.is_some() {
            count += 1;
        }
    }
    Ok(count)
}

#[tokio::test]
async fn every_damaged_or_missing_page_is_named_with_its_object_and_partition() {
    let store = Arc::new(Harness::new());
    let object = tree(&store).await;
    assert_eq!(read_tree(&store, &object).await.unwrap(), 39 * 2 + 100);
    let objects = store.memory.objects();
    assert!(objects.len() > 5);
    let mut named_partition = 0;
    for (key, bytes) in objects {
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1;
            for damage in [changed, bytes[..at].to_vec(), [bytes.as_ref(), b"x"].concat()] {
                store.overwrite(&key, damage).await;
                let error = read_tree(&store, &object).await.unwrap_err();
                assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(key.as_str())), "{error}");
                assert!(error.to_string().contains("object shop.orders"), "{error}");
                named_partition += u32::from(error.to_string().contains("partition p20"));
            }
        }
        use rockhold_core::Repository;
        store.delete(vec![key.clone()]).await.unwrap();
        let error = read_tree(&store, &object).await.unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(key.as_str())), "{error}");
        store.overwrite(&key, bytes.to_vec()).await;
    }
    assert!(named_partition > 0);
    assert_eq!(read_tree(&store, &object).await.unwrap(), 39 * 2 + 100);
}
