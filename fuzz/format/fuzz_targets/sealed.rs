//! Sealed documents: any bytes, then the same bytes under a true seal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rockhold_core::format::{
    ClaimDocument, DroppedDocument, HeartbeatDocument, OutcomeDocument, RepositoryDocument, SealedDocument,
    seal, unseal,
};
use rockhold_core::{Digest, Key};

fn decode<T: SealedDocument + PartialEq + std::fmt::Debug>(key: &Key, bytes: &[u8]) {
    match unseal::<T>(key, bytes) {
        Ok(document) => {
            let again = seal(&document.value).expect("what was read can be written");
            assert_eq!(unseal::<T>(key, &again).expect("and read again").value, document.value);
        }
        Err(error) => assert!(!error.to_string().contains('\n')),
    }
}

fn decode_all(key: &Key, bytes: &[u8]) {
    decode::<RepositoryDocument>(key, bytes);
    decode::<ClaimDocument>(key, bytes);
    decode::<HeartbeatDocument>(key, bytes);
    decode::<OutcomeDocument>(key, bytes);
    decode::<DroppedDocument>(key, bytes);
}

fuzz_target!(|data: &[u8]| {
    let key = Key::new("repository.json").expect("a key");
    decode_all(&key, data);
    let seal = format!("\n{{\"sha256\":\"{}\"}}\n", Digest::of(data));
    decode_all(&key, &[data, seal.as_bytes()].concat());
});
