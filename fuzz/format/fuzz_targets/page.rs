//! Pages. The reference is as true as it can be made without decoding, so that
//! the fuzzer gets past digest and lengths.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rockhold_core::format::{
    FileEntry, ObjectEntry, PAGE_MAX_PLAIN, PageEntry, PageRef, PartitionEntry, Totals, decode_page,
};
use rockhold_core::{Digest, Document, Key};

fn decode<T: PageEntry>(page: &PageRef, stored: &[u8]) {
    let versions = T::VERSIONS.then(|| Digest::of(b"versions"));
    let page = PageRef { versions, ..page.clone() };
    if let Err(error) = decode_page::<T>(&page, 0, stored) {
        assert!(!error.to_string().contains('\n'));
    }
}

fn decode_all(stored: &[u8], plain_len: u64, entries: u64, key: &str) {
    let page = PageRef {
        key: Key::new("meta/0/0.jsonl.zst").expect("a key"),
        len: stored.len() as u64,
        digest: Digest::of(stored),
        plain_len,
        entries,
        first: key.to_owned(),
        last: key.to_owned(),
        totals: Totals::default(),
        versions: None,
    };
    decode::<FileEntry>(&page, stored);
    decode::<PartitionEntry>(&page, stored);
    decode::<ObjectEntry>(&page, stored);
    decode::<Document>(&page, stored);
}

fuzz_target!(|data: &[u8]| {
    // As stored bytes, under an honest and under the greatest length.
    decode_all(data, data.len() as u64, 1, "");
    decode_all(data, PAGE_MAX_PLAIN, 1, "000000000000");
    // As plain bytes.
    let lines = data.iter().filter(|b| **b == b'\n').count() as u64;
    if let Ok(stored) = zstd::bulk::compress(data, 1) {
        for key in ["", "000000000000", "p"] {
            decode_all(&stored, data.len() as u64, lines, key);
        }
    }
});
