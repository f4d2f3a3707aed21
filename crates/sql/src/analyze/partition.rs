//! PARTITION BY, and the partitions of CREATE and ALTER TABLE.

use std::collections::HashSet;

use rockhold_model::{
    Bound, Column, DataType, GENERATED_PARTITION_COLUMN_PREFIX, KeyModel, Partition, PartitionValue,
    Partitioning, RangeExpression, RangeFunction, SliceBoundary, TableDefinition, TimeFunction, TimeUnit,
};
use sqlparser::ast::{Expr, Value};

use super::expression::{function_arguments, output_type, quoted_expression_text};
use super::list::{Rows, list_partition};
use super::range::{RangeBound, Ranges, range_key_types, range_text};
use super::range_batch::{BatchStyle, batch};
use super::{Cluster, Result, list, names};
use crate::SqlError;
use crate::ast::{
    AlterClause, ExprText, Ident, PartitionClause, PartitionLiteral, RangeItem, RangeKey, RangeValues,
    UpperBound,
};
use crate::error::Stage;

/// The scheme of a PARTITION BY clause; expressions become hidden columns.
pub(super) fn partitioning(
    clause: Option<&PartitionClause>,
    model: KeyModel,
    columns: &mut Vec<Column>,
) -> Result<Partitioning> {
    let scheme = match clause {
        None => return Ok(Partitioning::Unpartitioned),
        Some(PartitionClause::Range { key: RangeKey::Columns(names), .. }) => {
            Partitioning::Range { columns: resolve(names, columns)?, expression: None }
        }
        Some(PartitionClause::Range { key: RangeKey::Function(function), .. }) => {
            range_function(function, columns)?
        }
        Some(PartitionClause::List { columns: names, .. }) => {
            Partitioning::List { columns: resolve(names, columns)?, automatic: false }
        }
        Some(PartitionClause::Expressions { expressions, .. }) => {
            expressions_scheme(expressions, model, columns)?
        }
    };
    for name in scheme.columns() {
        if let Some(column) = columns.iter().find(|column| column.name == *name) {
            check_column(&scheme, column, model)?;
        }
    }
    Ok(scheme)
}

/// The column of that name, as it is written in the table.
fn find<'c>(name: &str, columns: &'c [Column]) -> Result<&'c Column> {
    columns
        .iter()
        .find(|column| column.name.eq_ignore_ascii_case(name))
        .ok_or_else(|| SqlError::analyze(format!("Partition column[{name}] does not exist in column list.")))
}

fn resolve(names: &[Ident], columns: &[Column]) -> Result<Vec<String>> {
    let mut resolved: Vec<String> = Vec::new();
    for name in names {
        let column = find(name.as_str(), columns)?;
        if resolved.contains(&column.name) {
            return Err(SqlError::analyze(format!("Duplicated partition column {}", column.name)));
        }
        resolved.push(column.name.clone());
    }
    Ok(resolved)
}

fn check_column(scheme: &Partitioning, column: &Column, model: KeyModel) -> Result<()> {
    if model != KeyModel::Duplicate && !column.key && !column.is_hidden() {
        return Err(SqlError::analyze(
            "The partition column could not be aggregated column and unique table's partition column must be key \
             column",
        ));
    }
    let data_type = &column.data_type;
    let fits = match scheme {
        Partitioning::Range { expression: Some(_), .. } => data_type.is_integer() || data_type.is_text(),
        Partitioning::Range { .. } => data_type.is_integer() || data_type.is_time(),
        Partitioning::Expression { .. } => data_type.is_time(),
        _ => data_type.is_key_type(),
    };
    if fits {
        return Ok(());
    }
    let kind = if scheme.is_range() { "range" } else { "list" };
    Err(SqlError::analyze(format!(
        "Column[{}] type[{}] cannot be a {kind} partition key",
        column.name,
        data_type.base_name()
    )))
}

