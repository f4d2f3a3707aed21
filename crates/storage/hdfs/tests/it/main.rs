//! What HDFS does, on clusters that are real.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // the helpers of tests are tests too

mod contract;
mod errors;
mod ha;
mod hazards;
mod kerberos;
mod objects;
mod relay;
mod support;
