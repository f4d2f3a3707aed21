//! Objects on a cluster: parts, blocks, leftovers, pages, other locations.

use crate::support::{at, client, fresh, fresh_path, key, listed, open, overwrite, put, read, simple};
use bytes::Bytes;
use futures::{StreamExt, future::join_all};
use hdfs_native::WriteOptions;
use rockhold_core::{CreateRequest, ErrorKind, GetRequest, ListRequest, PutRequest, WriteMode, list_all};
use rockhold_storage_hdfs::HdfsConfig;
use rockhold_testkit::{must, refused};
use std::time::{Duration, Instant};

fn bytes(len: usize, seed: usize) -> Bytes {
    (0..len).map(|n| ((n + seed) * 31 % 251) as u8).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_are_exact_across_blocks() {
    let Some(hdfs) = simple("ranges_are_exact_across_blocks") else { return };
    let repository = open(fresh(hdfs.get("url")).set("dfs.blocksize", "1m")).await;
    let whole = bytes((3 << 20) + 17, 1);
    must(put(&*repository, "blocks", whole.clone()).await);
    for (start, end) in
        [(0, 1), (0, 3145745), (1048575, 1048577), (1 << 20, 2 << 20), (2097151, 3145745), (3145744, 9 << 20)]
    {
        let got = must(repository.get(GetRequest::new(key("blocks")).range(start..end)).await);
        let got = must(got.read_all(1 << 30).await);
        let wanted = &whole[start as usize..whole.len().min(end as usize)];
        assert!(got == wanted, "{start}..{end}: {} bytes", got.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_in_order_make_one_file_and_need_no_other() {
    let Some(hdfs) = simple("parts_in_order_make_one_file_and_need_no_other") else { return };
    let config = fresh(hdfs.get("url")).set("dfs.blocksize", "1m");
    let path = config.location.strip_prefix(hdfs.get("url")).unwrap().to_owned();
    let repository = open(config).await;
    let writer = must(repository.create(CreateRequest::new(key("a/b"), 700_000)).await);
    for number in 0..4 {
        must(writer.write_part(number, bytes(if number < 3 { 700_000 } else { 5 }, number as usize)).await);
        let staged = client(hdfs.get("url")).list_status(&format!("{path}/a"), true).await.unwrap();
        assert_eq!(staged.len(), 1, "{staged:?}");
    }
    assert!(listed(&*repository).await.is_empty());
    let meta = must(writer.commit().await);
    assert_eq!(meta.len, 2_100_005);
    let whole: Vec<u8> = (0..4).flat_map(|n| bytes(if n < 3 { 700_000 } else { 5 }, n).to_vec()).collect();
    assert!(read(&*repository, "a/b").await == whole);
    let left = client(hdfs.get("url")).list_status(&path, true).await.unwrap();
    assert_eq!(left.iter().filter(|entry| !entry.isdir).count(), 1, "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_in_any_order_are_joined_and_leave_nothing() {
    let Some(hdfs) = simple("parts_in_any_order_are_joined_and_leave_nothing") else { return };
    let config = fresh(hdfs.get("url")).set("dfs.blocksize", "1m");
    let path = config.location.strip_prefix(hdfs.get("url")).unwrap().to_owned();
    let repository = open(config).await;
    let part = |n: u32| bytes(if n < 5 { 400_000 } else { 3 }, n as usize);
    let whole: Vec<u8> = (0..6).flat_map(|n| part(n).to_vec()).collect();
    for (name, order) in
        [("ends", [0, 1, 5, 4, 3, 2]), ("starts", [1, 0, 2, 3, 4, 5]), ("mixed", [3, 0, 1, 5, 2, 4])]
    {
        let writer = must(repository.create(CreateRequest::new(key(name), 400_000)).await);
        for number in order {
            must(writer.write_part(number, part(number)).await);
        }
        // The first is replaced, after it was appended.
        if name == "mixed" {
            must(writer.write_part(0, bytes(400_000, 77)).await);
            must(writer.write_part(0, part(0)).await);
        }
        must(writer.commit().await);
        assert!(read(&*repository, name).await == whole, "{name}");
        drop(writer);
    }
    // What is dropped is removed in the background.
    let gone = async || client(hdfs.get("url")).list_status(&path, true).await.unwrap().len() == 3;
    for _ in 0..1200 {
        if gone().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("staged files were left: {:?}", client(hdfs.get("url")).list_status(&path, true).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_is_never_seen_empty_or_in_part_while_it_is_written() {
    let Some(hdfs) = simple("an_object_is_never_seen_empty_or_in_part_while_it_is_written") else { return };
    let repository = open(fresh(hdfs.get("url"))).await;
    let len = 300_000;
    for n in 0..5 {
        let name = format!("new/{n}");
        let writing = put(&*repository, &name, bytes(len, n));
        let watching = async {
            loop {
                match repository.head(&key(&name)).await {
                    Ok(meta) => break assert_eq!(meta.len, len as u64),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}"),
                }
            }
        };
        let (written, ()) = tokio::join!(writing, watching);
        must(written);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_writer_left_open_is_discarded() {
    let Some(hdfs) = simple("what_a_killed_writer_left_open_is_discarded") else { return };
    let config = fresh(hdfs.get("url"));
    let path = config.location.strip_prefix(hdfs.get("url")).unwrap().to_owned();
    let repository = open(config).await;
    must(put(&*repository, "data/kept", "bytes").await);
    // Another process died: its lease is held, its files are of no length or some.
    let dead = client(hdfs.get("url"));
    let mut empty =
        dead.create(&format!("{path}/data/.tmp-00000000000000aa"), WriteOptions::default()).await.unwrap();
    let mut some = dead
        .create(&format!("{path}/data/deep/.tmp-00000000000000bb-0"), WriteOptions::default())
        .await
        .unwrap();
    some.write_bytes(Bytes::from_static(b"half")).await.unwrap();
    some.hsync().await.unwrap();
    assert_eq!(listed(&*repository).await, ["data/kept"]);
    assert_eq!(must(repository.discard_staged(&key("data")).await), 2);
    assert_eq!(must(repository.discard_staged(&key("data")).await), 0);
    let left = client(hdfs.get("url")).list_status(&path, true).await.unwrap();
    assert_eq!(left.len(), 2, "the directory `deep` went with its file: {left:?}");
    assert!(empty.close().await.is_err() && some.close().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_writers_lease_is_a_passing_trouble() {
    let Some(hdfs) = simple("another_writers_lease_is_a_passing_trouble") else { return };
    let config = fresh(hdfs.get("url"));
    let path = config.location.strip_prefix(hdfs.get("url")).unwrap().to_owned();
    let repository = open(config).await;
    // Not how we write: somebody holds a file open under its own name.
    let other = client(hdfs.get("url"));
    let mut held = other.create(&format!("{path}/held"), WriteOptions::default()).await.unwrap();
    held.write_bytes(Bytes::from_static(b"half")).await.unwrap();
    held.hsync().await.unwrap();
    // It has a length, and what readers are given is shorter: that is told.
    let error = repository.get(GetRequest::new(key("held"))).await.unwrap_err();
    assert!(error.is_temporary() && error.kind() == ErrorKind::Unavailable, "{error:?}");
    // Replacing it is possible, since the destination is not written to.
    must(overwrite(&*repository, "held", "whole").await);
    assert_eq!(read(&*repository, "held").await, "whole");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_listings_come_in_pages_that_survive_another_handle() {
    let Some(hdfs) = simple("long_listings_come_in_pages_that_survive_another_handle") else { return };
    let config = fresh(hdfs.get("url"));
    let repository = open(config.clone()).await;
    let names: Vec<String> = (0..40).map(|n| format!("d{}/f{n:03}", n % 3)).collect();
    join_all(names.iter().map(async |name| must(put(&*repository, name, "x").await))).await;
    let mut seen = Vec::new();
    let mut request = ListRequest::default().limit(7);
    loop {
        // Each page from a handle that knows nothing of the ones before.
        let page = must(open(config.clone()).await.list(request.clone()).await);
        seen.extend(page.objects.iter().map(|object| object.key.to_string()));
        match page.next {
            Some(token) => request = request.token(token),
            None => break,
        }
    }
    let mut wanted = names;
    wanted.sort();
    assert_eq!(seen, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn if_match_is_refused_and_not_pretended() {
    let Some(hdfs) = simple("if_match_is_refused_and_not_pretended") else { return };
    let repository = open(fresh(hdfs.get("url"))).await;
    assert!(!repository.capabilities().if_match && !repository.capabilities().copy);
    let etag = must(put(&*repository, "a", "one").await).etag.unwrap();
    let request = PutRequest::new(key("a"), "two").mode(WriteMode::IfMatch(etag));
    refused(ErrorKind::Unsupported, repository.put(request).await);
    assert_eq!(read(&*repository, "a").await, "one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn site_files_and_mount_tables_lead_to_the_same_objects() {
    let Some(hdfs) = simple("site_files_and_mount_tables_lead_to_the_same_objects") else { return };
    let (url, path) = (hdfs.get("url"), fresh_path());
    let direct = open(at(format!("{url}{path}"))).await;
    must(put(&*direct, "a", "bytes").await);
    let conf = tempfile::tempdir().unwrap();
    let site = format!(
        "<configuration><property><name>fs.defaultFS</name><value>{url}</value></property>\
         <property><name>fs.viewfs.mounttable.t.link./view</name><value>{url}{path}</value></property>\
         <property><name>fs.viewfs.mounttable.t.linkFallback</name><value>{url}/</value></property></configuration>"
    );
    std::fs::write(conf.path().join("core-site.xml"), site).unwrap();
    for location in [format!("hdfs://{path}"), "viewfs://t/view".to_owned(), format!("viewfs://t{path}")] {
        let there = open(HdfsConfig::new(location.clone()).conf_dir(conf.path())).await;
        assert_eq!(read(&*there, "a").await, "bytes", "{location}");
        let name = format!("of-{}", location.len());
        must(put(&*there, &name, location.clone()).await);
        assert_eq!(read(&*direct, &name).await, location);
        let below = must(list_all(&*there, ListRequest::default()).await).objects;
        assert!(below.iter().any(|object| object.key == key("a")), "{location}: {below:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replication_and_block_size_are_those_that_were_asked_for() {
    let Some(hdfs) = simple("replication_and_block_size_are_those_that_were_asked_for") else { return };
    let config = fresh(hdfs.get("url")).set("dfs.blocksize", "2m").set("dfs.replication", "1");
    let path = config.location.strip_prefix(hdfs.get("url")).unwrap().to_owned();
    must(put(&*open(config).await, "a", "bytes").await);
    let status = client(hdfs.get("url")).get_file_info(&format!("{path}/a")).await.unwrap();
    assert_eq!((status.blocksize, status.replication), (Some(2 << 20), Some(1)));
}

/// The client alone takes half a second for each, whose last block a DataNode
/// reports a little late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_file_does_not_wait_half_a_second() {
    let Some(hdfs) = simple("a_small_file_does_not_wait_half_a_second") else { return };
    let repository = open(fresh(hdfs.get("url"))).await;
    let mut times = Vec::new();
    for n in 0..15 {
        let begun = Instant::now();
        must(put(&*repository, &format!("f{n}"), bytes(4096, n)).await);
        times.push(begun.elapsed());
    }
    // On a busy machine most may take longer; with the client's wait all would.
    assert!(times.iter().min() < Some(&Duration::from_millis(500)), "{times:?}");
}

/// Prints files per second; run by hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn small_files_per_second() {
    let Some(hdfs) = simple("small_files_per_second") else { return };
    let repository = open(fresh(hdfs.get("url"))).await;
    let content = bytes(4096, 1);
    for in_flight in [1, 8, 32, 64] {
        let count = 40 * in_flight.max(4);
        let begun = Instant::now();
        let names = (0..count).map(|n| format!("{in_flight}/{n}"));
        let put = |name: String| {
            let (repository, content) = (&repository, content.clone());
            async move { must(put(&**repository, &name, content).await) }
        };
        futures::stream::iter(names.map(put)).buffer_unordered(in_flight).collect::<Vec<_>>().await;
        println!(
            "{in_flight} in flight: {:.0} files/s",
            f64::from(count as u32) / begun.elapsed().as_secs_f64()
        );
    }
    for len in [8usize << 20, 256 << 20] {
        let begun = Instant::now();
        let writer = must(repository.create(CreateRequest::new(key(&format!("large-{len}")), 8 << 20)).await);
        let part = bytes(8 << 20, 3);
        for number in 0..(len >> 23) as u32 {
            must(writer.write_part(number, part.clone()).await);
        }
        must(writer.commit().await);
        let wrote = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        assert_eq!(read(&*repository, &format!("large-{len}")).await.len(), len);
        let mib = (len >> 20) as f64;
        println!(
            "{mib} MiB in parts of 8: write {:.0} MiB/s, read {:.0} MiB/s",
            mib / wrote,
            mib / begun.elapsed().as_secs_f64()
        );
    }
}
