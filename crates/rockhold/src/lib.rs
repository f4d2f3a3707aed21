//! Backup and restore for warehouses that speak the StarRocks dialect.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use rockhold::{Executed, Rockhold};
//!
//! let rockhold = Rockhold::embedded("warehouse").open().await?;
//! let mut session = rockhold.session()?;
//! for statement in rockhold::statements("CREATE DATABASE shop; SHOW DATABASES") {
//!     match session.execute(&statement.parsed?).await? {
//!         Executed::Outcome(outcome) => println!("{outcome:?}"),
//!         Executed::Job(job) => println!("{}", job.wait().await.state),
//!         _ => {}
//!     }
//! }
//! rockhold.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! This crate is the composition root: it puts the embedded warehouse, the
//! engine, the object types and the storage vendors together. To embed only
//! some of them, use [`EngineBuilder`] with the adapters of your choice.

mod builder;
mod layered;
mod object_types;
mod session;
mod text;

pub use builder::{Rockhold, RockholdBuilder};
pub use rockhold_core::{Error, JobRecord, JsonShape, Outcome, ResultColumn, Row, Rows, Secret};
pub use rockhold_engine::{
    Engine, EngineBuilder, EngineConfig, JobDetail, JobHandle, ProgressCounts, RepositoryCheck, job_status,
};
pub use rockhold_layers::{Metrics, Operation, OperationMetrics};
pub use rockhold_sql::SqlError;
pub use rockhold_warehouse_store::ImportedKeys;
pub use session::{Executed, Session, is_locked, sql_error};
pub use text::{CheckLine, StatementText, check, statements};
