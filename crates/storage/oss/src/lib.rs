//! Repositories on Alibaba Cloud OSS: `oss://bucket/path`, by its interface
//! that is compatible with S3.
//!
//! Where OSS departs from S3, and what is done about it:
//!
//! | departure | source | here |
//! |---|---|---|
//! | `If-None-Match` and `If-Match` on a write are refused (501) | reports of users of the S3 interface | `x-oss-forbid-overwrite: true`; no `IfMatch` |
//! | that header answers 409 `FileAlreadyExists`; it is ignored on buckets with versions | "PutObject", "CompleteMultipartUpload" in the OSS API reference | the probe decides; objects in parts are looked for first |
//! | buckets are host names, never paths | "Overview" of the OSS API reference | always, unless the endpoint is an address |
//! | `aws-chunked` bodies are refused | "Access OSS using AWS SDKs" | bodies are signed whole |
//! | deleting many objects needs `Content-MD5` | "DeleteMultipleObjects" | sent for every vendor |
//! | the signing region is the endpoint's first label | StarRocks's client | see `region` in `config.rs` |
//!
//! Proven against S3 servers under OSS's host names, not against OSS itself.
//! A custom domain in the place of an endpoint is not supported: it names one
//! bucket, and this interface puts the bucket before it.

mod config;
mod factory;

pub use factory::OssFactory;
