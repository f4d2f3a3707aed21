//! Snapshot headers: the fuzzer writes the outcome's `result`, the frame is true.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rockhold_core::format::{OutcomeDocument, seal, unseal};
use rockhold_core::{Digest, Key};

fuzz_target!(|data: &[u8]| {
    let key = Key::new("labels/l/1/outcome").expect("a key");
    let claim = Digest::of(b"claim");
    let head = format!("{{\"format\":1,\"claim\":\"{claim}\",\"result\":");
    let line = [head.as_bytes(), data, b"}"].concat();
    let seal_line = format!("\n{{\"sha256\":\"{}\"}}\n", Digest::of(&line));
    if let Ok(outcome) = unseal::<OutcomeDocument>(&key, &[line, seal_line.into_bytes()].concat()) {
        let again = seal(&outcome.value).expect("what was read can be written");
        assert_eq!(unseal::<OutcomeDocument>(&key, &again).expect("and read again").value, outcome.value);
    }
});
