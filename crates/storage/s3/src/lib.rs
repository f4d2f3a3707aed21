//! Repositories on Amazon S3 and on servers that speak its protocol:
//! `s3://bucket/path` and `s3a://bucket/path`.
//!
//! An object is an object; its key is its name below the path of the location.
//! What the contract of [`Repository`](rockhold_core::Repository) asks for is
//! done like this:
//!
//! | promise | means |
//! |---|---|
//! | whole or not at all (R1) | one PutObject, or a multipart upload that CompleteMultipartUpload makes visible |
//! | create-new (R3) | `If-None-Match: *` on PutObject and CompleteMultipartUpload; whether the server keeps it is probed |
//! | if-match (R4) | `If-Match` on the same |
//! | leftovers (R5) | unfinished multipart uploads: aborted when a writer goes away, found by ListMultipartUploads |
//! | one page (R8) | one ListObjectsV2; its continuation token is bound to the listing |
//! | deleting (R9) | DeleteObjects, 1000 keys at a time |
//! | barrier (R10) | nothing to do |
//! | copy | CopyObject; UploadPartCopy above 5 GiB or where the copy must not replace anything |
//!
//! An object that has one part is written by one PutObject, as is what is put
//! whole, so a small file costs one request. The SDK repeats nothing, checks nothing twice and
//! corrects no clock: that is the business of the layers, and of the user.
//! Each body is covered by the signature (SHA-256), so a server refuses what
//! arrived damaged. Amazon S3 and MinIO check CRC32C too, which covers parts and
//! whole objects from 1 MiB on in its place.
//!
//! Answers to writes carry no time of writing; `head`, `get` and `list` do, in
//! whole seconds. On a bucket with versions, a deleted object keeps its space
//! until the bucket's own rules remove it.
//!
//! Google's S3 interface is a dialect, chosen by its endpoint: see
//! [`Dialect::google`]. Vendors with crates of their own (`oss`, `cos`, `obs`)
//! bring a [`Dialect`], property keys and an endpoint, and use the rest.

mod backend;
mod client;
mod config;
mod copier;
mod credentials;
mod deleter;
mod dialect;
mod endpoint;
mod error;
mod factory;
mod lifecycle;
mod lister;
mod location;
pub mod properties;
mod publish;
mod reader;
mod transport;
mod uploads;
mod writer;

pub use backend::S3Repository;
pub use config::{Network, S3Config, TimeLimits};
pub use credentials::{Credentials, Sts};
pub use dialect::{Dialect, Names};
pub use endpoint::Endpoint;
pub use factory::{S3Factory, location, open, without_bucket};
pub use location::Location;
