//! information_schema: the tables that tools read.

use super::super::super::error::{of_query, of_store};
use super::super::super::load::sorted::bucket_count;
use super::super::super::merge::table::definition_of;
use super::super::super::session::Session;
use super::super::super::value::types::{described, from_arrow};
use super::super::{definition, view};
use super::columns::default_text;
use super::partitions::{byte_size, list_text, local_time};
use super::{databases, materialized_views, objects, table_type};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType as ArrowType, Field, Schema};
use datafusion::catalog::{MemTable, TableProvider};
use rockhold_core::KindId;
use rockhold_model::{
    Column, DataType, KeyModel, PartitionValue, TableDefinition, ViewDefinition, ViewSecurity,
};
use rockhold_sql::SqlError;
use rockhold_sql::analyze::{range_key_types, range_text};
use rockhold_warehouse_store::ObjectInfo;
use std::sync::Arc;

/// The tables there are.
pub(super) const TABLES: &[&str] =
    &["columns", "materialized_views", "partitions_meta", "schemata", "tables", "tables_config", "views"];

/// A value of a row.
enum Value {
    Text(String),
    Number(u64),
    Null,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Value::Number(number)
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        text.map_or(Value::Null, Value::Text)
    }
}

/// One row: names of columns with their values, all of them.
type Record = Vec<(&'static str, Value)>;

/// The columns that hold numbers.
const NUMERIC: &[&str] = &[
    "BUCKETS",
    "CHARACTER_MAXIMUM_LENGTH",
    "CHARACTER_OCTET_LENGTH",
    "DATA_LENGTH",
    "DISTRIBUTE_BUCKET",
    "IS_TEMP",
    "NEXT_VERSION",
    "NUMERIC_PRECISION",
    "NUMERIC_SCALE",
    "ORDINAL_POSITION",
    "PARTITION_ID",
    "REPLICATION_NUM",
    "ROW_COUNT",
    "TABLE_ID",
    "TABLE_ROWS",
    "VISIBLE_VERSION",
];

/// A table of information_schema as it is now; `None` for an unknown name.
/// Without rows where only its columns are wanted.
pub(crate) async fn information_schema(
    session: &Session,
    name: &str,
    with_rows: bool,
) -> Result<Option<Arc<dyn TableProvider>>, SqlError> {
    let rows = match name {
        _ if !TABLES.contains(&name) => return Ok(None),
        _ if !with_rows => (Vec::new(), example(name)),
        "schemata" => {
            let mut rows = Vec::new();
            for database in databases(session).await? {
                rows.push(schema_row(&database));
            }
            rows.push(schema_row(super::super::INFORMATION_SCHEMA));
            (rows, example(name))
        }
        "tables" => {
            let mut rows = Vec::new();
            for object in all(session).await? {
                rows.push(table_row(session, &object).await?);
            }
            (rows, example(name))
        }
        "tables_config" => {
            let mut rows = Vec::new();
            for (object, table) in &stored(session).await? {
                rows.push(config_row(object, table));
            }
            (rows, Vec::new())
        }
        "columns" => {
            let mut rows = Vec::new();
            for object in &all(session).await? {
                if object.object.kind == KindId::VIEW {
                    // One that no longer fits its tables has no columns to show.
                    let columns = Box::pin(view::columns(session, object)).await.unwrap_or_default();
                    let columns = columns.iter().enumerate();
                    rows.extend(columns.map(|(at, column)| column_row(object, at, column, "")));
                } else if has_rows(object) {
                    rows.extend(column_rows(object, &definition_of(&object.object).map_err(of_query)?));
                }
            }
            (rows, Vec::new())
        }
        "views" => {
            let mut rows = Vec::new();
            for object in all(session).await?.iter().filter(|o| o.object.kind == KindId::VIEW) {
                rows.push(view_row(object, &definition(object)?));
            }
            (rows, Vec::new())
        }
        "partitions_meta" => {
            let mut rows = Vec::new();
            for (object, table) in &stored(session).await? {
                rows.extend(partition_rows(session, object, table).await?);
            }
            (rows, Vec::new())
        }
        "materialized_views" => {
            let mut rows = Vec::new();
            for database in databases(session).await? {
                rows.extend(materialized_views::rows(session, &database).await?);
            }
            let record = |row: rockhold_core::Row| {
                let values = row.into_iter().map(Value::from);
                materialized_views::SCHEMA_COLUMNS.iter().copied().zip(values).collect()
            };
            (rows.into_iter().map(record).collect(), Vec::new())
        }
        _ => return Ok(None),
    };
    provider(rows.0, rows.1, name).map(Some)
}

async fn all(session: &Session) -> Result<Vec<ObjectInfo>, SqlError> {
    let mut found = Vec::new();
    for database in databases(session).await? {
        found.extend(objects(session, &database).await?);
    }
    Ok(found)
}

/// Whether an object has rows of its own.
fn has_rows(object: &ObjectInfo) -> bool {
    [KindId::TABLE, KindId::MATERIALIZED_VIEW].contains(&object.object.kind)
}

/// The objects that have rows, each with the table that holds them.
async fn stored(session: &Session) -> Result<Vec<(ObjectInfo, TableDefinition)>, SqlError> {
    let objects = all(session).await?.into_iter();
    objects
        .filter(has_rows)
        .map(|object| {
            let table = definition_of(&object.object).map_err(of_query)?;
            Ok((object, table))
        })
        .collect()
}

/// A row of the tables that have one for this.
fn example(name: &str) -> Record {
    match name {
        "schemata" => schema_row(""),
        "tables" => empty_table_row(),
        _ => Vec::new(),
    }
}

/// Columns of a table without rows.
fn columns_of(name: &str) -> &'static [&'static str] {
    match name {
        "tables_config" => CONFIG,
        "columns" => COLUMNS,
        "materialized_views" => materialized_views::SCHEMA_COLUMNS,
        "partitions_meta" => PARTITIONS,
        "views" => VIEWS,
        _ => &[],
    }
}

