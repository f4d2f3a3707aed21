//! The same contract against a server by other people, fake-gcs-server, as far
//! as it does what the service does.

use crate::support::{config, key};
use futures::FutureExt;
use rockhold_core::{PutRequest, read_object};
use rockhold_layers::{Layers, RetryPolicy};
use rockhold_storage_gcs::GcsRepository;
use rockhold_testkit::{
    must,
    repository::{BEHAVIOURS, Subject},
    servers::{Running, own},
};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

/// Where version 1.56.1 departs from the service, by the behaviours that show
/// it. All of them are kept on the stand-in of `rockhold-testkit-gcs`.
const DEPARTURES: [&str; 6] = [
    // A page of direct children is not bounded by `maxResults`: that counts objects alone.
    "r8_pages_of_direct_children_give_each_child_once",
    // `compose` ignores `ifGenerationMatch`.
    "r3_create_new_refuses_a_key_that_is_taken",
    "r3_exactly_one_of_many_creators_wins",
    "w4_a_failed_commit_may_be_repeated",
    // `compose` of a missing source is answered 500.
    "copy_gives_an_independent_object",
    "r5_a_living_writer_whose_parts_were_discarded_cannot_commit",
];

async fn open(server: &Running) -> GcsRepository {
    let service = server.service();
    let mut config = config(service.get("endpoint"));
    config.location = format!("gs://{}/root", service.get("bucket"));
    must(GcsRepository::open(config).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_keeps_the_contract_but_for_what_is_listed() {
    let Some(server) = own("gcs", "another_server_keeps_the_contract_but_for_what_is_listed") else { return };
    let repository = Arc::new(open(&server).await);
    let mut departed = Vec::new();
    for (name, behaviour) in BEHAVIOURS {
        let subject = Subject::new(repository.clone());
        if AssertUnwindSafe(behaviour(&subject)).catch_unwind().await.is_err() {
            departed.push(*name);
        }
    }
    let mut listed = DEPARTURES;
    listed.sort_unstable();
    departed.sort_unstable();
    assert_eq!(departed, listed, "of {} behaviours", BEHAVIOURS.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_comes_back_is_found_again() {
    let Some(mut server) = own("gcs", "a_server_that_is_killed_and_comes_back_is_found_again") else {
        return;
    };
    let repository = Layers::new()
        .retry(
            RetryPolicy::default().attempts(50).waits(Duration::from_millis(50), Duration::from_millis(500)),
        )
        .around(Arc::new(open(&server).await));
    must(repository.put(PutRequest::new(key("before"), "x")).await);
    server.kill();
    let restarted = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(300));
        server.restart().map(|()| server)
    });
    must(repository.put(PutRequest::new(key("after"), "y")).await);
    assert_eq!(must(read_object(&*repository, &key("after"), 10).await), "y");
    drop(restarted.await.expect("the thread ends").expect("the server starts again"));
}