fn range_function(function: &ExprText, columns: &[Column]) -> Result<Partitioning> {
    let unsupported = || {
        SqlError::analyze(format!("Unsupported expr: {} in PARTITION BY RANGE", function.text))
            .at(function.span)
    };
    let Expr::Function(call) = function.expr.as_ref() else { return Err(unsupported()) };
    let arguments = function_arguments(&call.args);
    let column = match arguments.first() {
        Some(Expr::Identifier(name)) => find(&name.value, columns)?,
        _ => return Err(unsupported()),
    };
    let kind = match (call.name.to_string().to_lowercase().as_str(), arguments.get(1)) {
        ("from_unixtime", None) => RangeFunction::FromUnixtime,
        ("from_unixtime_ms", None) => RangeFunction::FromUnixtimeMs,
        ("str2date", Some(format)) => {
            RangeFunction::Str2Date { format: text_of(format).ok_or_else(unsupported)? }
        }
        _ => return Err(unsupported()),
    };
    let fits = match kind {
        RangeFunction::Str2Date { .. } => column.data_type.is_text(),
        _ => column.data_type.is_integer(),
    };
    if !fits {
        return Err(SqlError::analyze(format!(
            "PARTITION BY RANGE({}) does not take column {} of type {}",
            function.text, column.name, column.data_type
        )));
    }
    let text = match &kind {
        RangeFunction::FromUnixtime => format!("from_unixtime({})", column.name),
        RangeFunction::FromUnixtimeMs => format!("from_unixtime_ms({})", column.name),
        RangeFunction::Str2Date { format } => format!("str2date({}, '{format}')", column.name),
    };
    Ok(Partitioning::Range {
        columns: vec![column.name.clone()],
        expression: Some(RangeExpression { function: kind, text }),
    })
}

fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// `PARTITION BY expr, …`: one truncated time is automatic ranges, everything
/// else automatic lists over columns, hidden ones where needed.
fn expressions_scheme(
    expressions: &[ExprText],
    model: KeyModel,
    columns: &mut Vec<Column>,
) -> Result<Partitioning> {
    if let [single] = expressions
        && let Some((column, function)) = time_function(single, columns)?
    {
        return Ok(Partitioning::Expression { column, function });
    }
    let mut names: Vec<String> = Vec::new();
    let mut hidden = 0;
    for expression in expressions {
        let name = match expression.expr.as_ref() {
            Expr::Identifier(name) => find(&name.value, columns)?.name.clone(),
            expr => {
                time_function(expression, columns)?;
                for name in super::expression::columns_of(expr) {
                    let column = find(&name, columns)?;
                    if model != KeyModel::Duplicate && !column.key {
                        return Err(SqlError::analyze(
                            "The partition column could not be aggregated column and unique table's partition \
                             column must be key column",
                        ));
                    }
                }
                let name = format!("{GENERATED_PARTITION_COLUMN_PREFIX}{hidden}");
                hidden += 1;
                let data_type =
                    output_type(expr, columns).unwrap_or(DataType::Varchar(DataType::MAX_VARCHAR));
                let mut column = Column::new(name.clone(), data_type);
                column.generated = Some(quoted_expression_text(expr));
                columns.push(column);
                name
            }
        };
        if names.contains(&name) {
            return Err(SqlError::analyze(format!("Duplicated partition column {name}")));
        }
        names.push(name);
    }
    Ok(Partitioning::List { columns: names, automatic: true })
}

