//! SHOW PARTITIONS.

use super::super::super::error::of_store;
use super::super::super::load::sorted::bucket_count;
use super::super::super::session::Session;
use super::super::super::value::time::{datetime_text, micros_of};
use super::super::table::table_of;
use super::{Listing, some};
use chrono::TimeZone;
use chrono_tz::Tz;
use rockhold_core::{Row, Timestamp};
use rockhold_model::{DataType, Distribution, PartitionValue, TableDefinition};
use rockhold_sql::SqlError;
use rockhold_sql::analyze::{RangeBound, range_key_types, range_text};
use rockhold_warehouse_store::PartitionInfo;

/// A point in time as the warehouse's local time, to the second.
pub(super) fn local_time(zone: Tz, at: Timestamp) -> String {
    let micros = at.0.saturating_mul(1000);
    let local = zone.timestamp_micros(micros).single().map_or(micros, |time| micros_of(time.naive_local()));
    datetime_text(local - local.rem_euclid(1_000_000))
}

/// The partitions of a table, one row each.
pub(super) async fn show(
    session: &Session,
    temporary: bool,
    name: &rockhold_sql::ast::ObjectName,
) -> Result<Listing, SqlError> {
    let name = session.full_name(name)?;
    let table = table_of(session, &name).await?;
    let mut partitions = session.store.list_partitions(&name).await.map_err(of_store)?;
    in_order(&table, &mut partitions);
    let rows = partitions
        .iter()
        .filter(|partition| partition.definition.temporary == temporary)
        .map(|partition| row(&table, partition, session.zone))
        .collect();
    let value = if table.partitioning.is_list() { "List" } else { "Range" };
    let columns = [
        "PartitionId",
        "PartitionName",
        "VisibleVersion",
        "VisibleVersionTime",
        "VisibleVersionHash",
        "State",
        "PartitionKey",
        value,
        "DistributionKey",
        "Buckets",
        "ReplicationNum",
        "StorageMedium",
        "CooldownTime",
        "LastConsistencyCheckTime",
        "DataSize",
        "StorageSize",
        "IsInMemory",
        "RowCount",
        "DataVersion",
        "VersionEpoch",
        "VersionTxnType",
        "TabletBalanced",
    ];
    Ok(Listing::new(&columns, rows))
}

fn row(table: &TableDefinition, partition: &PartitionInfo, zone: Tz) -> Row {
    let definition = &partition.definition;
    let property = |name: &str, default: &str| {
        let value = definition.properties.get(name).or_else(|| table.properties.get(name));
        Some(value.map_or_else(|| default.to_owned(), Clone::clone))
    };
    let value = match &definition.value {
        PartitionValue::All => String::new(),
        range @ PartitionValue::Range { .. } => range_text(&range_key_types(table), range),
        PartitionValue::List { rows } => list_text(rows),
    };
    let hashed = match &table.distribution {
        Distribution::Hash { columns } => columns.join(", "),
        Distribution::Random => "ALL KEY".to_owned(),
    };
    // Tells one content from another, which is all that an epoch is good for.
    let epoch = partition.version_id.as_bytes().iter().take(8).fold(0i64, |n, b| (n << 8) | i64::from(*b));
    let size = byte_size(partition.bytes);
    vec![
        Some(partition.id.to_string()),
        some(&definition.name),
        Some(partition.version.to_string()),
        Some(local_time(zone, partition.visible_time)),
        some("0"),
        some("NORMAL"),
        Some(table.partitioning.columns().join(", ")),
        Some(value),
        Some(hashed),
        Some(bucket_count(table, definition).to_string()),
        property("replication_num", "1"),
        property("storage_medium", "HDD"),
        property("storage_cooldown_time", "9999-12-31 23:59:59"),
        None,
        Some(size.clone()),
        Some(size),
        some("false"),
        Some(partition.rows.to_string()),
        Some(partition.version.to_string()),
        Some((epoch & i64::MAX).to_string()),
        some("TXN_NORMAL"),
        some("true"),
    ]
}

