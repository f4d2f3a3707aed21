//! Kerberos, against a real KDC. Each test runs in a process of its own, since
//! the Kerberos library reads its settings from the environment.

use crate::{
    contract::layered,
    support::{client, fresh, impatient, in_child, line, open, own, put, read, refused, simple},
};
use base64::Engine as _;
use hdfs_native::ClientBuilder;
use rockhold_core::{Error, ErrorKind, OpenRepository, RepositoryFactory, Secret};
use rockhold_storage_hdfs::{HdfsConfig, HdfsFactory, Kerberos, Login};
use rockhold_testkit::{
    must,
    repository::{Subject, run_all},
    servers::{Service, service},
};
use std::time::{Duration, Instant};

/// In the parent: starts the child with the KDC's settings. In the child: the cluster.
fn secured(test: &str) -> Option<Service> {
    let secured = service("hdfs-kerberos", test)?;
    let conf = secured.get("krb5_conf").to_owned();
    in_child(&format!("kerberos::{test}"), &[("KRB5_CONFIG", &conf)]).then_some(secured)
}

pub(crate) fn by_keytab(cluster: &Service, user: &str) -> Login {
    let principal = format!("{user}@{}", cluster.get("realm"));
    Login::Kerberos(Kerberos::keytab(principal, cluster.get(&format!("{user}_keytab"))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_principals_work_in_one_process() {
    let Some(hdfs) = secured("two_principals_work_in_one_process") else { return };
    let (at_alice, at_bob) = (fresh(hdfs.get("url")), fresh(hdfs.get("url")));
    let alice = open(at_alice.clone().login(by_keytab(&hdfs, "alice"))).await;
    let bob = open(at_bob.login(by_keytab(&hdfs, "bob"))).await;
    for _ in 0..2 {
        let (one, other) = tokio::join!(put(&*alice, "a", "of alice"), put(&*bob, "b", "of bob"));
        must(one.and(other));
        assert_eq!((read(&*alice, "a").await, read(&*bob, "b").await), ("of alice".into(), "of bob".into()));
        must(alice.delete(vec![crate::support::key("a")]).await);
        must(bob.delete(vec![crate::support::key("b")]).await);
    }
    // The cluster knows them apart.
    let error = put(&*open(at_alice.login(by_keytab(&hdfs, "bob"))).await, "c", "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(line(&error).contains("user=bob"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_content_of_a_keytab_serves_as_the_file_does() {
    let Some(hdfs) = secured("the_content_of_a_keytab_serves_as_the_file_does") else { return };
    let content =
        base64::engine::general_purpose::STANDARD.encode(std::fs::read(hdfs.get("alice_keytab")).unwrap());
    let mut request = OpenRepository::new(fresh(hdfs.get("url")).location).create(true);
    request.properties.insert("hadoop.security.authentication".into(), "kerberos".into());
    request.properties.insert("kerberos_principal".into(), "alice@EXAMPLE.COM".into());
    request.secrets.insert("kerberos_keytab_content".into(), Secret::new(content.clone()));
    let opened = must(HdfsFactory.open(request.clone()).await);
    assert!(opened.warnings.is_empty(), "{:?}", opened.warnings);
    must(put(&*opened.repository, "a", "bytes").await);
    assert!(!format!("{:?} {request:?}", opened.repository).contains(&content));
    // Of another principal.
    request.properties.insert("kerberos_principal".into(), "bob@EXAMPLE.COM".into());
    let error = HdfsFactory.open(request).await.unwrap_err();
    let text = line(&error);
    assert!(
        text.starts_with("open kerberos_keytab_content: the keytab holds no key of bob@EXAMPLE.COM; it holds those of: alice@EXAMPLE.COM"),
        "{text}"
    );
    assert!(!format!("{error:?}").contains(&content));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_cache_serves_while_it_lasts() {
    let Some(hdfs) = secured("a_ticket_cache_serves_while_it_lasts") else { return };
    let directory = tempfile::tempdir().unwrap();
    let name = format!("FILE:{}", directory.path().join("tickets").display());
    // As kinit would: by a keytab, with the tickets kept.
    let filling = ClientBuilder::new()
        .with_url(hdfs.get("url"))
        .with_config_dir("/nonexistent")
        .with_config([("hadoop.security.authentication", "kerberos")])
        .with_kerberos_principal("alice@EXAMPLE.COM")
        .with_kerberos_keytab(hdfs.get("alice_keytab"))
        .with_kerberos_cache(&name)
        .build()
        .unwrap();
    filling.get_file_info("/").await.unwrap();
    let mut kerberos = Kerberos::new();
    kerberos.principal = Some("alice@EXAMPLE.COM".into());
    kerberos.ticket_cache = Some(name);
    let repository = open(fresh(hdfs.get("url")).login(Login::Kerberos(kerberos))).await;
    must(put(&*repository, "a", "bytes").await);
    assert_eq!(read(&*repository, "a").await, "bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keytabs_that_do_not_fit_are_told_apart() {
    let Some(hdfs) = secured("keytabs_that_do_not_fit_are_told_apart") else { return };
    let told = async |principal: &str, keytab: &str| -> (Error, String) {
        let login = Login::Kerberos(Kerberos::keytab(principal, keytab));
        let begun = Instant::now();
        let error = refused(fresh(hdfs.get("url")).login(login)).await;
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
        assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Unauthenticated, false), "{error:?}");
        let text = line(&error);
        (error, text)
    };
    let (_, text) = told("alice@EXAMPLE.COM", "/no/such.keytab").await;
    assert!(text.starts_with("open /no/such.keytab: the keytab cannot be read: No such file"), "{text}");
    let (_, text) = told("alice@EXAMPLE.COM", hdfs.get("bob_keytab")).await;
    assert!(text.contains("the keytab holds no key of alice@EXAMPLE.COM"), "{text}");
    // The keys were changed since.
    let mut bytes = std::fs::read(hdfs.get("alice_keytab")).unwrap();
    spoil_keys(&mut bytes);
    let old = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(old.path(), bytes).unwrap();
    let (_, text) = told("alice@EXAMPLE.COM", &old.path().display().to_string()).await;
    assert!(text.contains("Kerberos refused the credentials"), "{text}");
}

/// Changes the last bytes of every key. After a record's key come four bytes of
/// its version.
fn spoil_keys(bytes: &mut [u8]) {
    let mut at = 2;
    while at + 4 <= bytes.len() {
        let len = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let end = at + 4 + len;
        for byte in &mut bytes[end - 12..end - 4] {
            *byte ^= 0x5a;
        }
        at = end;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simple_client_is_told_that_the_cluster_wants_kerberos() {
    let Some(hdfs) = secured("a_simple_client_is_told_that_the_cluster_wants_kerberos") else { return };
    let begun = Instant::now();
    let error = refused(fresh(hdfs.get("url")).user("alice")).await;
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    let text = line(&error);
    assert!(
        text.contains("the NameNode wants Kerberos; set \"hadoop.security.authentication\" = \"kerberos\""),
        "{text}"
    );
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_without_kerberos_is_refused_when_kerberos_was_asked_for() {
    let test = "a_cluster_without_kerberos_is_refused_when_kerberos_was_asked_for";
    let Some(hdfs) = secured(test) else { return };
    let Some(unsecured) = simple(test) else { return };
    let config = fresh(unsecured.get("url")).login(by_keytab(&hdfs, "alice"));
    let path = config.location.strip_prefix(unsecured.get("url")).unwrap().to_owned();
    let error = refused(config).await;
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Unauthenticated, false));
    assert!(line(&error).contains("Kerberos is asked for and the NameNode does not require it"), "{error}");
    // Nothing was done there as the local user.
    assert!(client(unsecured.get("url")).get_file_info(&path).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_with_kerberos() {
    let Some(hdfs) = secured("the_contract_holds_with_kerberos") else { return };
    let fresh = || async { open(fresh(hdfs.get("url")).login(by_keytab(&hdfs, "alice"))).await };
    run_all(|| async { Subject::new(layered(fresh().await)) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_library_is_named_at_once() {
    let test = "a_missing_library_is_named_at_once";
    let Some(hdfs) = service("hdfs-kerberos", test) else { return };
    // The first library of that name that the system finds is none.
    let broken = tempfile::tempdir().unwrap();
    std::fs::write(broken.path().join("libgssapi_krb5.so.2"), "").unwrap();
    let path = broken.path().display().to_string();
    let variables = [("KRB5_CONFIG", hdfs.get("krb5_conf")), ("LD_LIBRARY_PATH", path.as_str())];
    if !in_child(&format!("kerberos::{test}"), &variables) {
        return;
    }
    let begun = Instant::now();
    let error = refused(fresh(hdfs.get("url")).login(by_keytab(&hdfs, "alice"))).await;
    assert!(!error.is_temporary(), "{error:?}");
    let text = line(&error);
    assert!(text.contains("libgssapi_krb5.so.2 is not installed here; install libgssapi-krb5-2"), "{text}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kdc_that_hangs_is_not_waited_for_and_blocks_nobody() {
    let test = "a_kdc_that_hangs_is_not_waited_for_and_blocks_nobody";
    const LOCATION: &str = "ROCKHOLD_HDFS_TEST_LOCATION";
    const KEYTAB: &str = "ROCKHOLD_HDFS_TEST_KEYTAB";
    let name = format!("kerberos::{test}");
    if let (Ok(location), Ok(keytab)) = (std::env::var(LOCATION), std::env::var(KEYTAB)) {
        assert!(in_child(&name, &[]));
        let config = impatient(HdfsConfig::new(location).conf_dir(std::env::temp_dir()));
        let config = config.login(Login::Kerberos(Kerberos::keytab("alice@EXAMPLE.COM", keytab)));
        let begun = Instant::now();
        // Meanwhile this thread is free.
        let ticking = async {
            let mut ticks = 0;
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                ticks += 1;
                if begun.elapsed() > Duration::from_secs(4) {
                    break ticks;
                }
            }
        };
        let (error, ticks) = tokio::join!(refused(config), ticking);
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        assert!(error.kind() == ErrorKind::TimedOut && error.is_temporary(), "{error:?}");
        assert!(line(&error).contains("the Kerberos server (KDC) does not answer"), "{error}");
        assert!(ticks > 15, "{ticks}");
        // Its thread is still asking, which must not keep the test from ending.
        std::process::exit(finish());
    }
    let Some((mut cluster, _alone)) = own("hdfs-kerberos", test).await else { return };
    let hdfs = cluster.service();
    cluster.process("kdc").pause();
    let location = fresh(hdfs.get("url")).location;
    let variables =
        [("KRB5_CONFIG", hdfs.get("krb5_conf")), (LOCATION, &location), (KEYTAB, hdfs.get("alice_keytab"))];
    assert!(!in_child(&name, &variables));
}

/// What the test's runner would print, for a test that ends its process.
fn finish() -> i32 {
    println!("test result: ok. 1 passed");
    0
}
