//! Conformance suites: what every adapter must pass, whether it is linked,
//! layered or loaded; and the real servers they run against ([`servers`]).
//!
//! A suite has one function for each behaviour that a contract promises, named
//! by the number of the sentence in the contract. [`repository_conformance!`]
//! expands into one test for each of them; [`repository::run_all`] runs them
//! one after the other, for stores that are dear to set up. [`codec::run_all`]
//! does the same for the objects of one kind.
//!
//! ```no_run
//! use rockhold_testkit::repository::Subject;
//!
//! async fn fresh() -> Subject {
//!     Subject::new(std::sync::Arc::new(rockhold_core::MemoryRepository::new()))
//! }
//!
//! rockhold_testkit::repository_conformance!(fresh());
//! # fn main() {}
//! ```

// This crate is tests: what does not hold, panics.
#![allow(clippy::panic)]

#[cfg(feature = "suites")]
pub mod codec;
#[cfg(feature = "suites")]
mod expect;
#[cfg(feature = "suites")]
pub mod repository;
pub mod servers;

#[cfg(feature = "suites")]
pub use expect::{must, refused};
pub use servers::skip;
