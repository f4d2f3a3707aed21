//! Repositories on Tencent Cloud COS: `cosn://bucket-appid/path` and
//! `cos://…`, by its interface that is compatible with S3.
//!
//! Where COS departs from S3, and what is done about it:
//!
//! | departure | source | here |
//! |---|---|---|
//! | an object is not replaced when `x-cos-forbid-overwrite: true` is sent; ignored on buckets with versions | "PUT Object" in the COS API reference | sent in the place of `If-None-Match`; the probe decides; objects in parts are looked for first; no `IfMatch` |
//! | buckets made since 2024 are host names only | "COS Bucket Domain Security Management Notice" | always, unless the endpoint is an address |
//! | the host of a request is the bucket, a dot, and the endpoint's suffix | the keys of Hadoop's `cosn` | as for every vendor here |
//! | deleting many objects needs `Content-MD5` | "DELETE Multiple Objects" | sent for every vendor |
//! | the signing region is the label behind `cos` | "Regions and Access Endpoints" | see `region` in `config.rs`, or `fs.cosn.bucket.region` |
//!
//! Proven against S3 servers under COS's host names, not against COS itself.

mod config;
mod factory;

pub use factory::CosFactory;