/// Reads `date_trunc('unit', column)` and `time_slice(column, …)`.
fn time_function(expression: &ExprText, columns: &[Column]) -> Result<Option<(String, TimeFunction)>> {
    let Expr::Function(call) = expression.expr.as_ref() else { return Ok(None) };
    let arguments = function_arguments(&call.args);
    let refuse = |why: &str| SqlError::analyze(why.to_string()).at(expression.span);
    let column = |expr: Option<&&Expr>| match expr {
        Some(Expr::Identifier(name)) => find(&name.value, columns).map(Some),
        _ => Ok(None),
    };
    match call.name.to_string().to_lowercase().as_str() {
        "date_trunc" => {
            let Some(column) = column(arguments.get(1))? else { return Ok(None) };
            let unit =
                arguments.first().and_then(|unit| text_of(unit)).and_then(|unit| TimeUnit::parse(&unit));
            let allowed = match column.data_type {
                DataType::Date => unit.is_some_and(|unit| unit >= TimeUnit::Day),
                _ => unit.is_some(),
            };
            match unit {
                Some(unit) if allowed => Ok(Some((column.name.clone(), TimeFunction::DateTrunc { unit }))),
                _ => Err(refuse(match column.data_type {
                    DataType::Date => {
                        "date_trunc function can't support argument other than year|quarter|month|week|day"
                    }
                    _ => {
                        "date_trunc function can't support argument other than \
                         year|quarter|month|week|day|hour|minute|second"
                    }
                })),
            }
        }
        "time_slice" | "date_slice" => {
            let Some(column) = column(arguments.first())? else { return Ok(None) };
            let (length, boundary) = match arguments.get(1) {
                Some(Expr::Interval(interval)) => {
                    let unit = interval.leading_field.as_ref().map(ToString::to_string);
                    let count = number_of(&interval.value);
                    (count.zip(unit.and_then(|unit| TimeUnit::parse(&unit))), arguments.get(2))
                }
                // The form that SHOW CREATE TABLE prints.
                Some(count) => {
                    let unit = arguments.get(2).and_then(|unit| text_of(unit));
                    (number_of(count).zip(unit.and_then(|unit| TimeUnit::parse(&unit))), arguments.get(3))
                }
                None => (None, None),
            };
            let Some((count, unit)) = length.filter(|(count, _)| *count > 0) else {
                return Err(refuse("time_slice requires an interval of at least one unit"));
            };
            let boundary = boundary.map(|expr| match expr {
                Expr::Identifier(word) => word.value.to_lowercase(),
                other => text_of(other).unwrap_or_default().to_lowercase(),
            });
            let boundary = match boundary.as_deref() {
                None | Some("floor") => SliceBoundary::Floor,
                Some("ceil") => SliceBoundary::Ceil,
                Some(_) => return Err(refuse("time_slice takes the boundary floor or ceil")),
            };
            Ok(Some((column.name.clone(), TimeFunction::TimeSlice { count, unit, boundary })))
        }
        _ => Ok(None),
    }
}

fn number_of(expr: &Expr) -> Option<u32> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.parse().ok(),
            Value::SingleQuotedString(number) => number.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// The partitions that a PARTITION BY clause lists.
pub(super) fn partitions(
    clause: Option<&PartitionClause>,
    table: &TableDefinition,
    cluster: &Cluster,
) -> Result<Vec<Partition>> {
    let mut new = NewPartitions::of(table, &[], cluster);
    match clause {
        None => return Ok(vec![Partition::new(table.name.as_str(), PartitionValue::All)]),
        Some(PartitionClause::Expressions { items, .. })
            if !items.is_empty() && table.partitioning.is_list() =>
        {
            return Err(SqlError::analyze("Automatic list partitions cannot be listed in CREATE TABLE"));
        }
        Some(PartitionClause::Range { items, .. } | PartitionClause::Expressions { items, .. }) => {
            items.iter().try_for_each(|item| new.add_range(item))?;
        }
        Some(PartitionClause::List { items, .. }) => {
            items.iter().try_for_each(|item| new.add_list(item).map(|_| ()))?;
        }
    }
    Ok(new.added)
}

/// The partitions that an ADD clause of ALTER TABLE adds to `existing`.
/// Partitions that are there already and were declared IF NOT EXISTS are left
/// out.
///
/// # Errors
///
/// 1064 when the clause does not fit the table, a name or value is taken, or
/// ranges overlap; 1517 is not used, as StarRocks does not.
pub fn add_partitions(
    table: &TableDefinition,
    existing: &[Partition],
    clause: &AlterClause,
    cluster: &Cluster,
) -> Result<Vec<Partition>> {
    let temporary = matches!(
        clause,
        AlterClause::AddRangePartition { temporary: true, .. }
            | AlterClause::AddListPartition { temporary: true, .. }
    );
    // Temporary partitions and the others do not know of each other.
    let peers: Vec<Partition> = existing.iter().filter(|p| p.temporary == temporary).cloned().collect();
    let mut new = NewPartitions::of(table, &peers, cluster);
    if table.partitioning == Partitioning::Unpartitioned {
        return Err(SqlError::execute(
            "Invalid partition type: only support add partition to range or list partitioned table",
        ));
    }
    let (distribution, properties) = match clause {
        AlterClause::AddRangePartition { item, distribution, properties, .. } => {
            if !table.partitioning.is_range() {
                return Err(SqlError::analyze(
                    "List partition table does not support range partition values",
                ));
            }
            new.add_range(item)?;
            (distribution, properties)
        }
        AlterClause::AddListPartition { item, distribution, properties, .. } => {
            if !table.partitioning.is_list() {
                return Err(SqlError::analyze(
                    "Range partition table does not support list partition values",
                ));
            }
            new.add_list(item)?;
            (distribution, properties)
        }
        _ => return Err(SqlError::analyze("This clause of ALTER TABLE adds no partition")),
    };
    let buckets = match distribution {
        None => None,
        Some(def) => {
            let (found, buckets) =
                super::key::distribution(Some(def), table.key_model, &table.key_columns, &table.columns)?;
            let same = found.columns().iter().map(|name| name.to_lowercase()).eq(table
                .distribution
                .columns()
                .iter()
                .map(|name| name.to_lowercase()));
            if !same {
                return Err(SqlError::execute(
                    "Cannot assign hash distribution with different distribution cols: the new partition's differ \
                     from the table's",
                ));
            }
            buckets
        }
    };
    let mut added = new.added;
    for partition in &mut added {
        partition.temporary = temporary;
        partition.buckets = buckets;
        if let Some(list) = properties {
            partition.properties.extend(list.effective());
        }
        partition_properties(partition, cluster)?;
    }
    Ok(added)
}

