//! A stand-in for Google Cloud Storage, for tests: one process, one port on
//! loopback, state in memory.
//!
//! It speaks the JSON API over HTTP/1.1, as much of it as
//! `rockhold-storage-gcs` uses and a little more, and is strict where the real
//! service is: generations are compared when a request begins and again when
//! it takes effect, every checksum that is sent is checked, numbers are
//! strings, a composition has 1 to 32 sources.
//!
//! | part | file |
//! |---|---|
//! | objects, generations, listing, composition | `store` |
//! | requests and answers | `api`, `wire` |
//! | multipart and resumable uploads | `upload`, `session` |
//! | tokens, service accounts, impersonation, metadata server | `access` |
//! | what goes wrong, on request | `fault` |
//! | connections, so that they can be reset | `server` |
//!
//! Resumable uploads are here although the adapter never begins one: that it
//! does not is something to be tested ([`Emulator::count`] of
//! [`Call::StartSession`]), and so is what the official client would do with
//! one. Deliberately absent: the gRPC interface, which the adapter does not
//! use; what the settings of a bucket do (they are only told); object versions,
//! holds, access control lists, encryption keys.

mod access;
mod api;
mod fault;
mod server;
mod session;
mod store;
mod upload;
mod wire;

pub use access::ServiceAccount;
pub use fault::{Call, Fault, Rule};
pub use server::{Emulator, Passed};
