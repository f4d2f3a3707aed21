//! Folding sorted batches, one key at a time.
//!
//! Batches come sorted by (key, load, row). All keys but the last of a batch
//! are complete; the last one is folded into a single row that is put in front
//! of the next batch. Every rule is associative in load order, so folding in
//! steps gives what folding at once would. Memory: two batches.

use super::rule::{FoldSpec, Rule};
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, PrimitiveBuilder,
    RecordBatch, UInt32Array, make_comparator,
};
use arrow::compute::{SortOptions, concat_batches, filter_record_batch, partition, take};
use arrow::datatypes::{
    ArrowNativeTypeOp, DataType as ArrowType, Decimal128Type, Decimal256Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow::error::ArrowError;
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

/// Folds a stream of sorted batches.
pub(crate) struct Folder {
    spec: FoldSpec,
    /// The folded rows of the last key seen, as one row.
    pending: Option<RecordBatch>,
}

impl Folder {
    pub(crate) fn new(spec: FoldSpec) -> Self {
        Self { spec, pending: None }
    }

    /// Takes the next batch; gives the rows of the keys that are complete.
    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<Option<RecordBatch>, ArrowError> {
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        let batch = match self.pending.take() {
            Some(pending) => concat_batches(&batch.schema(), [&pending, &batch])?,
            None => batch,
        };
        let keys: Vec<ArrayRef> =
            self.spec.keys.iter().filter_map(|at| batch.columns().get(*at).cloned()).collect();
        let ranges = partition(&keys)?.ranges();
        let folded = self.fold(&batch, &ranges)?;
        let complete = folded.num_rows().saturating_sub(1);
        self.pending = Some(detached(&folded.slice(complete, folded.num_rows() - complete))?);
        self.living(folded.slice(0, complete))
    }

    /// The row of the last key.
    pub(crate) fn finish(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        match self.pending.take() {
            Some(last) => self.living(last),
            None => Ok(None),
        }
    }

    /// Drops deleted keys.
    fn living(&self, batch: RecordBatch) -> Result<Option<RecordBatch>, ArrowError> {
        let ops = batch.column(self.spec.op).as_primitive::<Int8Type>();
        let keep: BooleanArray = ops.values().iter().map(|op| Some(*op == 0)).collect();
        let batch = if keep.true_count() == keep.len() { batch } else { filter_record_batch(&batch, &keep)? };
        Ok((batch.num_rows() > 0).then_some(batch))
    }

    /// One row for each range of rows with equal keys.
    fn fold(&self, batch: &RecordBatch, ranges: &[Range<usize>]) -> Result<RecordBatch, ArrowError> {
        let last: UInt32Array = ranges.iter().map(|range| index(range.end.saturating_sub(1))).collect();
        if self.spec.keeps_last_row() {
            let columns =
                batch.columns().iter().map(|column| take(column, &last, None)).collect::<Result<_, _>>()?;
            return RecordBatch::try_new(batch.schema(), columns);
        }
        let ops = batch.column(self.spec.op).as_primitive::<Int8Type>();
        let alive: Vec<Range<usize>> = ranges.iter().map(|range| behind_deletion(ops, range)).collect();
        let columns = batch
            .columns()
            .iter()
            .zip(&self.spec.rules)
            .enumerate()
            .map(|(at, (column, rule))| match rule {
                Rule::Last => take(column, &last, None),
                Rule::Sum => sum(column, &alive, batch.schema().field(at).name()),
                Rule::LastNotNull => {
                    let chosen: UInt32Array = alive
                        .iter()
                        .map(|range| {
                            let found = range.clone().rev().find(|row| column.is_valid(*row));
                            found.and_then(index)
                        })
                        .collect();
                    take(column, &chosen, None)
                }
                Rule::Min => take(column, &extremes(column, &alive, Ordering::Less)?, None),
                Rule::Max => take(column, &extremes(column, &alive, Ordering::Greater)?, None),
            })
            .collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new(batch.schema(), columns)
    }
}

fn index(row: usize) -> Option<u32> {
    u32::try_from(row).ok()
}

/// A copy that does not keep the batch it was cut from in memory.
fn detached(row: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let rows: UInt32Array = (0..row.num_rows()).map(index).collect();
    let columns = row.columns().iter().map(|column| take(column, &rows, None)).collect::<Result<_, _>>()?;
    RecordBatch::try_new(row.schema(), columns)
}

/// The rows of a key behind its last deletion. When the deletion is the last
/// row, that row itself, whose values nobody will see.
fn behind_deletion(ops: &PrimitiveArray<Int8Type>, range: &Range<usize>) -> Range<usize> {
    let deletion = range.clone().rev().find(|row| ops.value(*row) != 0);
    match deletion {
        Some(row) if row + 1 < range.end => row + 1..range.end,
        Some(row) => row..range.end,
        None => range.clone(),
    }
}

/// For each range the row of its extreme value; NULL counts only alone.
fn extremes(column: &ArrayRef, ranges: &[Range<usize>], wanted: Ordering) -> Result<UInt32Array, ArrowError> {
    let compare = make_comparator(column, column, SortOptions::default())?;
    Ok(ranges
        .iter()
        .map(|range| {
            let mut best: Option<usize> = None;
            for row in range.clone().filter(|row| column.is_valid(*row)) {
                if best.is_none_or(|best| compare(row, best) == wanted) {
                    best = Some(row);
                }
            }
            best.and_then(index)
        })
        .collect())
}

fn sum(column: &ArrayRef, ranges: &[Range<usize>], name: &str) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        ArrowType::Int8 => sum_of::<Int8Type>(column, ranges, name),
        ArrowType::Int16 => sum_of::<Int16Type>(column, ranges, name),
        ArrowType::Int32 => sum_of::<Int32Type>(column, ranges, name),
        ArrowType::Int64 => sum_of::<Int64Type>(column, ranges, name),
        ArrowType::Float32 => sum_of::<Float32Type>(column, ranges, name),
        ArrowType::Float64 => sum_of::<Float64Type>(column, ranges, name),
        ArrowType::Decimal128(..) => sum_of::<Decimal128Type>(column, ranges, name),
        ArrowType::Decimal256(..) => sum_of::<Decimal256Type>(column, ranges, name),
        other => Err(ArrowError::InvalidArgumentError(format!("column '{name}': no SUM of {other}"))),
    }
}

