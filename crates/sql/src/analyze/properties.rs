//! Properties of tables: which there are, what they may be, their defaults.

use indexmap::IndexMap;
use rockhold_model::{Column, DataType, Distribution, KeyModel, Partitioning};

use super::{Cluster, Result};
use crate::SqlError;
use crate::ast::PropertyList;
use crate::error::Stage;

/// Properties that are taken as they are.
const FREE: &[&str] = &[
    "storage_cooldown_time",
    "storage_cooldown_ttl",
    "partition_live_number",
    "partition_retention_condition",
    "partition_ttl",
    "partition_ttl_number",
    "unique_constraints",
    "foreign_key_constraints",
    "base_compaction_forbidden_time_ranges",
    "primary_index_cache_expire_sec",
    "table_query_timeout",
    "enable_load_profile",
    "load_profile_collection",
    "labels.location",
    "storage_volume",
    "persistent_index_type",
    "compaction_strategy",
    "file_bundling",
    "binlog_enable",
    "binlog_ttl_second",
    "binlog_max_size",
    "mutable_bucket_num",
    "enable_statistic_collect_on_first_load",
    "bucket_reshuffle",
    "comment",
];

/// Properties that are taken for old scripts' sake and mean nothing.
const LEGACY: &[&str] = &[
    "storage_type",
    "storage_format",
    "in_memory",
    "version_info",
    "tablet_type",
    "function_column.sequence_type",
];

/// What decides which properties a table may have.
pub(super) struct Subject<'t> {
    pub(super) model: KeyModel,
    pub(super) columns: &'t [Column],
    pub(super) distribution: &'t Distribution,
    pub(super) explicit_distribution: bool,
    pub(super) partitioning: &'t Partitioning,
}

/// The effective properties of a new table, sorted by key.
pub(super) fn properties(
    list: Option<&PropertyList>,
    subject: &Subject<'_>,
    cluster: &Cluster,
) -> Result<IndexMap<String, String>> {
    let given = list.map(PropertyList::effective).unwrap_or_default();
    let mut found: IndexMap<String, String> = defaults(subject, cluster);
    let mut dynamic = IndexMap::new();
    let mut unknown = Vec::new();
    for (key, value) in given {
        if let Some(name) = key.strip_prefix("dynamic_partition.") {
            dynamic.insert(name.to_string(), value);
            continue;
        }
        match checked(&key, &value, subject, cluster)? {
            Known::Keep(value) => {
                found.insert(key, value);
            }
            Known::Drop => {}
            Known::No => unknown.push(format!("{key}={value}")),
        }
    }
    if !unknown.is_empty() {
        return Err(SqlError::execute(format!("Unknown properties: {{{}}}", unknown.join(", "))));
    }
    if !dynamic.is_empty() {
        for (name, value) in dynamic_partition(&dynamic, subject, cluster)? {
            found.insert(format!("dynamic_partition.{name}"), value);
        }
    }
    found.sort_keys();
    Ok(found)
}

fn defaults(subject: &Subject<'_>, cluster: &Cluster) -> IndexMap<String, String> {
    let mut found = IndexMap::new();
    let mut set = |key: &str, value: &str| found.insert(key.to_string(), value.to_string());
    set("compression", "LZ4");
    set("fast_schema_evolution", "true");
    set("replicated_storage", "true");
    set("replication_num", &cluster.default_replication_num.to_string());
    if *subject.distribution == Distribution::Random {
        set("bucket_size", "1073741824");
    }
    if subject.model == KeyModel::Primary {
        set("enable_persistent_index", "true");
    }
    found
}

enum Known {
    Keep(String),
    Drop,
    No,
}

