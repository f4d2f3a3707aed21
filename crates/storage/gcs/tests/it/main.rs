//! Repositories in Cloud Storage, against a stand-in that can fail in every
//! way, and against another server of the same interface.

#![allow(clippy::expect_used, clippy::panic)] // the helpers of tests are tests too

mod access;
mod bucket;
mod contract;
mod fake;
mod faults;
mod network;
mod official;
mod silence;
mod support;
