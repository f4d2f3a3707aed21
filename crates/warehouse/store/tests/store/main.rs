//! The store by behaviour.

// Helpers outside of test functions may fail a test too.
#![allow(clippy::expect_used, clippy::panic)]

mod catalog;
mod contract;
mod directories;
mod kill;
mod loads;
mod many;
mod processes;
mod reclaim;
mod state;
mod support;
mod versions;