fn checked(key: &str, value: &str, subject: &Subject<'_>, cluster: &Cluster) -> Result<Known> {
    let refuse = |message: String| Err(SqlError::execute(message));
    let keep = Ok(Known::Keep(value.to_string()));
    match key {
        "replication_num" => {
            replication_num(value, cluster)?;
            keep
        }
        "compression" => Ok(Known::Keep(compression(value)?)),
        "write_quorum" => match value.to_ascii_uppercase().as_str() {
            "MAJORITY" => Ok(Known::Drop),
            quorum @ ("ONE" | "ALL") => Ok(Known::Keep(quorum.to_string())),
            _ => refuse(format!("unknown write quorum: {value}")),
        },
        "bucket_size" => match value.parse::<i64>() {
            Ok(size) if size >= 0 => {
                if *subject.distribution == Distribution::Random {
                    keep
                } else {
                    Ok(Known::Drop)
                }
            }
            _ => refuse(format!("Illegal bucket size: {value}")),
        },
        "storage_medium" => match value.to_ascii_uppercase().as_str() {
            medium @ ("HDD" | "SSD") => Ok(Known::Keep(medium.to_string())),
            _ => refuse(format!("Invalid storage medium: {value}")),
        },
        "colocate_with" if *subject.distribution == Distribution::Random => {
            refuse("random distribution does not support 'colocate_with'".to_string())
        }
        "colocate_with" if !subject.explicit_distribution => {
            refuse("Colocate table must specify distribution column: add DISTRIBUTED BY HASH".to_string())
        }
        "colocate_with" => keep,
        "bloom_filter_columns" => Ok(Known::Keep(bloom_filter_columns(value, subject)?)),
        "bloom_filter_fpp" => match value.parse::<f64>() {
            Ok(fpp) if (0.0001..=0.05).contains(&fpp) => keep,
            _ => refuse(format!("Bloom filter fpp should in [0.0001, 0.05]: {value}")),
        },
        "enable_persistent_index" if subject.model == KeyModel::Primary => match boolean(key, value)? {
            true => keep,
            false => refuse(
                "In-Memory index is not supported, please create table with persistent index".to_string(),
            ),
        },
        "enable_persistent_index" => Ok(Known::Drop),
        "fast_schema_evolution" | "replicated_storage" | "flat_json.enable" => {
            Ok(Known::Keep(boolean(key, value)?.to_string()))
        }
        _ if FREE.contains(&key) || key.starts_with("flat_json.") || key.starts_with("datacache.") => keep,
        _ if LEGACY.contains(&key) => Ok(Known::Drop),
        _ => Ok(Known::No),
    }
}

fn boolean(key: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(SqlError::execute(format!("Property {key} must be true or false: {value}"))),
    }
}

/// Checks a number of replicas.
pub(super) fn replication_num(value: &str, cluster: &Cluster) -> Result<u32> {
    let number: i64 = value.parse().map_err(|_| {
        SqlError::execute(format!(
            "For input string: \"{value}\" in property replication_num: a number is expected"
        ))
    })?;
    let Some(number) = u32::try_from(number).ok().filter(|number| *number > 0) else {
        return Err(SqlError::analyze("Replication num should larger than 0"));
    };
    if usize::try_from(number).unwrap_or(usize::MAX) > cluster.backends.len() {
        let alive: Vec<String> = cluster.backends.iter().map(ToString::to_string).collect();
        return Err(SqlError::analyze(format!(
            "Table replication num should be less than of equal to the number of available BE nodes. You can \
             change this default by setting the replication_num table properties. Current alive backend is [{}].",
            alive.join(",")
        )));
    }
    Ok(number)
}

fn compression(value: &str) -> Result<String> {
    let upper = value.to_ascii_uppercase();
    let level = upper
        .strip_prefix("ZSTD(")
        .and_then(|rest| rest.strip_suffix(')'))
        .and_then(|level| level.trim().parse::<u32>().ok());
    match (upper.as_str(), level) {
        ("LZ4" | "ZSTD" | "ZLIB" | "SNAPPY" | "LZ4_FRAME" | "DEFLATE" | "GZIP" | "NO_COMPRESSION", _) => {
            Ok(upper)
        }
        (_, Some(1..=22)) => Ok(upper),
        _ => Err(SqlError::execute(format!("unknown compression type: {value}"))),
    }
}