fn sum_of<T: ArrowPrimitiveType>(
    column: &ArrayRef,
    ranges: &[Range<usize>],
    name: &str,
) -> Result<ArrayRef, ArrowError> {
    let values = column.as_primitive::<T>();
    let mut sums =
        PrimitiveBuilder::<T>::with_capacity(ranges.len()).with_data_type(column.data_type().clone());
    for range in ranges {
        let mut sum: Option<T::Native> = None;
        for row in range.clone().filter(|row| values.is_valid(*row)) {
            let value = values.value(row);
            sum = Some(match sum {
                None => value,
                Some(sum) => sum.add_checked(value).map_err(|_| {
                    ArrowError::ArithmeticOverflow(format!(
                        "the SUM of column '{name}' is greater than its type holds"
                    ))
                })?,
            });
        }
        sums.append_option(sum);
    }
    Ok(Arc::new(sums.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int8Array, Int32Array, Int64Array, StringArray};
    use arrow::datatypes::{Field, Schema};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Stored = (i32, Option<i64>, i8);

    fn batch(rows: &[Stored]) -> RecordBatch {
        let values: Int64Array = rows.iter().map(|r| r.1).collect();
        let texts: StringArray = rows.iter().map(|r| r.1.map(|v| v.to_string())).collect();
        let schema = Schema::new(vec![
            Field::new("k", ArrowType::Int32, true),
            Field::new("sum", ArrowType::Int64, true),
            Field::new("min", ArrowType::Int64, true),
            Field::new("max", ArrowType::Utf8, true),
            Field::new("kept", ArrowType::Int64, true),
            Field::new("last", ArrowType::Int64, true),
            Field::new("op", ArrowType::Int8, false),
        ]);
        RecordBatch::try_new(
            Arc::new(schema),
            vec![
                Arc::new(rows.iter().map(|r| Some(r.0)).collect::<Int32Array>()),
                Arc::new(values.clone()),
                Arc::new(values.clone()),
                Arc::new(texts),
                Arc::new(values.clone()),
                Arc::new(values),
                Arc::new(rows.iter().map(|r| Some(r.2)).collect::<Int8Array>()),
            ],
        )
        .unwrap()
    }

    fn spec(aggregate: bool) -> FoldSpec {
        use Rule::{Last, LastNotNull, Max, Min, Sum};
        let rules =
            if aggregate { vec![Last, Sum, Min, Max, LastNotNull, Last, Last] } else { vec![Last; 7] };
        FoldSpec { keys: vec![0], rules, op: 6 }
    }

    fn run(spec: FoldSpec, rows: &[Stored], cut: usize) -> Vec<Vec<Option<String>>> {
        let mut folder = Folder::new(spec);
        let mut out = Vec::new();
        let mut batches: Vec<_> = rows.chunks(cut.max(1)).map(batch).collect();
        batches.push(batch(&[]));
        for batch in batches {
            out.extend(folder.push(batch).unwrap());
        }
        out.extend(folder.finish().unwrap());
        let mut texts = Vec::new();
        for batch in out {
            let printers: Vec<_> = batch
                .columns()
                .iter()
                .take(6)
                .map(|c| crate::value::text::Printer::new(c).unwrap())
                .collect();
            for row in 0..batch.num_rows() {
                texts.push(printers.iter().map(|p| p.text(row)).collect());
            }
        }
        texts
    }

    /// What the rules say, row by row.
    fn model(aggregate: bool, rows: &[Stored]) -> Vec<Vec<Option<String>>> {
        let mut keys: BTreeMap<i32, Vec<Option<i64>>> = BTreeMap::new();
        for (key, value, op) in rows {
            if *op == 1 {
                keys.remove(key);
            } else {
                keys.entry(*key).or_default().push(*value);
            }
        }
        let show = |v: Option<i64>| v.map(|v| v.to_string());
        keys.into_iter()
            .map(|(key, values)| {
                let last = values.last().copied().flatten();
                let known: Vec<i64> = values.iter().copied().flatten().collect();
                if !aggregate {
                    return vec![
                        Some(key.to_string()),
                        show(last),
                        show(last),
                        show(last),
                        show(last),
                        show(last),
                    ];
                }
                vec![
                    Some(key.to_string()),
                    show((!known.is_empty()).then(|| known.iter().sum())),
                    show(known.iter().min().copied()),
                    known.iter().map(i64::to_string).max(),
                    show(known.last().copied()),
                    show(last),
                ]
            })
            .collect()
    }

    proptest! {
        #[test]
        fn folding_in_any_pieces_gives_what_the_rules_say(
            mut rows in proptest::collection::vec(
                (0..6i32, proptest::option::of(-5..5i64), prop_oneof![4 => Just(0i8), 1 => Just(1i8)]), 0..60),
            cut in 1..9usize,
            aggregate: bool,
        ) {
            rows.sort_by_key(|row| row.0);
            prop_assert_eq!(run(spec(aggregate), &rows, cut), model(aggregate, &rows));
        }
    }

    #[test]
    fn a_sum_that_its_type_cannot_hold_is_an_error_that_names_the_column() {
        let mut folder = Folder::new(spec(true));
        let error = folder.push(batch(&[(1, Some(i64::MAX), 0), (1, Some(1), 0)])).unwrap_err();
        assert!(error.to_string().contains("column 'sum'"), "{error}");
    }
}
