//! Every byte of every small file is covered by a digest.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{Harness, labels_of, request};
use rockhold_core::format::{
    ClaimDocument, DroppedDocument, HeartbeatDocument, LabelKeys, OutcomeDocument, RepositoryDocument,
    SealedDocument, SnapshotState, repository_key, unseal,
};
use rockhold_core::{ErrorKind, Guarantee, Key};
use std::sync::Arc;

fn assert_refused<T: SealedDocument + std::fmt::Debug>(key: &Key, bytes: &[u8], what: &str) {
    let error = unseal::<T>(key, bytes).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}");
    assert_eq!(error.key(), Some(key.as_str()), "{what}");
    assert!(error.to_string().contains(T::NAME) && !error.to_string().contains('\n'), "{error}");
}

fn every_change_is_found<T: SealedDocument + std::fmt::Debug>(key: &Key, bytes: &[u8]) {
    unseal::<T>(key, bytes).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1 << bit;
            assert_refused::<T>(key, &changed, &format!("bit {bit} of byte {at} flipped"));
        }
        assert_refused::<T>(key, &bytes[..at], &format!("cut to {at} bytes"));
        let mut shorter = bytes.to_vec();
        shorter.remove(at);
        assert_refused::<T>(key, &shorter, &format!("byte {at} missing"));
    }
    for at in 0..=bytes.len() {
        for byte in [b'\n', b' ', b'0', 0] {
            let mut longer = bytes.to_vec();
            longer.insert(at, byte);
            assert_refused::<T>(key, &longer, &format!("byte {byte} added at {at}"));
        }
    }
}

#[tokio::test]
async fn a_change_of_any_byte_of_any_sealed_document_is_found_and_named() {
    let store = Arc::new(Harness::new());
    let labels = labels_of(&store).await;
    let claim = labels.claim(request("l")).await.unwrap();
    claim.heartbeat().beat().await.unwrap();
    claim.commit(claim.snapshot("rockhold test", Guarantee::Whole, crate::support::NOW)).await.unwrap();
    labels.drop_snapshot("l", "me", crate::support::NOW).await.unwrap();
    let objects = store.memory.objects();
    let keys = LabelKeys::new("l", 1).unwrap();
    every_change_is_found::<ClaimDocument>(&keys.claim, &objects[&keys.claim]);
    every_change_is_found::<HeartbeatDocument>(&keys.heartbeat, &objects[&keys.heartbeat]);
    every_change_is_found::<OutcomeDocument>(&keys.outcome, &objects[&keys.outcome]);
    every_change_is_found::<DroppedDocument>(&keys.dropped, &objects[&keys.dropped]);
    let root = repository_key().unwrap();
    every_change_is_found::<RepositoryDocument>(&root, &objects[&root]);
    assert_eq!(objects.len(), 6, "{:?}", store.keys());
}

#[tokio::test]
async fn a_changed_claim_or_outcome_of_a_snapshot_is_found_when_it_is_read() {
    let store = Arc::new(Harness::new());
    let labels = labels_of(&store).await;
    let claim = labels.claim(request("l")).await.unwrap();
    claim.commit(claim.snapshot("rockhold test", Guarantee::Whole, crate::support::NOW)).await.unwrap();
    labels.read_snapshot("l", Some("2026-02-03-08-20-01-317")).await.unwrap();
    for key in [&claim.keys().claim, &claim.keys().outcome] {
        let bytes = store.memory.objects()[key].to_vec();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            store.overwrite(key, changed).await;
            let error = labels.read_snapshot("l", None).await.unwrap_err();
            assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(key.as_str())), "byte {at}");
        }
        store.overwrite(key, bytes).await;
    }
    // A whole claim of another job, sealed as it should be, is found as well.
    let other = labels.claim(request("m")).await.unwrap();
    let forged = store.memory.objects()[&other.keys().claim].to_vec();
    store.overwrite(&claim.keys().claim, forged).await;
    assert_eq!(labels.read_snapshot("l", None).await.unwrap_err().kind(), ErrorKind::Corrupt);
    // So is an outcome that was copied to another label.
    let copied = store.memory.objects()[&claim.keys().outcome].to_vec();
    store.overwrite(&other.keys().outcome, copied).await;
    assert_eq!(labels.read_snapshot("m", None).await.unwrap_err().kind(), ErrorKind::Corrupt);
    let listed = labels.list_snapshots().await.unwrap();
    assert!(matches!(&listed[1].state, SnapshotState::Damaged(e) if e.kind() == ErrorKind::Corrupt));
}
