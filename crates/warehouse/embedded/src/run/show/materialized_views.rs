//! SHOW MATERIALIZED VIEWS and `information_schema.materialized_views`.

use super::super::super::error::{of_query, of_store};
use super::super::super::materialized::inactive_reason;
use super::super::super::materialized::object::MaterializedView;
use super::super::super::merge::table::definition_of;
use super::super::super::session::Session;
use super::partitions::local_time;
use super::{Listing, objects, some};
use rockhold_core::{KindId, Row, Timestamp};
use rockhold_model::{LastRefresh, Rollup};
use rockhold_sql::{SqlError, create_synchronous_view, show_create_materialized_view};
use rockhold_warehouse_store::ObjectInfo;
use std::collections::HashMap;

/// The columns of SHOW; those of information_schema are in the same order.
const COLUMNS: &[&str] = &[
    "id",
    "database_name",
    "name",
    "refresh_type",
    "is_active",
    "inactive_reason",
    "partition_type",
    "task_id",
    "task_name",
    "last_refresh_start_time",
    "last_refresh_finished_time",
    "last_refresh_duration",
    "last_refresh_state",
    "last_refresh_force_refresh",
    "last_refresh_start_partition",
    "last_refresh_end_partition",
    "last_refresh_base_refresh_partitions",
    "last_refresh_mv_refresh_partitions",
    "last_refresh_error_code",
    "last_refresh_error_message",
    "rows",
    "text",
    "extra_message",
    "query_rewrite_status",
    "creator",
    "last_refresh_process_time",
    "last_refresh_job_id",
];

/// The columns of `information_schema.materialized_views`.
pub(super) const SCHEMA_COLUMNS: &[&str] = &[
    "MATERIALIZED_VIEW_ID",
    "TABLE_SCHEMA",
    "TABLE_NAME",
    "REFRESH_TYPE",
    "IS_ACTIVE",
    "INACTIVE_REASON",
    "PARTITION_TYPE",
    "TASK_ID",
    "TASK_NAME",
    "LAST_REFRESH_START_TIME",
    "LAST_REFRESH_FINISHED_TIME",
    "LAST_REFRESH_DURATION",
    "LAST_REFRESH_STATE",
    "LAST_REFRESH_FORCE_REFRESH",
    "LAST_REFRESH_START_PARTITION",
    "LAST_REFRESH_END_PARTITION",
    "LAST_REFRESH_BASE_REFRESH_PARTITIONS",
    "LAST_REFRESH_MV_REFRESH_PARTITIONS",
    "LAST_REFRESH_ERROR_CODE",
    "LAST_REFRESH_ERROR_MESSAGE",
    "TABLE_ROWS",
    "MATERIALIZED_VIEW_DEFINITION",
    "EXTRA_MESSAGE",
    "QUERY_REWRITE_STATUS",
    "CREATOR",
    "LAST_REFRESH_PROCESS_TIME",
    "LAST_REFRESH_JOB_ID",
];

/// `SHOW MATERIALIZED VIEWS` of a database.
pub(super) async fn show(session: &Session, database: &str) -> Result<Listing, SqlError> {
    let mut listing = Listing::new(COLUMNS, rows(session, database).await?);
    listing.named = 2;
    Ok(listing)
}

/// The materialized views of a database, one row each, by name.
pub(super) async fn rows(session: &Session, database: &str) -> Result<Vec<Row>, SqlError> {
    let mut rows = Vec::new();
    for object in objects(session, database).await? {
        if object.object.kind == KindId::MATERIALIZED_VIEW {
            rows.push(row(session, &MaterializedView::of(object)?).await?);
        } else if object.object.kind == KindId::TABLE {
            rows.extend(rollups(session, &object).await?);
        }
    }
    rows.sort_by(|a, b| a.get(2).cmp(&b.get(2)));
    Ok(rows)
}

