//! BACKUP, RESTORE, repositories: what needs no catalog.

use std::collections::BTreeSet;

use sqlparser::ast::{BinaryOperator, Expr, Value};

use super::{Result, names};
use crate::SqlError;
use crate::ast::{
    Backup, CatalogClause, CreateRepository, DropRepository, ObjectSelection, PropertyList, Restore,
    ShowSnapshots,
};
use crate::error::Stage;

/// Seconds a job may take unless it says otherwise.
const DEFAULT_TIMEOUT: u64 = 86_400;
const MIN_TIMEOUT: u64 = 600;

fn common(message: impl Into<String>) -> SqlError {
    SqlError::numbered(Stage::Analyze, SqlError::COMMON, message)
}

/// What kind of backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupType {
    /// Everything named.
    Full,
    /// Accepted for a label that does not exist yet, where it means the same.
    Incremental,
}

/// The properties of BACKUP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupOptions {
    /// `type`.
    pub kind: BackupType,
    /// `timeout`, in seconds.
    pub timeout: u64,
    /// `ttl` as written, checked by [`parse_ttl`]; `None` to keep for ever.
    pub ttl: Option<String>,
    /// `reuse`: whether files that earlier snapshots hold are stored once.
    pub reuse: bool,
}

/// Reads the properties of BACKUP.
///
/// # Errors
///
/// 5064 for unknown keys and values that are not allowed.
pub fn backup_options(backup: &Backup) -> Result<BackupOptions> {
    let mut options =
        BackupOptions { kind: BackupType::Full, timeout: DEFAULT_TIMEOUT, ttl: None, reuse: true };
    let mut unknown = Vec::new();
    for (key, value) in effective(&backup.properties) {
        match key.as_str() {
            "type" if value.eq_ignore_ascii_case("full") => options.kind = BackupType::Full,
            "type" if value.eq_ignore_ascii_case("incremental") => options.kind = BackupType::Incremental,
            "type" => return Err(common(format!("Invalid backup job type: {value}"))),
            "timeout" => options.timeout = timeout(&value)?,
            "ttl" => {
                parse_ttl(&value)?;
                options.ttl = (!value.trim().is_empty()).then_some(value);
            }
            "reuse" if value.eq_ignore_ascii_case("true") => options.reuse = true,
            "reuse" if value.eq_ignore_ascii_case("false") => options.reuse = false,
            "reuse" => return Err(common(format!("reuse is true or false, not {value}"))),
            _ => unknown.push(key),
        }
    }
    if unknown.is_empty() {
        return Ok(options);
    }
    Err(common(format!("Unknown backup job properties: [{}]", unknown.join(", "))))
}

/// The properties of RESTORE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreOptions {
    /// `backup_timestamp`, the text SHOW SNAPSHOT printed.
    pub backup_timestamp: String,
    /// `replication_num`; `None` for the warehouse's default.
    pub replication_num: Option<u32>,
    /// `allow_load`; shown, otherwise without effect.
    pub allow_load: bool,
    /// `meta_version`.
    pub meta_version: Option<i64>,
    /// `starrocks_meta_version`.
    pub starrocks_meta_version: Option<i64>,
    /// `timeout`, in seconds.
    pub timeout: u64,
}

/// Reads the properties of RESTORE.
///
/// # Errors
///
/// 5064 for unknown keys, values that are not allowed, and when
/// `backup_timestamp` is missing.
pub fn restore_options(restore: &Restore) -> Result<RestoreOptions> {
    let mut options = RestoreOptions {
        backup_timestamp: String::new(),
        replication_num: None,
        allow_load: false,
        meta_version: None,
        starrocks_meta_version: None,
        timeout: DEFAULT_TIMEOUT,
    };
    let mut timestamp = None;
    let mut unknown = Vec::new();
    for (key, value) in effective(&restore.properties) {
        match key.as_str() {
            "backup_timestamp" => timestamp = Some(value),
            "replication_num" => {
                let number = integer(&value)?;
                let number = u32::try_from(number).ok().filter(|number| *number > 0);
                options.replication_num =
                    Some(number.ok_or_else(|| common("Replication num should larger than 0"))?);
            }
            "allow_load" => {
                options.allow_load = match value.to_ascii_lowercase().as_str() {
                    "true" => true,
                    "false" => false,
                    _ => return Err(common(format!("Invalid allow load value: {value}"))),
                };
            }
            "meta_version" => options.meta_version = Some(integer(&value)?),
            "starrocks_meta_version" => options.starrocks_meta_version = Some(integer(&value)?),
            "timeout" => options.timeout = timeout(&value)?,
            _ => unknown.push(key),
        }
    }
    options.backup_timestamp = timestamp.ok_or_else(|| common("Missing backup_timestamp property"))?;
    if unknown.is_empty() {
        return Ok(options);
    }
    Err(common(format!("Unknown restore job properties: [{}]", unknown.join(", "))))
}

