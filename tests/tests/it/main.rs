//! Tests across crates, one module per behaviour.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says where")]

mod guide;
mod main_job;
mod materialized_views;
mod metrics;
mod objects;
mod recorded_errors;
mod restore_rules;
mod statements;
mod support;
mod transcript;
mod without_us;
