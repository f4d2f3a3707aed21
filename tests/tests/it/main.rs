//! Tests across crates, one module per behaviour.

mod main_job;
mod support;
mod transcript;
mod without_us;
