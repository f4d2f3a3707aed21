//! S3 as it is promised: on a server in this process, on MinIO and on Ceph RGW.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // the helpers of tests are tests too

mod contract;
mod credentials;
mod errors;
mod imds;
mod proxy;
mod real;
mod requests;
mod server;
mod silence;
mod throttle;
mod tls;
