//! Asynchronous materialized views: tables that a query fills.
//!
//! * [`object`]: a view as the catalog has it;
//! * [`reads`]: what its query names, through logical views, and whether it is active;
//! * [`source`]: the tables in a plan, and the plan over some of their partitions;
//! * [`trace`], [`mapping`], [`shape`]: which of its partitions comes from which of a base;
//! * [`refresh`]: computing what is out of date;
//! * [`automatic`]: refreshes after loads and by the clock;
//! * [`create`], [`alter`]: the statements.
//!
//! **Freshness.** With each partition stand the version ids of the partitions
//! it was computed from. Equal ids mean equal rows, so a partition whose ids
//! are those of today is not computed again, whatever happened in between.

mod alter;
mod automatic;
mod create;
mod mapping;
pub(crate) mod object;
mod reads;
mod refresh;
mod shape;
mod source;
mod trace;

pub(crate) use alter::{Event, alter, cancel, noted};
pub(crate) use automatic::{after_statement, run_due};
pub(crate) use create::create;
pub(crate) use reads::inactive_reason;
pub(crate) use refresh::statement as refresh_statement;
