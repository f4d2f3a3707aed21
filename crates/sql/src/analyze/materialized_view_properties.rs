//! Properties of asynchronous materialized views.

use indexmap::IndexMap;
use rockhold_model::{Properties, RefreshScheme};

use super::{Cluster, Result, properties as table_properties};
use crate::SqlError;
use crate::ast::PropertyList;
use crate::error::Stage;

/// What the value of a property may be.
enum Rule {
    Any,
    Boolean,
    Number,
    /// One of these, kept as written here.
    OneOf(&'static [&'static str]),
    Replicas,
}

const RULES: &[(&str, Rule)] = &[
    ("auto_refresh_partitions_limit", Rule::Number),
    ("bloom_filter_columns", Rule::Any),
    ("colocate_with", Rule::Any),
    ("compression", Rule::Any),
    ("enable_query_rewrite", Rule::OneOf(&["true", "false", "default"])),
    ("excluded_refresh_tables", Rule::Any),
    ("excluded_trigger_tables", Rule::Any),
    ("force_external_table_query_rewrite", Rule::Any),
    ("foreign_key_constraints", Rule::Any),
    ("labels.location", Rule::Any),
    ("mv_rewrite_staleness_second", Rule::Number),
    ("mv_sort_keys", Rule::Any),
    ("partition_refresh_number", Rule::Number),
    ("partition_refresh_strategy", Rule::OneOf(&["strict", "adaptive", "force"])),
    ("partition_retention_condition", Rule::Any),
    ("partition_ttl", Rule::Any),
    ("partition_ttl_number", Rule::Number),
    ("query_rewrite_consistency", Rule::OneOf(&["DISABLE", "CHECKED", "LOOSE", "FORCE_MV", "NOCHECK"])),
    ("refresh_mode", Rule::OneOf(&["PCT", "AUTO", "INCREMENTAL", "FULL"])),
    ("replicated_storage", Rule::Boolean),
    ("replication_num", Rule::Replicas),
    ("resource_group", Rule::Any),
    ("storage_cooldown_time", Rule::Any),
    ("storage_cooldown_ttl", Rule::Any),
    ("storage_medium", Rule::OneOf(&["HDD", "SSD"])),
    ("storage_volume", Rule::Any),
    (
        "transparent_mv_rewrite_mode",
        Rule::OneOf(&["false", "true", "transparent_or_error", "transparent_or_default"]),
    ),
    ("unique_constraints", Rule::Any),
    ("warehouse", Rule::Any),
];

/// Properties that ALTER … SET cannot change: they say how rows are stored.
const FIXED: &[&str] = &["replication_num", "storage_medium", "replicated_storage", "compression"];

/// When data move to slower disks that are told to stay.
const NEVER: &str = "9999-12-31 23:59:59";

/// The effective properties of a new view.
pub(super) fn properties(
    list: Option<&PropertyList>,
    refresh: &RefreshScheme,
    cluster: &Cluster,
) -> Result<Properties> {
    let given = list.map(PropertyList::effective).unwrap_or_default();
    let mut found: Properties = IndexMap::from([
        ("replicated_storage".to_string(), "true".to_string()),
        ("replication_num".to_string(), cluster.default_replication_num.to_string()),
        ("storage_medium".to_string(), "HDD".to_string()),
    ]);
    let checked = checked(&given, refresh, cluster, |unknown| {
        SqlError::numbered(
            Stage::Analyze,
            6013,
            format!(
                "Invalid parameter Analyze materialized properties failed because unknown properties: {unknown}, \
                 please add `session.` prefix if you want add session variables for mv(eg, \
                 \"session.insert_timeout\"=\"30000000\")"
            ),
        )
    })?;
    if checked.get("storage_medium").is_some_and(|medium| medium == "SSD") {
        found.insert("storage_cooldown_time".to_string(), NEVER.to_string());
    }
    found.extend(checked);
    found.sort_keys();
    Ok(found)
}

/// The properties after ALTER MATERIALIZED VIEW … SET. An empty value takes a
/// property back.
pub(super) fn changed(
    before: &Properties,
    list: &PropertyList,
    refresh: &RefreshScheme,
    cluster: &Cluster,
) -> Result<Properties> {
    let refused = |unknown: String| {
        SqlError::analyze(format!(
            "Modify failed because unknown properties: {unknown}, please add `session.` prefix if you want add \
             session variables for mv(eg, \"session.insert_timeout\"=\"30000000\")"
        ))
    };
    let given = list.effective();
    let fixed: Properties = given
        .iter()
        .filter(|(name, _)| FIXED.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !fixed.is_empty() {
        return Err(refused(listed(&fixed)).at(list.span));
    }
    let mut after = before.clone();
    let (set, taken): (Properties, Properties) = given.into_iter().partition(|(_, value)| !value.is_empty());
    for name in taken.keys() {
        after.shift_remove(name);
    }
    after.extend(checked(&set, refresh, cluster, refused)?);
    after.sort_keys();
    Ok(after)
}

fn listed(properties: &Properties) -> String {
    let pairs: Vec<String> = properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

fn checked(
    given: &Properties,
    refresh: &RefreshScheme,
    cluster: &Cluster,
    unknown_error: impl Fn(String) -> SqlError,
) -> Result<Properties> {
    let mut found = Properties::new();
    let mut unknown = Properties::new();
    for (name, value) in given {
        let rule = RULES.iter().find(|(known, _)| known == name).map(|(_, rule)| rule);
        let session = name.strip_prefix("session.").is_some_and(|variable| !variable.is_empty());
        match rule {
            Some(rule) => found.insert(name.clone(), checked_value(rule, name, value, cluster)?),
            None if session => found.insert(name.clone(), value.clone()),
            None => unknown.insert(name.clone(), value.clone()),
        };
    }
    if !unknown.is_empty() {
        return Err(unknown_error(listed(&unknown)));
    }
    if *refresh == RefreshScheme::Manual && given.contains_key("auto_refresh_partitions_limit") {
        return Err(SqlError::analyze(
            "The auto_refresh_partitions_limit property does not support manual refresh mode",
        ));
    }
    Ok(found)
}

fn checked_value(rule: &Rule, name: &str, value: &str, cluster: &Cluster) -> Result<String> {
    let refuse =
        |expected: String| Err(SqlError::analyze(format!("Invalid {name}: {value}: {expected} is expected")));
    match rule {
        Rule::Any => Ok(value.to_string()),
        Rule::Boolean => match value.to_ascii_lowercase().as_str() {
            known @ ("true" | "false") => Ok(known.to_string()),
            _ => refuse("true or false".to_string()),
        },
        Rule::Number => match value.trim().parse::<i32>() {
            Ok(number) if number >= -1 => Ok(number.to_string()),
            _ => refuse("a number".to_string()),
        },
        Rule::OneOf(values) => match values.iter().find(|known| known.eq_ignore_ascii_case(value)) {
            Some(known) => Ok((*known).to_string()),
            None => refuse(format!("one of {}", values.join(", "))),
        },
        Rule::Replicas => table_properties::replication_num(value, cluster).map(|number| number.to_string()),
    }
}
