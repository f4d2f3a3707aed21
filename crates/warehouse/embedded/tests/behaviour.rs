//! What a client sees of the embedded warehouse, statement by statement.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "behaviour/bench.rs"]
mod bench;
#[path = "behaviour/catalog.rs"]
mod catalog;
#[path = "behaviour/changing_rows.rs"]
mod changing_rows;
#[path = "behaviour/external_catalogs.rs"]
mod external_catalogs;
#[path = "behaviour/files.rs"]
mod files;
#[path = "behaviour/files_in_stores.rs"]
mod files_in_stores;
#[path = "behaviour/files_physical.rs"]
mod files_physical;
#[path = "behaviour/files_properties.rs"]
mod files_properties;
#[path = "behaviour/files_unloaded.rs"]
mod files_unloaded;
#[path = "behaviour/functions.rs"]
mod functions;
#[path = "behaviour/key_models.rs"]
mod key_models;
#[path = "behaviour/loading.rs"]
mod loading;
#[path = "behaviour/materialized_views.rs"]
mod materialized_views;
#[path = "behaviour/materialized_views_active.rs"]
mod materialized_views_active;
#[path = "behaviour/materialized_views_in_time.rs"]
mod materialized_views_in_time;
#[path = "behaviour/materialized_views_random.rs"]
mod materialized_views_random;
#[path = "behaviour/materialized_views_shown.rs"]
mod materialized_views_shown;
#[path = "behaviour/memory_store.rs"]
mod memory_store;
#[path = "behaviour/partitions.rs"]
mod partitions;
#[path = "behaviour/queries.rs"]
mod queries;
#[path = "behaviour/synchronous_views.rs"]
mod synchronous_views;
#[path = "behaviour/views.rs"]
mod views;
