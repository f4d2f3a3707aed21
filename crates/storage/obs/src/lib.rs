//! Repositories on Huawei Cloud OBS: `obs://bucket/path`, by its interface that
//! is compatible with S3.
//!
//! Where OBS departs from S3, and what is done about it:
//!
//! | departure | source | here |
//! |---|---|---|
//! | the API reference promises no condition on a write | "Uploading Objects - PUT" in the OBS API reference | `If-None-Match` is sent; where it is refused it is left out; the probe decides; no `IfMatch` |
//! | buckets stand before the endpoint | "Requesting an Endpoint" | always, unless the endpoint is an address |
//! | deleting many objects needs `Content-MD5` | "Deleting Objects in a Batch" | sent for every vendor |
//! | the signing region is the label behind `obs` | "Regions and Endpoints" | see `region` in `config.rs` |
//!
//! Proven against S3 servers under OBS's host names, not against OBS itself.

mod config;
mod factory;

pub use factory::ObsFactory;
