//! Tests across crates, one module per behaviour.

mod main_job;
mod restore_rules;
mod support;
mod transcript;
mod without_us;