fn provider(rows: Vec<Record>, example: Record, name: &str) -> Result<Arc<dyn TableProvider>, SqlError> {
    let failed = |error: &dyn std::fmt::Display| SqlError::execute(error.to_string());
    let names: Vec<&str> = match (rows.first(), example.is_empty()) {
        (Some(row), _) => row.iter().map(|(name, _)| *name).collect(),
        (None, false) => example.iter().map(|(name, _)| *name).collect(),
        (None, true) => columns_of(name).to_vec(),
    };
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let values: Vec<&Value> = rows.iter().filter_map(|row| row.get(at).map(|(_, value)| value)).collect();
        let numeric = NUMERIC.contains(name);
        let array: ArrayRef = if numeric {
            Arc::new(
                values
                    .iter()
                    .map(|value| match value {
                        Value::Number(number) => i64::try_from(*number).ok(),
                        Value::Text(digits) => digits.parse().ok(),
                        Value::Null => None,
                    })
                    .collect::<Int64Array>(),
            )
        } else {
            Arc::new(
                values
                    .iter()
                    .map(|value| match value {
                        Value::Text(text) => Some(text.as_str()),
                        _ => None,
                    })
                    .collect::<StringArray>(),
            )
        };
        let data_type = if numeric { ArrowType::Int64 } else { ArrowType::Utf8 };
        fields.push(
            Field::new(name.to_ascii_lowercase(), data_type.clone(), true)
                .with_metadata(described(name, &from_arrow(&data_type))),
        );
        arrays.push(array);
    }
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(|e| failed(&e))?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]]).map_err(|e| failed(&e))?))
}

fn schema_row(database: &str) -> Record {
    vec![
        ("CATALOG_NAME", "def".into()),
        ("SCHEMA_NAME", database.into()),
        ("DEFAULT_CHARACTER_SET_NAME", "utf8".into()),
        ("DEFAULT_COLLATION_NAME", "utf8_general_ci".into()),
        ("SQL_PATH", Value::Null),
    ]
}

fn empty_table_row() -> Record {
    tables_record("", "", "", "", None, None, String::new())
}

fn tables_record(
    database: &str,
    name: &str,
    kind: &str,
    comment: &str,
    rows: Option<u64>,
    bytes: Option<u64>,
    created: String,
) -> Record {
    let number = |n: Option<u64>| n.map_or(Value::Null, Value::Number);
    vec![
        ("TABLE_CATALOG", "def".into()),
        ("TABLE_SCHEMA", database.into()),
        ("TABLE_NAME", name.into()),
        ("TABLE_TYPE", kind.into()),
        ("ENGINE", if kind == "BASE TABLE" { "StarRocks".into() } else { Value::Null }),
        ("VERSION", Value::Null),
        ("ROW_FORMAT", Value::Null),
        ("TABLE_ROWS", number(rows)),
        ("AVG_ROW_LENGTH", Value::Null),
        ("DATA_LENGTH", number(bytes)),
        ("MAX_DATA_LENGTH", Value::Null),
        ("INDEX_LENGTH", Value::Null),
        ("DATA_FREE", Value::Null),
        ("AUTO_INCREMENT", Value::Null),
        ("CREATE_TIME", created.clone().into()),
        ("UPDATE_TIME", created.into()),
        ("CHECK_TIME", Value::Null),
        ("TABLE_COLLATION", "utf8_general_ci".into()),
        ("CHECKSUM", Value::Null),
        ("CREATE_OPTIONS", Value::Null),
        ("TABLE_COMMENT", comment.into()),
    ]
}

