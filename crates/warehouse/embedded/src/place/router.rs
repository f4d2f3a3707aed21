//! Which partition a row belongs to.
//!
//! * Ranges are half open and compared column by column. NULL counts as the
//!   least value of its type, so it is held by the partition that has no lower
//!   bound.
//! * Lists hold combinations of values; NULL is a value.
//! * Automatic tables get the partition that a row needs; the router only says
//!   what it would be.

use super::super::value::time::{DAY, add_units, micros_of, slice_start};
use super::key::{Key, least};
use arrow::array::ArrayRef;
use chrono::TimeZone;
use chrono_tz::Tz;
use rockhold_model::{
    DataType, Partition, PartitionValue, Partitioning, RangeFunction, SliceBoundary, TableDefinition,
    TimeFunction,
};
use rockhold_sql::SqlError;
use rockhold_sql::analyze::automatic_partition;
use std::collections::HashMap;

/// Most partitions that one load may create.
pub(crate) const MOST_CREATED: usize = 4096;

/// Finds partitions of rows. Partitions are numbered in the order in which
/// they were given, created ones behind.
#[derive(Debug)]
pub(crate) struct Router {
    table: TableDefinition,
    types: Vec<DataType>,
    zone: Tz,
    partitions: Vec<Partition>,
    created: usize,
    /// Lower and upper bound and number of each range, sorted by lower bound.
    ranges: Vec<(Vec<Key>, Vec<Key>, usize)>,
    lists: HashMap<Vec<Key>, usize>,
}

/// Why a row has no partition.
#[derive(Debug, PartialEq)]
pub(crate) enum NoPlace {
    /// No partition holds these values, printed.
    Missing(String),
    /// The load would create too many partitions.
    TooMany,
}

