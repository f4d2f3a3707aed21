//! Refreshes that nobody asks for: after loads, and by the clock.
//!
//! They run in the process that writes, behind the statement that caused them
//! and before its answer. One that fails fails nothing else: it is noted in the
//! state of the view.

use super::super::session::Session;
use super::super::value::time::{add_units, micros_of, parse_datetime};
use super::object::{MaterializedView, all};
use super::reads::{BY_USER, Reads, reads};
use super::refresh::{Request, refresh};
use chrono::TimeZone;
use rockhold_core::{ObjectName, Timestamp};
use rockhold_model::{RefreshScheme, TimeUnit};
use rockhold_sql::SqlError;
use rockhold_sql::ast::{AlterClause, InsertTarget, Statement};
use std::collections::BTreeSet;

/// What a statement that succeeded brings about.
pub(crate) async fn after_statement(session: &Session, statement: &Statement) {
    let changed = match statement {
        Statement::Insert(insert) => match &insert.target {
            InsertTarget::Table { name, .. } => Some(name),
            InsertTarget::Files(_) => None,
        },
        Statement::Update(update) => Some(&update.table),
        Statement::Delete(delete) => Some(&delete.table),
        Statement::TruncateTable(truncate) => Some(&truncate.name),
        Statement::AlterTable(alter) => alter.clauses.iter().any(takes_rows).then_some(&alter.name),
        Statement::CreateTableAs(create) => Some(&create.name),
        _ => None,
    };
    if let Some(name) = changed.and_then(|name| session.full_name(name).ok()) {
        after_change(session, &[name]).await;
    }
}

fn takes_rows(clause: &AlterClause) -> bool {
    matches!(clause, AlterClause::DropPartition { .. } | AlterClause::ReplacePartition { .. })
}

/// Refreshes the views that follow loads into these tables, and those that
/// follow them, each behind its bases.
pub(crate) async fn after_change(session: &Session, tables: &[ObjectName]) {
    if let Err(error) = follow(session, tables).await {
        tracing::warn!(%error, "materialized views are not refreshed after a load");
    }
}

async fn follow(session: &Session, tables: &[ObjectName]) -> Result<(), SqlError> {
    let mut waiting: Vec<(MaterializedView, Reads)> = Vec::new();
    for view in all(session).await?.into_iter().filter(MaterializedView::follows_loads) {
        // One whose query cannot be read is not active.
        let definition = &view.definition;
        if let Ok(found) = reads(session, &definition.query, &definition.default_database).await {
            waiting.push((view, found));
        }
    }
    let mut changed: BTreeSet<ObjectName> = tables.iter().cloned().collect();
    while !waiting.is_empty() {
        // The next has no base among those that still wait; in a circle, any.
        let next = waiting
            .iter()
            .position(|(_, found)| waiting.iter().all(|(other, _)| !found.bases.contains(other.name())))
            .unwrap_or(0);
        let (view, found) = waiting.remove(next);
        let triggered = found
            .bases
            .iter()
            .any(|base| changed.contains(base) && !view.lists("excluded_trigger_tables", base));
        if triggered && run(session, &view).await {
            changed.insert(view.name().clone());
        }
    }
    Ok(())
}

/// Refreshes one view, unless somebody put it aside; says whether its rows changed.
async fn run(session: &Session, view: &MaterializedView) -> bool {
    if view.state.inactive_reason == BY_USER {
        return false;
    }
    let request = Request { automatic: true, ..Request::default() };
    match refresh(session, view.name(), &request).await {
        Ok(done) => done.changed,
        Err(error) => {
            tracing::warn!(%error, view = %view.name(), "a materialized view could not be refreshed");
            false
        }
    }
}

/// Refreshes the views whose time has come, if this process is the writer.
pub(crate) async fn run_due(session: &Session) {
    if !session.store.is_writer() {
        return;
    }
    let views = match all(session).await {
        Ok(views) => views,
        Err(error) => {
            tracing::warn!(%error, "materialized views are not refreshed in time");
            return;
        }
    };
    for view in views.iter().filter(|view| is_due(session, view)) {
        if run(session, view).await {
            after_change(session, &[view.name().clone()]).await;
        }
    }
}

/// A point in time on the wall clock of the warehouse.
pub(crate) fn wall_clock(session: &Session, at: Timestamp) -> i64 {
    let utc = at.0.saturating_mul(1000);
    session.zone.timestamp_micros(utc).single().map_or(utc, |time| micros_of(time.naive_local()))
}

/// Whether a period has begun since the last attempt, or since the view was made.
fn is_due(session: &Session, view: &MaterializedView) -> bool {
    let RefreshScheme::Async { start, every: Some((count, unit)) } = &view.definition.refresh else {
        return false;
    };
    let created = wall_clock(session, view.info.created);
    let start = start.as_deref().and_then(parse_datetime).unwrap_or(created);
    let last = view
        .state
        .last_refresh
        .first()
        .map_or(created, |last| wall_clock(session, Timestamp(last.started)).max(created));
    let now = session.environment().now;
    now >= start && period(now, start, *count, *unit) > period(last, start, *count, *unit)
}

/// The number of the period that holds a time; below 0 before the start.
fn period(time: i64, start: i64, count: u32, unit: TimeUnit) -> i64 {
    let length = add_units(0, i64::from(count), unit).unwrap_or(i64::MAX).max(1);
    time.saturating_sub(start).div_euclid(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::time::DAY;

    #[test]
    fn periods_are_counted_from_the_start() {
        let two_days = |time: i64| period(time, 10 * DAY, 2, TimeUnit::Day);
        assert_eq!(two_days(10 * DAY), 0);
        assert_eq!(two_days(12 * DAY - 1), 0);
        assert_eq!(two_days(12 * DAY), 1);
        assert_eq!(two_days(10 * DAY - 1), -1);
    }
}