async fn table_row(session: &Session, object: &ObjectInfo) -> Result<Record, SqlError> {
    let name = &object.object.name;
    let comment = object.object.definition.get("comment").and_then(|c| c.as_str()).unwrap_or_default();
    let partitions = session.store.list_partitions(name).await.map_err(of_store)?;
    // A view has no rows of its own.
    let stored = object.object.kind != KindId::VIEW;
    let sum = |value: fn(&rockhold_warehouse_store::PartitionInfo) -> u64| {
        stored.then(|| partitions.iter().map(value).sum())
    };
    Ok(tables_record(
        &name.database,
        &name.name,
        table_type(object.object.kind.as_str()),
        comment,
        sum(|p| p.rows),
        sum(|p| p.bytes),
        local_time(session.zone, object.created),
    ))
}

const CONFIG: &[&str] = &[
    "TABLE_SCHEMA",
    "TABLE_NAME",
    "TABLE_ENGINE",
    "TABLE_MODEL",
    "PRIMARY_KEY",
    "PARTITION_KEY",
    "DISTRIBUTE_KEY",
    "DISTRIBUTE_TYPE",
    "DISTRIBUTE_BUCKET",
    "SORT_KEY",
    "PROPERTIES",
    "TABLE_ID",
];

fn config_row(object: &ObjectInfo, table: &TableDefinition) -> Record {
    let model = match table.key_model {
        KeyModel::Duplicate => "DUP_KEYS",
        KeyModel::Aggregate => "AGG_KEYS",
        KeyModel::Unique => "UNQ_KEYS",
        KeyModel::Primary => "PRI_KEYS",
    };
    let quoted =
        |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let keys =
        if table.key_model == KeyModel::Duplicate { String::new() } else { quoted(&table.key_columns) };
    let hashed = table.distribution.columns();
    let values: Vec<Value> = vec![
        object.object.name.database.as_str().into(),
        table.name.as_str().into(),
        table.engine.as_str().into(),
        model.into(),
        keys.into(),
        quoted(table.partitioning.columns()).into(),
        quoted(hashed).into(),
        if hashed.is_empty() { "RANDOM" } else { "HASH" }.into(),
        u64::from(table.buckets.unwrap_or(0)).into(),
        quoted(table.effective_sort_key()).into(),
        serde_json::to_string(&table.properties).unwrap_or_default().into(),
        object.id.into(),
    ];
    CONFIG.iter().copied().zip(values).collect()
}

const COLUMNS: &[&str] = &[
    "TABLE_CATALOG",
    "TABLE_SCHEMA",
    "TABLE_NAME",
    "COLUMN_NAME",
    "ORDINAL_POSITION",
    "COLUMN_DEFAULT",
    "IS_NULLABLE",
    "DATA_TYPE",
    "CHARACTER_MAXIMUM_LENGTH",
    "CHARACTER_OCTET_LENGTH",
    "NUMERIC_PRECISION",
    "NUMERIC_SCALE",
    "DATETIME_PRECISION",
    "CHARACTER_SET_NAME",
    "COLLATION_NAME",
    "COLUMN_TYPE",
    "COLUMN_KEY",
    "EXTRA",
    "PRIVILEGES",
    "COLUMN_COMMENT",
    "COLUMN_SIZE",
    "DECIMAL_DIGITS",
    "GENERATION_EXPRESSION",
    "SRS_ID",
];

fn column_rows(object: &ObjectInfo, table: &TableDefinition) -> Vec<Record> {
    let key = match table.key_model {
        KeyModel::Duplicate => "DUP",
        KeyModel::Aggregate => "AGG",
        KeyModel::Unique => "UNI",
        KeyModel::Primary => "PRI",
    };
    table.visible_columns().enumerate().map(|(at, column)| column_row(object, at, column, key)).collect()
}