fn effective(properties: &Option<PropertyList>) -> indexmap::IndexMap<String, String> {
    properties.as_ref().map(PropertyList::effective).unwrap_or_default()
}

fn timeout(value: &str) -> Result<u64> {
    let seconds: u64 = value.parse().map_err(|_| common(format!("Invalid timeout format: {value}")))?;
    if seconds < MIN_TIMEOUT {
        return Err(common("timeout must be at least 10 min"));
    }
    Ok(seconds)
}

/// StarRocks gives one text for all its integers in RESTORE.
fn integer(value: &str) -> Result<i64> {
    value.parse().map_err(|_| common(format!("Invalid meta version format: {value}")))
}

/// Checks the names of BACKUP: database, label, repository.
///
/// # Errors
///
/// 1102, 5082, 5064.
pub fn check_backup_names(backup: &Backup) -> Result<()> {
    if let Some(database) = backup.database() {
        names::check_database(database.as_str())?;
    }
    if backup.repository.value.is_empty() {
        return Err(common("Repository is empty"));
    }
    names::check_label(backup.snapshot.label.as_str())
}

/// Checks the list of external catalogs of BACKUP or RESTORE.
///
/// # Errors
///
/// 5064 for `default_catalog`, 5063 for a name that cannot be a catalog's.
pub fn check_catalogs(catalogs: &CatalogClause) -> Result<()> {
    let CatalogClause::List(items) = catalogs else { return Ok(()) };
    for item in items {
        for name in [Some(&item.name), item.alias.as_ref()].into_iter().flatten() {
            if name.value.eq_ignore_ascii_case("default_catalog") {
                return Err(common("Do not support Backup/Restore the entire default catalog"));
            }
            names::check_catalog(name.as_str())?;
        }
    }
    Ok(())
}

/// Checks that no object and no new name comes twice in RESTORE.
///
/// # Errors
///
/// 1064 for a repeated object or alias, at the second one's place; 1103 for an
/// alias that cannot be a name.
pub fn check_restore_items(restore: &Restore) -> Result<()> {
    // Functions have a name space of their own; so may kinds to come.
    let space = |kind: Option<&str>| if kind == Some("function") { "function" } else { "table" };
    let mut objects = BTreeSet::new();
    let mut duplicates = None;
    let items = restore.items.as_deref().unwrap_or_default();
    for item in items {
        if let ObjectSelection::Named { name, span, .. } = &item.selection {
            let kind = item.kind.as_ref().map(|kind| kind.id.as_str());
            if !objects.insert((space(kind), name.object())) && duplicates.is_none() {
                duplicates = Some((name.object(), *span));
            }
        }
    }
    let mut aliases = BTreeSet::new();
    for item in items {
        if let ObjectSelection::Named { alias: Some(alias), span, .. } = &item.selection {
            let kind = space(item.kind.as_ref().map(|kind| kind.id.as_str()));
            names::check_table(alias.as_str())?;
            if objects.contains(&(kind, alias.as_str())) || !aliases.insert((kind, alias.as_str())) {
                return Err(SqlError::analyze(format!("Duplicated alias name: {}", alias.value)).at(*span));
            }
        }
    }
    match duplicates {
        None => Ok(()),
        Some((name, span)) => Err(SqlError::analyze(format!("Duplicated table: {name}")).at(span)),
    }
}

/// Checks CREATE REPOSITORY.
///
/// # Errors
///
/// 5063 and 5064 for the name, 1064 for an empty location.
pub fn check_create_repository(create: &CreateRepository) -> Result<()> {
    if create.name.value.is_empty() {
        return Err(common("Repository name is empty"));
    }
    names::check_repository(create.name.as_str())?;
    if create.location.trim().is_empty() {
        return Err(SqlError::analyze("You must specify a location on the repository"));
    }
    Ok(())
}

/// Checks DROP REPOSITORY.
///
/// # Errors
///
/// 5063 for a name that cannot be a repository's.
pub fn check_drop_repository(drop: &DropRepository) -> Result<()> {
    names::check_repository(drop.name.as_str())
}

