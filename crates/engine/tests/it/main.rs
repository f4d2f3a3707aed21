//! The engine over the real warehouse directory and an in-memory repository.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says where")]

mod adopt;
mod change;
mod check;
mod counting;
mod damage;
mod explain;
mod faults;
mod hdfs;
mod jobs;
mod kill;
mod kill_kinds;
mod kinds;
mod meeting;
mod minio;
mod place;
mod pools;
mod process;
mod real_kinds;
mod repositories;
mod selection;
mod support;
mod vendors;
mod verify;