fn bloom_filter_columns(value: &str, subject: &Subject<'_>) -> Result<String> {
    let mut names: Vec<String> = Vec::new();
    for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let refuse =
            |why: &str| Err(SqlError::execute(format!("Invalid bloom filter column '{name}': {why}")));
        let Some(column) = subject.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
        else {
            return refuse("not exists");
        };
        let unsupported = matches!(column.data_type, DataType::TinyInt | DataType::Boolean)
            || !column.data_type.is_key_type();
        if unsupported {
            return refuse(&format!("unsupported type {}", column.data_type));
        }
        let value_column = matches!(subject.model, KeyModel::Aggregate | KeyModel::Unique) && !column.key;
        if value_column {
            return refuse("only key columns of this key model can have one");
        }
        if names.contains(&column.name) {
            return refuse("duplicate");
        }
        names.push(column.name.clone());
    }
    Ok(names.join(", "))
}

/// Checks dynamic partition properties and completes them.
fn dynamic_partition(
    given: &IndexMap<String, String>,
    subject: &Subject<'_>,
    cluster: &Cluster,
) -> Result<IndexMap<String, String>> {
    let refuse = |message: String| Err(SqlError::execute(message));
    if !matches!(subject.partitioning, Partitioning::Range { columns, .. } if columns.len() == 1) {
        return refuse("Dynamic partition only support single-column range partition".to_string());
    }
    let Some(unit) = given.get("time_unit").map(|unit| unit.to_ascii_uppercase()) else {
        return refuse("Must assign dynamic_partition.time_unit properties".to_string());
    };
    if !matches!(unit.as_str(), "HOUR" | "DAY" | "WEEK" | "MONTH" | "YEAR") {
        return Err(SqlError::numbered(
            Stage::Execute,
            5065,
            format!("Unsupported time unit {unit}. Expect DAY/WEEK/MONTH/YEAR."),
        ));
    }
    for required in ["end", "prefix"] {
        if given.get(required).is_none_or(String::is_empty) {
            return refuse(format!("Must assign dynamic_partition.{required} properties"));
        }
    }
    let mut found = IndexMap::new();
    for (name, value) in given {
        let integer = || {
            value.parse::<i32>().map_err(|_| {
                SqlError::execute(format!("Invalid dynamic_partition.{name}: {value}; a number is expected"))
            })
        };
        let value = match name.as_str() {
            "enable" => boolean("dynamic_partition.enable", value)?.to_string(),
            "time_unit" => unit.clone(),
            "start" if integer()? < 0 => value.clone(),
            "start" => return refuse(format!("Dynamic partition start must less than 0: {value}")),
            "end" if integer()? > 0 => value.clone(),
            "end" => return refuse(format!("Dynamic partition end must greater than 0: {value}")),
            "buckets" | "history_partition_num" | "replication_num" if integer()? >= 0 => value.clone(),
            "start_day_of_week" if (1..=7).contains(&integer()?) => value.clone(),
            "start_day_of_month" if (1..=28).contains(&integer()?) => value.clone(),
            "prefix" | "time_zone" => value.clone(),
            "buckets"
            | "history_partition_num"
            | "replication_num"
            | "start_day_of_week"
            | "start_day_of_month" => {
                return refuse(format!("dynamic_partition.{name} is out of range: {value}"));
            }
            _ => return refuse(format!("Unknown properties: {{dynamic_partition.{name}={value}}}")),
        };
        found.insert(name.clone(), value);
    }
    let mut complete = |name: &str, value: &str| {
        if !found.contains_key(name) {
            found.insert(name.to_string(), value.to_string());
        }
    };
    complete("enable", "true");
    complete("start", "-2147483648");
    complete("history_partition_num", "0");
    complete("time_zone", &cluster.time_zone);
    match unit.as_str() {
        "WEEK" => complete("start_day_of_week", "1"),
        "MONTH" => complete("start_day_of_month", "1"),
        _ => {}
    }
    Ok(found)
}