/// Checks a `ttl` and gives its parts: numbers and units in upper case, singular.
///
/// # Errors
///
/// 5064 when it is not a duration such as `7 DAY` or `1 DAY 12 HOUR`, or when
/// it mixes calendar units with clock units.
pub fn parse_ttl(text: &str) -> Result<Vec<(u32, &'static str)>> {
    const UNITS: &[&str] = &["YEAR", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"];
    let invalid = || {
        common(format!(
            "Invalid ttl: {text}. A duration such as '7 DAY' or '12 HOUR' is expected, or an empty value to \
             keep for ever"
        ))
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut parts = Vec::new();
    for pair in words.chunks(2) {
        let [number, unit] = pair else { return Err(invalid()) };
        let number: u32 = number.parse().map_err(|_| invalid())?;
        let singular = unit.to_ascii_uppercase();
        let singular = singular.strip_suffix('S').unwrap_or(&singular);
        let unit = UNITS.iter().find(|name| **name == singular).ok_or_else(invalid)?;
        parts.push((number, *unit));
    }
    let calendar = parts.iter().any(|(_, unit)| matches!(*unit, "YEAR" | "MONTH" | "WEEK"));
    let clock = parts.iter().any(|(_, unit)| matches!(*unit, "HOUR" | "MINUTE" | "SECOND"));
    if calendar && clock {
        return Err(invalid());
    }
    if !parts.is_empty() && parts.iter().all(|(number, _)| *number == 0) {
        return Err(common(format!("Invalid ttl: {text}. ttl must be a positive duration")));
    }
    Ok(parts)
}

/// What SHOW SNAPSHOT shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotFilter {
    /// Every snapshot.
    All,
    /// The one of a label; one row even when there is none.
    Label(String),
    /// The details of one snapshot.
    LabelAndTimestamp(String, String),
    /// Those of the labels that exist.
    Labels(Vec<String>),
}

/// Reads the filter of SHOW SNAPSHOT.
///
/// # Errors
///
/// 1064 for every other shape of condition.
pub fn snapshot_filter(show: &ShowSnapshots) -> Result<SnapshotFilter> {
    let Some(filter) = &show.filter else { return Ok(SnapshotFilter::All) };
    let shape = || {
        SqlError::analyze(
            "Where clause should looks like: SNAPSHOT = 'your_snapshot_name' [AND TIMESTAMP = \
             '2018-04-18-19-19-10']",
        )
    };
    match filter.expr.as_ref() {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            let pairs = [equality(left).ok_or_else(shape)?, equality(right).ok_or_else(shape)?];
            match pairs {
                [(a, label), (b, timestamp)] if a == "snapshot" && b == "timestamp" => {
                    Ok(SnapshotFilter::LabelAndTimestamp(label, timestamp))
                }
                [(a, timestamp), (b, label)] if a == "timestamp" && b == "snapshot" => {
                    Ok(SnapshotFilter::LabelAndTimestamp(label, timestamp))
                }
                _ => Err(shape()),
            }
        }
        Expr::BinaryOp { .. } => match equality(&filter.expr) {
            Some((column, label)) if column == "snapshot" => Ok(SnapshotFilter::Label(label)),
            _ => Err(shape()),
        },
        Expr::InList { expr, list, negated: false } => {
            if column_name(expr).as_deref() != Some("snapshot") {
                return Err(SqlError::analyze("Left expression of IN should be SNAPSHOT"));
            }
            let labels: Option<Vec<String>> = list.iter().map(text).collect();
            labels
                .map(SnapshotFilter::Labels)
                .ok_or_else(|| SqlError::analyze("Child of in predicate should be string value"))
        }
        _ => Err(shape()),
    }
}

fn equality(expr: &Expr) -> Option<(String, String)> {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => Some((column_name(left)?, text(right)?)),
        Expr::Nested(inner) => equality(inner),
        _ => None,
    }
}

fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.to_lowercase()),
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::Statement;
    use crate::parse_one;

    fn filter(condition: &str) -> Result<SnapshotFilter> {
        match parse_one(&format!("SHOW SNAPSHOT ON r WHERE {condition}")).unwrap() {
            Statement::ShowSnapshots(show) => snapshot_filter(&show),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn snapshot_filters_have_three_shapes() {
        assert_eq!(filter("`Snapshot` = 'a'"), Ok(SnapshotFilter::Label("a".into())));
        let both = Ok(SnapshotFilter::LabelAndTimestamp("a".into(), "t".into()));
        assert_eq!(filter("SNAPSHOT = 'a' AND TIMESTAMP = \"t\""), both);
        assert_eq!(filter("timestamp = 't' AND snapshot = 'a'"), both);
        assert_eq!(
            filter("snapshot IN ('a', 'b')"),
            Ok(SnapshotFilter::Labels(vec!["a".into(), "b".into()]))
        );
        for condition in
            ["TIMESTAMP = 't'", "SNAPSHOT = 1", "SNAPSHOT > 'a'", "SNAPSHOT NOT IN ('a')", "x IN ('a')"]
        {
            assert!(filter(condition).is_err(), "{condition}");
        }
    }

    #[test]
    fn a_ttl_is_a_sum_of_units_of_one_family() {
        assert_eq!(parse_ttl(" 7 day ").unwrap(), [(7, "DAY")]);
        assert_eq!(parse_ttl("1 YEAR 6 months").unwrap(), [(1, "YEAR"), (6, "MONTH")]);
        assert_eq!(parse_ttl("1 DAY 12 HOURS").unwrap().len(), 2);
        assert_eq!(parse_ttl("").unwrap(), []);
        for text in ["7d", "forever", "0 DAY", "-1 DAY", "7", "1 MONTH 2 HOUR"] {
            assert!(parse_ttl(text).is_err(), "{text}");
        }
    }
}