impl Router {
    /// A router over the partitions of a table; temporary ones are passed by.
    ///
    /// # Errors
    /// A partition's bounds are no values of the partition columns.
    pub(crate) fn new(table: &TableDefinition, partitions: &[Partition], zone: Tz) -> Result<Self, SqlError> {
        let types = table
            .partitioning
            .columns()
            .iter()
            .map(|name| {
                table.column(name).map(|column| column.data_type.clone()).ok_or_else(|| {
                    SqlError::execute(format!("table {} has no partition column '{name}'", table.name))
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut router = Router {
            table: table.clone(),
            types,
            zone,
            partitions: Vec::new(),
            created: 0,
            ranges: Vec::new(),
            lists: HashMap::new(),
        };
        for partition in partitions {
            router.add(partition.clone())?;
        }
        Ok(router)
    }

    /// The partitions, by number.
    pub(crate) fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// The type in which ranges are compared.
    fn range_type(&self, position: usize) -> DataType {
        match &self.table.partitioning {
            Partitioning::Range { expression: Some(_), .. } => DataType::DateTime,
            _ => self.types.get(position).cloned().unwrap_or(DataType::BigInt),
        }
    }

    fn add(&mut self, partition: Partition) -> Result<usize, SqlError> {
        let number = self.partitions.len();
        let bad = || {
            SqlError::execute(format!(
                "the bounds of partition {} are no values of its partition columns",
                partition.name
            ))
        };
        if !partition.temporary {
            match &partition.value {
                PartitionValue::All => {}
                PartitionValue::Range { lower, upper } => {
                    let keys = |bounds: &[rockhold_model::Bound]| {
                        bounds
                            .iter()
                            .enumerate()
                            .map(|(position, bound)| Key::of_bound(bound, &self.range_type(position)))
                            .collect::<Option<Vec<_>>>()
                    };
                    let range = (keys(lower).ok_or_else(bad)?, keys(upper).ok_or_else(bad)?, number);
                    let at = self.ranges.partition_point(|(lower, _, _)| *lower <= range.0);
                    self.ranges.insert(at, range);
                }
                PartitionValue::List { rows } => {
                    for row in rows {
                        let key = row
                            .iter()
                            .zip(&self.types)
                            .map(|(text, data_type)| match text {
                                None => Some(Key::Null),
                                Some(text) => Key::parse(text, data_type),
                            })
                            .collect::<Option<Vec<_>>>()
                            .ok_or_else(bad)?;
                        self.lists.insert(key, number);
                    }
                }
            }
        }
        self.partitions.push(partition);
        Ok(number)
    }

    /// The number of the partition of a row, given the row's partition columns.
    ///
    /// # Errors
    /// No partition holds the row and none may be created.
    pub(crate) fn place(&mut self, columns: &[ArrayRef], row: usize) -> Result<usize, NoPlace> {
        if matches!(self.table.partitioning, Partitioning::Unpartitioned) {
            return match self.partitions.iter().position(|p| p.value == PartitionValue::All && !p.temporary) {
                Some(number) => Ok(number),
                None => Err(NoPlace::Missing("()".into())),
            };
        }
        let keys: Vec<Key> = columns.iter().map(|column| Key::at(column, row).unwrap_or(Key::Null)).collect();
        if self.table.partitioning.is_list() {
            return self.place_in_lists(keys);
        }
        let missing = self.show(&keys);
        let shown = self.texts(&keys);
        let keys = self.range_keys(keys).ok_or_else(|| NoPlace::Missing(missing.clone()))?;
        if let Some(number) = self.find_range(&keys) {
            return Ok(number);
        }
        if !self.table.partitioning.is_automatic() {
            return Err(NoPlace::Missing(missing));
        }
        let number = self.create(&shown, missing.clone())?;
        // What was made for the row must hold it.
        match self.find_range(&keys) {
            Some(found) if found == number => Ok(number),
            _ => Err(NoPlace::Missing(missing)),
        }
    }

    fn place_in_lists(&mut self, keys: Vec<Key>) -> Result<usize, NoPlace> {
        if let Some(number) = self.lists.get(&keys) {
            return Ok(*number);
        }
        let missing = self.show(&keys);
        if !self.table.partitioning.is_automatic() {
            return Err(NoPlace::Missing(missing));
        }
        let shown = self.texts(&keys);
        self.create(&shown, missing)
    }

    fn create(&mut self, values: &[Option<String>], missing: String) -> Result<usize, NoPlace> {
        if self.created >= MOST_CREATED {
            return Err(NoPlace::TooMany);
        }
        let values: Vec<Option<&str>> = values.iter().map(Option::as_deref).collect();
        let taken = |name: &str| self.partitions.iter().any(|p| p.name.eq_ignore_ascii_case(name));
        let partition = automatic_partition(&self.table, &values, taken)
            .map_err(|_| NoPlace::Missing(missing.clone()))?;
        let number = self.add(partition).map_err(|_| NoPlace::Missing(missing))?;
        self.created += 1;
        Ok(number)
    }

    /// The values that are compared with bounds: NULL is the least value, and
    /// `PARTITION BY RANGE(function(col))` compares the function's result.
    fn range_keys(&self, keys: Vec<Key>) -> Option<Vec<Key>> {
        let function = match &self.table.partitioning {
            Partitioning::Range { expression, .. } => expression.as_ref().map(|e| &e.function),
            _ => None,
        };
        keys.into_iter()
            .enumerate()
            .map(|(position, key)| match (key, function) {
                (Key::Null, _) => least(&self.range_type(position)),
                (key, None) => self.slice_end(key),
                (Key::Number(value), Some(RangeFunction::FromUnixtime)) => {
                    self.local(i64::try_from(value.as_i128()).ok()?.checked_mul(1_000_000)?)
                }
                (Key::Number(value), Some(RangeFunction::FromUnixtimeMs)) => {
                    self.local(i64::try_from(value.as_i128()).ok()?.checked_mul(1000)?)
                }
                (Key::Text(text), Some(RangeFunction::Str2Date { format })) => {
                    let micros = super::super::query::format::parse_formatted(&text, format)?;
                    Some(Key::number(i128::from(micros)))
                }
                _ => None,
            })
            .collect()
    }

    /// Slices that are named by their end hold the times before it.
    fn slice_end(&self, key: Key) -> Option<Key> {
        let Partitioning::Expression {
            function: TimeFunction::TimeSlice { count, unit, boundary: SliceBoundary::Ceil },
            ..
        } = &self.table.partitioning
        else {
            return Some(key);
        };
        let Key::Number(value) = key else { return Some(key) };
        let value = i64::try_from(value.as_i128()).ok()?;
        let day = self.range_type(0) == DataType::Date;
        let start = slice_start(if day { value.checked_mul(DAY)? } else { value }, i64::from(*count), *unit)?;
        let end = add_units(start, i64::from(*count), *unit)?;
        Some(Key::number(i128::from(if day { end.div_euclid(DAY) } else { end })))
    }

    /// A UTC instant as the warehouse's local time.
    fn local(&self, micros: i64) -> Option<Key> {
        let time = self.zone.timestamp_micros(micros).single()?.naive_local();
        Some(Key::number(i128::from(micros_of(time))))
    }

    fn find_range(&self, keys: &[Key]) -> Option<usize> {
        let after = self.ranges.partition_point(|(lower, _, _)| lower.as_slice() <= keys);
        let (_, upper, number) = self.ranges.get(after.checked_sub(1)?)?;
        (keys < upper.as_slice()).then_some(*number)
    }

    fn texts(&self, keys: &[Key]) -> Vec<Option<String>> {
        keys.iter().zip(&self.types).map(|(key, data_type)| key.text(data_type)).collect()
    }

    fn show(&self, keys: &[Key]) -> String {
        let texts: Vec<String> = self
            .texts(keys)
            .into_iter()
            .map(|text| match text {
                Some(text) => format!("'{text}'"),
                None => "NULL".to_owned(),
            })
            .collect();
        format!("({})", texts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Date32Array, Int32Array, Int64Array, StringArray};
    use rockhold_model::{Bound, Column, Distribution, KeyModel, RangeExpression, TimeFunction, TimeUnit};
    use std::sync::Arc;

    fn table(columns: Vec<Column>, partitioning: Partitioning) -> TableDefinition {
        TableDefinition {
            name: "t".into(),
            engine: "OLAP".into(),
            columns,
            key_model: KeyModel::Duplicate,
            key_columns: Vec::new(),
            comment: String::new(),
            partitioning,
            distribution: Distribution::Random,
            buckets: None,
            sort_key: Vec::new(),
            indexes: Vec::new(),
            rollups: Vec::new(),
            properties: Default::default(),
        }
    }

    fn bounds(texts: &[&str]) -> Vec<Bound> {
        texts
            .iter()
            .map(|text| if *text == "MAX" { Bound::MaxValue } else { Bound::Value((*text).into()) })
            .collect()
    }

    fn range(name: &str, lower: &[&str], upper: &[&str]) -> Partition {
        Partition::new(name, PartitionValue::Range { lower: bounds(lower), upper: bounds(upper) })
    }

    fn place(router: &mut Router, columns: &[ArrayRef], row: usize) -> Result<String, NoPlace> {
        let number = router.place(columns, row)?;
        Ok(router.partitions()[number].name.clone())
    }

    fn days(texts: &[Option<&str>]) -> ArrayRef {
        let days: Vec<Option<i32>> =
            texts.iter().map(|t| t.and_then(super::super::super::value::time::parse_date)).collect();
        Arc::new(Date32Array::from(days))
    }

    #[test]
    fn ranges_are_half_open_and_null_goes_below_every_bound() {
        let table = table(
            vec![Column::new("D", DataType::Date)],
            Partitioning::Range { columns: vec!["d".into()], expression: None },
        );
        let partitions =
            [range("p2", &["2024-02-01"], &["2024-03-01"]), range("p1", &["0000-01-01"], &["2024-01-01"])];
        let mut router = Router::new(&table, &partitions, Tz::UTC).unwrap();
        let column =
            [days(&[Some("2023-12-31"), Some("2024-01-01"), Some("2024-02-01"), Some("2024-03-01"), None])];
        assert_eq!(place(&mut router, &column, 0), Ok("p1".into()));
        assert_eq!(place(&mut router, &column, 1), Err(NoPlace::Missing("('2024-01-01')".into())));
        assert_eq!(place(&mut router, &column, 2), Ok("p2".into()));
        assert_eq!(place(&mut router, &column, 3), Err(NoPlace::Missing("('2024-03-01')".into())));
        assert_eq!(place(&mut router, &column, 4), Ok("p1".into()));
        let mut without = Router::new(&table, &partitions[..1], Tz::UTC).unwrap();
        assert_eq!(place(&mut without, &column, 4), Err(NoPlace::Missing("(NULL)".into())));
    }

    #[test]
    fn several_columns_are_compared_one_after_another() {
        let table = table(
            vec![Column::new("a", DataType::Int), Column::new("b", DataType::Int)],
            Partitioning::Range { columns: vec!["a".into(), "b".into()], expression: None },
        );
        let partitions = [
            range("p1", &["-2147483648", "-2147483648"], &["1", "10"]),
            range("p2", &["1", "10"], &["2", "MAX"]),
            range("p3", &["2", "MAX"], &["MAX", "MAX"]),
        ];
        let mut router = Router::new(&table, &partitions, Tz::UTC).unwrap();
        let a: ArrayRef = Arc::new(Int32Array::from(vec![Some(0), Some(1), Some(1), Some(2), Some(3), None]));
        let b: ArrayRef =
            Arc::new(Int32Array::from(vec![Some(99), Some(9), Some(10), Some(99), Some(0), None]));
        let names: Vec<_> =
            (0..6).map(|row| place(&mut router, &[a.clone(), b.clone()], row).unwrap()).collect();
        assert_eq!(names, ["p1", "p1", "p2", "p2", "p3", "p1"]);
    }

    #[test]
    fn lists_hold_null_and_automatic_ones_grow() {
        let scheme = |automatic| Partitioning::List { columns: vec!["s".into()], automatic };
        let columns = vec![Column::new("s", DataType::string())];
        let value = |rows: Vec<Vec<Option<String>>>| PartitionValue::List { rows };
        let fixed = [
            Partition::new("pa", value(vec![vec![Some("a".into())], vec![Some("b".into())]])),
            Partition::new("pn", value(vec![vec![None]])),
        ];
        let column: [ArrayRef; 1] =
            [Arc::new(StringArray::from(vec![Some("b"), None, Some("A"), Some("x y"), Some("xy")]))];
        let mut router = Router::new(&table(columns.clone(), scheme(false)), &fixed, Tz::UTC).unwrap();
        assert_eq!(place(&mut router, &column, 0), Ok("pa".into()));
        assert_eq!(place(&mut router, &column, 1), Ok("pn".into()));
        assert_eq!(place(&mut router, &column, 2), Err(NoPlace::Missing("('A')".into())));
        let mut router = Router::new(&table(columns, scheme(true)), &fixed, Tz::UTC).unwrap();
        // `pa` is taken in any case of its letters.
        assert_eq!(place(&mut router, &column, 2), Ok("pA_1".into()));
        assert_eq!(place(&mut router, &column, 3), Ok("pxy".into()));
        assert_eq!(place(&mut router, &column, 4), Ok("pxy_1".into()));
        assert_eq!(place(&mut router, &column, 3), Ok("pxy".into()));
    }

    #[test]
    fn automatic_ranges_are_made_where_a_row_needs_one() {
        let table = table(
            vec![Column::new("d", DataType::Date)],
            Partitioning::Expression {
                column: "d".into(),
                function: TimeFunction::DateTrunc { unit: TimeUnit::Month },
            },
        );
        let mut router = Router::new(&table, &[], Tz::UTC).unwrap();
        let column = [days(&[Some("2024-02-29"), Some("2024-02-01"), None])];
        assert_eq!(place(&mut router, &column, 0), Ok("p202402".into()));
        assert_eq!(place(&mut router, &column, 1), Ok("p202402".into()));
        assert_eq!(place(&mut router, &column, 2), Ok("p000001".into()));
        assert_eq!(router.partitions().len(), 2);
        assert_eq!(router.partitions()[0].value, range("p", &["2024-02-01"], &["2024-03-01"]).value);
    }

    #[test]
    fn a_function_around_the_column_is_compared_in_local_time() {
        let table = table(
            vec![Column::new("ts", DataType::BigInt)],
            Partitioning::Range {
                columns: vec!["ts".into()],
                expression: Some(RangeExpression {
                    function: RangeFunction::FromUnixtime,
                    text: "from_unixtime(ts)".into(),
                }),
            },
        );
        let partitions = [range("p1", &["2024-01-01"], &["2024-01-02"])];
        // 2023-12-31 16:00:00 UTC is midnight in Shanghai.
        let column: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![1_704_038_400]))];
        let mut shanghai = Router::new(&table, &partitions, Tz::Asia__Shanghai).unwrap();
        assert_eq!(place(&mut shanghai, &column, 0), Ok("p1".into()));
        let mut utc = Router::new(&table, &partitions, Tz::UTC).unwrap();
        assert!(place(&mut utc, &column, 0).is_err());
    }
}