fn partition_properties(partition: &Partition, cluster: &Cluster) -> Result<()> {
    if let Some(text) = partition.properties.get("replication_num") {
        super::properties::replication_num(text, cluster)?;
    }
    Ok(())
}

/// A value of a list partition column as text in the type's canonical form, so
/// that equal values have equal texts.
///
/// # Errors
///
/// 1064 when the text is no value of the type.
pub fn parse_list_value(text: &str, data_type: Option<&DataType>) -> Result<String> {
    list::canonical(text, data_type)
}

/// Collects new partitions, checking each against all before it.
struct NewPartitions<'t> {
    table: &'t TableDefinition,
    types: Vec<DataType>,
    cluster: &'t Cluster,
    names: HashSet<String>,
    ranges: Ranges,
    rows: Rows,
    added: Vec<Partition>,
}

impl<'t> NewPartitions<'t> {
    fn of(table: &'t TableDefinition, existing: &[Partition], cluster: &'t Cluster) -> Self {
        let types = range_key_types(table);
        let mut ranges = Ranges::default();
        for partition in existing {
            if let PartitionValue::Range { lower, upper } = &partition.value
                && let (Ok(lower), Ok(upper)) = (bounds(lower, &types), bounds(upper, &types))
            {
                // They were checked when they were added.
                let _ = ranges.insert(lower, upper);
            }
        }
        let names = existing.iter().map(|partition| partition.name.to_lowercase()).collect();
        NewPartitions { table, types, cluster, names, ranges, rows: Rows::of(existing), added: Vec::new() }
    }

    /// Whether the name is free; a taken one is an error unless `if_not_exists`.
    fn claim(&mut self, name: &str, if_not_exists: bool) -> Result<bool> {
        names::check_partition(name)?;
        if self.names.insert(name.to_lowercase()) {
            return Ok(true);
        }
        if if_not_exists {
            return Ok(false);
        }
        Err(SqlError::numbered(
            Stage::Analyze,
            SqlError::GENERAL,
            format!("Duplicated partition name: {name}"),
        ))
    }

    fn add_list(&mut self, item: &crate::ast::ListPartitionDef) -> Result<()> {
        if self.claim(item.name.as_str(), item.if_not_exists)? {
            let partition = list_partition(item, &self.types, &mut self.rows)?;
            partition_properties(&partition, self.cluster)?;
            self.added.push(partition);
        }
        Ok(())
    }

    fn add_range(&mut self, item: &RangeItem) -> Result<()> {
        match item {
            RangeItem::Single { if_not_exists, name, values, properties } => {
                if !self.claim(name.as_str(), *if_not_exists)? {
                    return Ok(());
                }
                let (lower, upper) = match values {
                    RangeValues::LessThan(bound) => self.less_than(bound)?,
                    RangeValues::Fixed { lower, upper } => (self.key(lower)?, self.key(upper)?),
                };
                let mut partition = self.range(name.as_str(), lower, upper)?;
                partition.properties = properties.as_ref().map(|list| list.effective()).unwrap_or_default();
                partition_properties(&partition, self.cluster)?;
                self.added.push(partition);
            }
            RangeItem::Batch { start, end, every, .. } => {
                let [data_type] = self.types.as_slice() else {
                    return Err(SqlError::analyze(
                        "Multi column range partition does not support batch build: START … END … EVERY",
                    ));
                };
                let style = style(self.table);
                for partition in batch(start, end, every, &data_type.clone(), &style, self.cluster)? {
                    self.claim(&partition.name, false)?;
                    if let PartitionValue::Range { lower, upper } = &partition.value {
                        let (lower, upper) = (bounds(lower, &self.types)?, bounds(upper, &self.types)?);
                        let partition = self.range(&partition.name, lower, upper)?;
                        self.added.push(partition);
                    }
                }
            }
        }
        Ok(())
    }

