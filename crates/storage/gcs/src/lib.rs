//! Repositories in Google Cloud Storage: `gs://bucket/path`.
//!
//! An object is an object; its key is the path below the root. What the
//! contract of [`Repository`](rockhold_core::Repository) asks for is done like
//! this:
//!
//! | promise | means |
//! |---|---|
//! | whole or not at all (R1) | one request carries the whole object with its CRC32C, which the service checks |
//! | create-new (R3) | `ifGenerationMatch=0` |
//! | if-match (R4) | the entity tag is the generation: `ifGenerationMatch=<generation>` |
//! | parts | each one is an object below the staging prefix; `commit` composes them, then deletes them |
//! | leftovers (R5) | what lies below the staging prefix; never listed, never a key |
//! | barrier (R10) | nothing: what the service acknowledged is durable |
//!
//! Uploads go through `google-cloud-storage`, and always in one request. Its
//! resumable uploads are never used: in version 1.21 a connection that breaks
//! in a piece makes them finalise a shorter object under the real name, and
//! nobody can cancel one. Its own repeats are off, since `rockhold-layers` does
//! that, and every call is bounded in time here, since it bounds none; so is
//! the wait for a token.
//!
//! All else (`head`, `get`, `list`, `delete`, `compose`) is JSON over HTTP by
//! the `reqwest` that the client links too, with tokens from
//! `google-cloud-auth`. The client offers those calls as gRPC, which knows no
//! proxies, and its reads leave out the time of writing, by which heartbeats
//! are judged, and the range that the service really gave.
//!
//! Times of writing are whole seconds: a read tells no more than that.

mod backend;
mod bucket;
mod client;
mod config;
mod credentials;
mod deleter;
mod environment;
mod error;
mod factory;
mod lister;
mod location;
mod properties;
mod reader;
mod staged;
mod tokens;
mod writer;

pub use backend::GcsRepository;
pub use config::{GcsConfig, GcsCredentials};
pub use factory::GcsFactory;