/// `(('2026-01-31', 'Berlin'))`; `('a', 'b')` for one column.
pub(super) fn list_text(rows: &[Vec<Option<String>>]) -> String {
    let value = |value: &Option<String>| match value {
        Some(text) => format!("'{text}'"),
        None => "NULL".to_owned(),
    };
    let texts: Vec<String> = rows
        .iter()
        .map(|row| {
            let values: Vec<String> = row.iter().map(value).collect();
            if row.len() == 1 { values.join(", ") } else { format!("({})", values.join(", ")) }
        })
        .collect();
    format!("({})", texts.join(", "))
}

/// `0B`, `1.2KB`: one digit behind the point, cut, and left out when it is 0.
pub(super) fn byte_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KB", "MB", "GB", "TB", "PB"];
    let mut tenths = u128::from(bytes) * 10;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    match tenths % 10 {
        0 => format!("{}{name}", tenths / 10),
        digit => format!("{}.{digit}{name}", tenths / 10),
    }
}

/// Sorts partitions by their ranges, as StarRocks lists them, or by the values
/// that they list: a restored table is then shown as the one that was backed up.
/// StarRocks shows lists in the order in which they were made, which a snapshot
/// does not keep.
pub(super) fn in_order(table: &TableDefinition, partitions: &mut [PartitionInfo]) {
    let types = range_key_types(table);
    partitions.sort_by_cached_key(|partition| place(&types, &partition.definition.value));
}

/// One component of a place: NULL is first, values compare as their type, and
/// those of a type without ranges as text.
type Component = Option<(Option<RangeBound>, String)>;

/// What the place of a partition among the others follows from.
fn place(types: &[DataType], value: &PartitionValue) -> Vec<Component> {
    match value {
        PartitionValue::All => Vec::new(),
        PartitionValue::Range { lower, .. } => lower
            .iter()
            .zip(types)
            .map(|(bound, data_type)| Some((RangeBound::parse(bound, data_type).ok(), String::new())))
            .collect(),
        PartitionValue::List { rows } => rows
            .iter()
            .flat_map(|row| row.iter().zip(types))
            .map(|(value, data_type)| {
                let text = value.as_ref()?;
                Some((RangeBound::parse_value(text, data_type).ok(), text.clone()))
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_digit() {
        let sizes = [0, 1023, 1024, 1300, 1024 * 1024 * 3 / 2].map(byte_size);
        assert_eq!(sizes, ["0B", "1023B", "1KB", "1.2KB", "1.5MB"]);
    }

    #[test]
    fn lists_print_as_starrocks_prints_them() {
        let row = |values: &[&str]| values.iter().map(|v| Some((*v).to_owned())).collect::<Vec<_>>();
        assert_eq!(list_text(&[row(&["2026-01-31", "Berlin"])]), "(('2026-01-31', 'Berlin'))");
        assert_eq!(list_text(&[row(&["a"]), vec![None]]), "('a', NULL)");
    }

    #[test]
    fn lists_follow_each_other_by_their_values() {
        let list = |values: &[Option<&str>]| PartitionValue::List {
            rows: values.iter().map(|value| vec![value.map(str::to_owned)]).collect(),
        };
        let sorted = |data_type: DataType, lists: [PartitionValue; 3]| {
            let places = lists.map(|list| place(std::slice::from_ref(&data_type), &list));
            places.is_sorted()
        };
        assert!(sorted(
            DataType::Int,
            [list(&[Some("9")]), list(&[Some("10")]), list(&[Some("11"), Some("1")])]
        ));
        assert!(sorted(DataType::string(), [list(&[None]), list(&[Some("10")]), list(&[Some("9")])]));
        assert!(sorted(
            DataType::Date,
            [list(&[Some("2023-12-31")]), list(&[Some("2024-01-01")]), list(&[Some("2024-01-01"), None])]
        ));
    }
}
