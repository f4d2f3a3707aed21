//! The statement language: what parses, what prints, what is refused and how.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod corpus;
mod guide;
mod objects;
mod queries;
mod refused;
mod renames;
mod round_trip;
mod tables;
