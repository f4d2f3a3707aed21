//! Why this crate never begins a resumable upload: what the official client
//! does with one when a connection breaks. When these tests fail after an
//! update of it, the decision can be looked at again.

use crate::support::{BUCKET, emulator};
use bytes::Bytes;
use google_cloud_auth::credentials::anonymous;
use google_cloud_storage::{client::Storage, streaming_source::StreamingSource};
use rockhold_testkit_gcs::{Call, Emulator, Fault, Rule};
use std::{convert::Infallible, time::Duration};

const PIECE: usize = 256 * 1024;
const PIECES: usize = 4;

/// Four pieces, of which the client does not know how many there are.
struct Pieces(usize);

impl StreamingSource for Pieces {
    type Error = Infallible;

    async fn next(&mut self) -> Option<Result<Bytes, Infallible>> {
        self.0 = self.0.checked_sub(1)?;
        Some(Ok(Bytes::from(vec![7; PIECE])))
    }
}

async fn client(gcs: &Emulator) -> Storage {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let credentials = anonymous::Builder::new().build();
    let builder = Storage::builder().with_endpoint(gcs.endpoint()).with_credentials(credentials);
    builder.build().await.expect("a client")
}

#[tokio::test]
async fn the_official_client_finalises_a_short_object_when_a_piece_is_cut_off() {
    let gcs = emulator().await;
    gcs.fault(Rule::next(Call::SendChunk).skip(1), Fault::ResetRequest(0));
    let sent = client(&gcs)
        .await
        .write_object(format!("projects/_/buckets/{BUCKET}"), "object", Pieces(PIECES))
        .set_if_generation_match(0_i64)
        .with_resumable_upload_buffer_size(PIECE)
        .send_buffered();
    let sent = tokio::time::timeout(Duration::from_secs(20), sent).await.expect("an end");
    assert!(sent.is_err(), "the client notices by the checksum, when it is too late");
    let held = gcs.object(BUCKET, "object").map(|bytes| bytes.len());
    assert!(held.is_some_and(|held| held < PIECES * PIECE), "{held:?} bytes are held under the real name");
}

#[tokio::test]
async fn the_official_client_asks_for_ever_when_a_piece_of_a_known_length_is_cut_off() {
    let gcs = emulator().await;
    gcs.fault(Rule::next(Call::SendChunk).skip(1), Fault::ResetRequest(0));
    let client = client(&gcs).await;
    let sent = client
        .write_object(format!("projects/_/buckets/{BUCKET}"), "object", Bytes::from(vec![7; PIECES * PIECE]))
        .with_resumable_upload_threshold(0_usize)
        .with_resumable_upload_buffer_size(PIECE)
        .send_buffered();
    // How fast it asks is no matter: it does not end before it has asked so often.
    let asked = async {
        while gcs.count(Call::SendChunk) <= 50 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let either = async {
        tokio::select! {
            ended = sent => panic!("it ended: {ended:?}"),
            () = asked => {}
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), either).await;
    assert!(in_time.is_ok(), "{} requests", gcs.count(Call::SendChunk));
}
