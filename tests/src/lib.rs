//! Tests across crates live in `tests/it`; this library is empty.
