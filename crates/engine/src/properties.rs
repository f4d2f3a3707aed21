//! Properties of BACKUP and RESTORE, and the WHERE clauses of SHOW.

use crate::error::common_analysis;
use rockhold_sql::SqlError;
use rockhold_sql::ast::{ExprText, PropertyList};
use sqlparser::ast::{BinaryOperator, Expr, Value};

/// The shortest time limit of a job, in seconds.
const MIN_TIMEOUT: u64 = 600;

/// The properties of RESTORE.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RestoreProperties {
    pub(crate) timestamp: String,
    pub(crate) replication_num: Option<u32>,
    pub(crate) allow_load: bool,
    pub(crate) timeout: Option<u64>,
}

/// The time limit of a BACKUP; `None` for the default.
pub(crate) fn backup(properties: Option<&PropertyList>) -> Result<Option<u64>, SqlError> {
    let properties = properties.map(PropertyList::effective).unwrap_or_default();
    let mut limit = None;
    let mut unknown = Vec::new();
    for (key, value) in &properties {
        match key.as_str() {
            "timeout" => limit = Some(timeout(value)?),
            // StarRocks takes "incremental" too and makes a full backup of it.
            "type" if ["full", "incremental"].contains(&value.to_ascii_lowercase().as_str()) => {}
            "type" => return Err(common_analysis(format!("Invalid backup job type: {value}"))),
            _ => unknown.push(key.clone()),
        }
    }
    match unknown.is_empty() {
        true => Ok(limit),
        false => Err(common_analysis(format!("Unknown backup job properties: [{}]", unknown.join(", ")))),
    }
}

/// The properties of a RESTORE.
pub(crate) fn restore(properties: Option<&PropertyList>) -> Result<RestoreProperties, SqlError> {
    let properties = properties.map(PropertyList::effective).unwrap_or_default();
    let mut found = RestoreProperties {
        timestamp: String::new(),
        replication_num: None,
        allow_load: false,
        timeout: None,
    };
    // StarRocks has one text for all three numbers.
    let number = |value: &str| {
        value.parse::<u32>().map_err(|_| common_analysis(format!("Invalid meta version format: {value}")))
    };
    let mut timestamp = None;
    let mut unknown = Vec::new();
    for (key, value) in &properties {
        match key.as_str() {
            "backup_timestamp" => timestamp = Some(value.clone()),
            "replication_num" => found.replication_num = Some(number(value)?),
            "meta_version" | "starrocks_meta_version" => {
                number(value)?;
            }
            "allow_load" => {
                found.allow_load = match value.to_ascii_lowercase().as_str() {
                    "true" => true,
                    "false" => false,
                    _ => return Err(common_analysis(format!("Invalid allow load value: {value}"))),
                }
            }
            "timeout" => found.timeout = Some(timeout(value)?),
            _ => unknown.push(key.clone()),
        }
    }
    found.timestamp = timestamp.ok_or_else(|| common_analysis("Missing backup_timestamp property"))?;
    match unknown.is_empty() {
        true => Ok(found),
        false => Err(common_analysis(format!("Unknown restore job properties: [{}]", unknown.join(", ")))),
    }
}

fn timeout(value: &str) -> Result<u64, SqlError> {
    let seconds: i64 =
        value.parse().map_err(|_| common_analysis(format!("Invalid timeout format: {value}")))?;
    match u64::try_from(seconds) {
        Ok(seconds) if seconds >= MIN_TIMEOUT => Ok(seconds),
        _ => Err(common_analysis("timeout must be at least 10 min")),
    }
}

/// Which snapshots SHOW SNAPSHOT lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotFilter {
    /// All.
    All,
    /// One label; a row even when there is none.
    Label(String),
    /// Those of the list that exist.
    Labels(Vec<String>),
    /// One snapshot in detail.
    Exact {
        /// The label.
        label: String,
        /// The literal timestamp.
        timestamp: String,
    },
}

/// Reads the WHERE clause of SHOW SNAPSHOT.
pub(crate) fn snapshot_filter(filter: Option<&ExprText>) -> Result<SnapshotFilter, SqlError> {
    let Some(filter) = filter else { return Ok(SnapshotFilter::All) };
    let shape = || {
        SqlError::analyze(
            "Where clause should looks like: SNAPSHOT = 'your_snapshot_name' [AND TIMESTAMP = '2018-04-18-19-19-10']",
        )
    };
    match unnested(&filter.expr) {
        Expr::InList { expr, list, negated: false } => {
            if column(expr).as_deref() != Some("snapshot") {
                return Err(SqlError::analyze("Left expression of the in predicate should be snapshot"));
            }
            let labels: Option<Vec<String>> = list.iter().map(text).collect();
            labels
                .map(SnapshotFilter::Labels)
                .ok_or_else(|| SqlError::analyze("Child of in predicate should be string value"))
        }
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            let (a, b) = (equality(left).ok_or_else(shape)?, equality(right).ok_or_else(shape)?);
            match (a.0.as_str(), b.0.as_str()) {
                ("snapshot", "timestamp") => Ok(SnapshotFilter::Exact { label: a.1, timestamp: b.1 }),
                ("timestamp", "snapshot") => Ok(SnapshotFilter::Exact { label: b.1, timestamp: a.1 }),
                _ => Err(shape()),
            }
        }
        other => match equality(other) {
            Some((name, label)) if name == "snapshot" => Ok(SnapshotFilter::Label(label)),
            _ => Err(shape()),
        },
    }
}

/// The label of `WHERE Label = '…'` of SHOW RESTORE; any other clause is
/// accepted and ignored, as StarRocks does.
pub(crate) fn label_filter(filter: Option<&ExprText>) -> Option<String> {
    equality(&filter?.expr).filter(|(name, _)| name == "label").map(|(_, label)| label)
}

fn unnested(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

fn equality(expr: &Expr) -> Option<(String, String)> {
    match unnested(expr) {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => Some((column(left)?, text(right)?)),
        _ => None,
    }
}

fn column(expr: &Expr) -> Option<String> {
    match unnested(expr) {
        Expr::Identifier(name) => Some(name.value.to_ascii_lowercase()),
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<String> {
    match unnested(expr) {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}