/// The synchronous materialized views of a table.
async fn rollups(session: &Session, object: &ObjectInfo) -> Result<Vec<Row>, SqlError> {
    let definition = definition_of(&object.object).map_err(of_query)?;
    let views: Vec<_> = definition
        .rollups
        .iter()
        .filter_map(|rollup| Some((rollup, create_synchronous_view(rollup)?)))
        .collect();
    if views.is_empty() {
        return Ok(Vec::new());
    }
    let name = &object.object.name;
    let mut counts: HashMap<String, u64> = HashMap::new();
    // A table under restore cannot be read; its views are shown without rows.
    if !object.under_restore {
        let snapshot = session.store.snapshot(std::slice::from_ref(name)).await.map_err(of_store)?;
        for partition in snapshot.objects().iter().flat_map(|object| &object.partitions) {
            for file in snapshot.files(partition).await.map_err(of_store)? {
                if let Some(rollup) = file.rollup {
                    *counts.entry(rollup).or_default() += file.rows;
                }
            }
        }
    }
    let row = |(rollup, create): (&Rollup, String)| {
        let mut row = vec![
            Some(object.id.to_string()),
            some(&name.database),
            some(&rollup.name),
            some("ROLLUP"),
            some("true"),
            some(""),
            some("UNPARTITIONED"),
            some("0"),
            some(""),
        ];
        row.extend(last_refresh(session, None));
        row.extend([
            Some(counts.get(&rollup.name).copied().unwrap_or_default().to_string()),
            Some(create),
            some(""),
            some("VALID: a query that is the view's is answered by it"),
            some("root"),
            None,
            some(""),
        ]);
        row
    };
    Ok(views.into_iter().map(row).collect())
}

async fn row(session: &Session, view: &MaterializedView) -> Result<Row, SqlError> {
    let reason = inactive_reason(session, view).await?;
    let partitions = session.store.list_partitions(view.name()).await.map_err(of_store)?;
    let count: u64 = partitions.iter().map(|partition| partition.rows).sum();
    let id = view.info.id;
    let mut row = vec![
        Some(id.to_string()),
        some(&view.name().database),
        some(&view.name().name),
        some(view.refresh_type()),
        some(if reason.is_none() { "true" } else { "false" }),
        Some(reason.unwrap_or_default()),
        some(view.partition_type()),
        Some(id.to_string()),
        Some(format!("mv-{id}")),
    ];
    let last = view.state.last_refresh.first();
    row.extend(last_refresh(session, last));
    row.extend([
        Some(count.to_string()),
        Some(show_create_materialized_view(&view.definition)),
        some(""),
        some("INVALID: queries are not rewritten to asynchronous materialized views"),
        some("root"),
        last.map(|last| local_time(session.zone, Timestamp(last.started))),
        Some(last.map(|last| last.id.clone()).unwrap_or_default()),
    ]);
    Ok(row)
}

/// From the start time to the error message.
fn last_refresh(session: &Session, last: Option<&LastRefresh>) -> Vec<Option<String>> {
    let Some(last) = last else {
        let mut row: Vec<Option<String>> = vec![None, None];
        row.extend(["0.000", "", "false", "", "", "{}", "", "", ""].map(some));
        return row;
    };
    let took = last.finished.saturating_sub(last.started).max(0);
    let bases: serde_json::Map<String, serde_json::Value> = last
        .base_partitions
        .iter()
        .map(|(name, partitions)| (name.clone(), partitions.clone().into()))
        .collect();
    vec![
        Some(local_time(session.zone, Timestamp(last.started))),
        Some(local_time(session.zone, Timestamp(last.finished))),
        Some(format!("{}.{:03}", took / 1000, took % 1000)),
        some(&last.state),
        some(last.force.to_string()),
        some(&last.start_partition),
        some(&last.end_partition),
        Some(serde_json::Value::Object(bases).to_string()),
        Some(last.partitions.join(",")),
        Some(last.error_code.to_string()),
        some(&last.error_message),
    ]
}