    /// Missing components are the least value, as in StarRocks.
    fn key(&self, literals: &[PartitionLiteral]) -> Result<Vec<RangeBound>> {
        if literals.len() > self.types.len() {
            return Err(SqlError::analyze(format!(
                "Partition column number {} is less than the number of partition values {}",
                self.types.len(),
                literals.len()
            )));
        }
        self.types
            .iter()
            .enumerate()
            .map(|(position, data_type)| match literals.get(position) {
                None => Ok(RangeBound::minimum(data_type)),
                Some(PartitionLiteral::MaxValue) => Ok(RangeBound::MaxValue),
                Some(PartitionLiteral::Null) => {
                    Err(SqlError::analyze("NULL is no bound of a range; it belongs to the lowest range"))
                }
                Some(PartitionLiteral::Text(text) | PartitionLiteral::Number(text)) => {
                    RangeBound::parse_value(text, data_type)
                }
            })
            .collect()
    }

    fn less_than(&self, bound: &UpperBound) -> Result<(Vec<RangeBound>, Vec<RangeBound>)> {
        let upper = match bound {
            UpperBound::MaxValue => vec![RangeBound::MaxValue; self.types.len()],
            UpperBound::Values(values) => self.key(values)?,
        };
        let lower = match self.ranges.upper_below(&upper) {
            Some(lower) => lower.to_vec(),
            None => self.types.iter().map(RangeBound::minimum).collect(),
        };
        Ok((lower, upper))
    }

    fn range(&mut self, name: &str, lower: Vec<RangeBound>, upper: Vec<RangeBound>) -> Result<Partition> {
        let to_bounds = |key: &[RangeBound]| -> Vec<Bound> {
            key.iter().zip(&self.types).map(|(bound, data_type)| bound.to_bound(data_type)).collect()
        };
        let value = PartitionValue::Range { lower: to_bounds(&lower), upper: to_bounds(&upper) };
        if lower >= upper {
            let text = range_text(&self.types, &value);
            // An upper bound that another partition has already leaves nothing.
            let taken = self.added.iter().any(|other| match (&other.value, &value) {
                (PartitionValue::Range { upper: a, .. }, PartitionValue::Range { upper: b, .. }) => a == b,
                _ => false,
            });
            return Err(SqlError::execute(if taken {
                format!("Range {text} is intersected with an existing range")
            } else {
                format!("The lower values must smaller than upper values: {text}")
            }));
        }
        if let Err((other_lower, other_upper)) = self.ranges.insert(lower, upper) {
            let other =
                PartitionValue::Range { lower: to_bounds(&other_lower), upper: to_bounds(&other_upper) };
            return Err(SqlError::execute(format!(
                "Range {} is intersected with range: {}",
                range_text(&self.types, &value),
                range_text(&self.types, &other)
            )));
        }
        Ok(Partition::new(name, value))
    }
}

fn bounds(key: &[Bound], types: &[DataType]) -> Result<Vec<RangeBound>> {
    key.iter().zip(types).map(|(bound, data_type)| RangeBound::parse(bound, data_type)).collect()
}

/// Batches are named and aligned by the dynamic partition properties, when set.
fn style(table: &TableDefinition) -> BatchStyle {
    let property = |name: &str| table.properties.get(&format!("dynamic_partition.{name}"));
    let mut style = BatchStyle::default();
    if let Some(prefix) = property("prefix") {
        style.prefix.clone_from(prefix);
    }
    if let Some(day) = property("start_day_of_week").and_then(|day| day.parse().ok()) {
        style.day_of_week = day;
    }
    if let Some(day) = property("start_day_of_month").and_then(|day| day.parse().ok()) {
        style.day_of_month = day;
    }
    style
}