/// A column at its position, from 0; `key` is the word for key columns.
fn column_row(object: &ObjectInfo, at: usize, column: &Column, key: &'static str) -> Record {
    let length = || match column.data_type {
        DataType::Char(length) | DataType::Varchar(length) => Value::Number(length.into()),
        _ => Value::Null,
    };
    let (precision, scale) = match column.data_type {
        DataType::Decimal { precision, scale } => {
            (Value::Number(precision.into()), Value::Number(scale.into()))
        }
        _ => (Value::Null, Value::Null),
    };
    let text = column.data_type.is_text();
    let values: Vec<Value> = vec![
        "def".into(),
        object.object.name.database.as_str().into(),
        object.object.name.name.as_str().into(),
        column.name.as_str().into(),
        u64::try_from(at + 1).unwrap_or(0).into(),
        default_text(column).into(),
        if column.nullable { "YES" } else { "NO" }.into(),
        column.data_type.base_name().to_lowercase().into(),
        length(),
        length(),
        precision,
        scale,
        Value::Null,
        if text { "utf8".into() } else { Value::Null },
        if text { "utf8_general_ci".into() } else { Value::Null },
        column.data_type.to_string().into(),
        if column.key { key.into() } else { "".into() },
        if column.auto_increment { "auto_increment".into() } else { "".into() },
        "".into(),
        column.comment.as_str().into(),
        Value::Null,
        Value::Null,
        column.generated.clone().into(),
        Value::Null,
    ];
    COLUMNS.iter().copied().zip(values).collect()
}

const VIEWS: &[&str] = &[
    "TABLE_CATALOG",
    "TABLE_SCHEMA",
    "TABLE_NAME",
    "VIEW_DEFINITION",
    "CHECK_OPTION",
    "IS_UPDATABLE",
    "DEFINER",
    "SECURITY_TYPE",
    "CHARACTER_SET_CLIENT",
    "COLLATION_CONNECTION",
];

fn view_row(object: &ObjectInfo, view: &ViewDefinition) -> Record {
    let security = match view.security {
        ViewSecurity::None => "",
        ViewSecurity::Invoker => "INVOKER",
    };
    let values: Vec<Value> = vec![
        "def".into(),
        object.object.name.database.as_str().into(),
        object.object.name.name.as_str().into(),
        view.query.as_str().into(),
        "NONE".into(),
        "NO".into(),
        "".into(),
        security.into(),
        "utf8".into(),
        "utf8_general_ci".into(),
    ];
    VIEWS.iter().copied().zip(values).collect()
}

const PARTITIONS: &[&str] = &[
    "DB_NAME",
    "TABLE_NAME",
    "PARTITION_NAME",
    "PARTITION_ID",
    "VISIBLE_VERSION",
    "VISIBLE_VERSION_TIME",
    "NEXT_VERSION",
    "PARTITION_KEY",
    "PARTITION_VALUE",
    "DISTRIBUTION_KEY",
    "BUCKETS",
    "REPLICATION_NUM",
    "STORAGE_MEDIUM",
    "IS_IN_MEMORY",
    "IS_TEMP",
    "DATA_SIZE",
    "ROW_COUNT",
];

async fn partition_rows(
    session: &Session,
    object: &ObjectInfo,
    table: &TableDefinition,
) -> Result<Vec<Record>, SqlError> {
    let partitions = session.store.list_partitions(&object.object.name).await.map_err(of_store)?;
    let rows = partitions.iter().map(|partition| {
        let definition = &partition.definition;
        let value = match &definition.value {
            PartitionValue::All => String::new(),
            range @ PartitionValue::Range { .. } => range_text(&range_key_types(table), range),
            PartitionValue::List { rows } => list_text(rows),
        };
        let values: Vec<Value> = vec![
            object.object.name.database.as_str().into(),
            table.name.as_str().into(),
            definition.name.as_str().into(),
            partition.id.into(),
            partition.version.into(),
            local_time(session.zone, partition.visible_time).into(),
            partition.version.saturating_add(1).into(),
            table.partitioning.columns().join(", ").into(),
            value.into(),
            table.distribution.columns().join(", ").into(),
            u64::from(bucket_count(table, definition)).into(),
            u64::from(table.replication_num().unwrap_or(1)).into(),
            "HDD".into(),
            0.into(),
            u64::from(definition.temporary).into(),
            byte_size(partition.bytes).into(),
            partition.rows.into(),
        ];
        PARTITIONS.iter().copied().zip(values).collect()
    });
    Ok(rows.collect())
}
