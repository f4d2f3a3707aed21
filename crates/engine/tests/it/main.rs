//! The engine over the real warehouse directory and an in-memory repository.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says where")]

mod change;
mod damage;
mod jobs;
mod kill;
mod kill_kinds;
mod kinds;
mod meeting;
mod process;
mod selection;
mod support;
