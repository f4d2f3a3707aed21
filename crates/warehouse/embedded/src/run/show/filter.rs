//! LIKE, WHERE, ORDER BY and LIMIT of SHOW.

use super::super::super::error::of_query;
use super::super::super::query::rewrite::rewrite;
use super::super::super::session::Session;
use super::Listing;
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType as ArrowType, Field, Schema};
use datafusion::common::DFSchema;
use rockhold_core::Row;
use rockhold_sql::SqlError;
use rockhold_sql::ast::{ExprText, Show, ShowFilter};
use std::cmp::Ordering;
use std::sync::Arc;

pub(super) fn apply(session: &Session, listing: Listing, statement: &Show) -> Result<Listing, SqlError> {
    let Listing { columns, mut rows, named } = listing;
    match &statement.filter {
        None => {}
        Some(ShowFilter::Like(pattern)) => {
            rows.retain(|row| {
                row.get(named).and_then(Option::as_deref).is_some_and(|name| like(pattern, name))
            });
        }
        Some(ShowFilter::Where(condition)) => {
            let keep = condition_holds(session, &columns, &rows, condition)?;
            let mut keep = keep.into_iter();
            rows.retain(|_| keep.next().unwrap_or(false));
        }
    }
    if let Some(order) = &statement.order_by {
        sort(&columns, &mut rows, order)?;
    }
    if let Some((offset, count)) = statement.limit {
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        rows = rows.into_iter().skip(number(offset)).take(number(count)).collect();
    }
    Ok(Listing { columns, rows, named })
}

/// LIKE with `%`, `_` and `\`.
fn like(pattern: &str, text: &str) -> bool {
    #[derive(PartialEq)]
    enum Part {
        Any,
        One,
        Char(char),
    }
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '%' => Part::Any,
            '_' => Part::One,
            '\\' => Part::Char(chars.next().unwrap_or('\\')),
            c => Part::Char(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        let fits = match parts.get(p) {
            Some(Part::Any) => {
                back = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some(Part::One) => true,
            Some(Part::Char(c)) => text.get(t) == Some(c),
            None => false,
        };
        match (fits, back) {
            (true, _) => {
                p += 1;
                t += 1;
            }
            (false, Some((after, from))) => {
                p = after;
                t = from + 1;
                back = Some((after, t));
            }
            (false, None) => return false,
        }
    }
    parts.get(p..).unwrap_or_default().iter().all(|part| *part == Part::Any)
}

/// For each row whether the condition holds; every column is text.
fn condition_holds(
    session: &Session,
    columns: &[String],
    rows: &[Row],
    condition: &ExprText,
) -> Result<Vec<bool>, SqlError> {
    let failed = |e: arrow::error::ArrowError| SqlError::execute(e.to_string());
    let fields: Vec<Field> =
        columns.iter().map(|name| Field::new(name.to_ascii_lowercase(), ArrowType::Utf8, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays: Vec<ArrayRef> = (0..columns.len())
        .map(|at| {
            let texts: StringArray =
                rows.iter().map(|row| row.get(at).and_then(|value| value.as_deref())).collect();
            Arc::new(texts) as ArrayRef
        })
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let batch = RecordBatch::try_new_with_options(schema.clone(), arrays, &options).map_err(failed)?;
    let mut expr = (*condition.expr).clone();
    rewrite(&mut expr, &session.environment())?;
    let schema = DFSchema::try_from(schema.as_ref().clone()).map_err(of_query)?;
    let planned = session.engine.expression(expr, &schema)?;
    let physical = session.engine.state().create_physical_expr(planned, &schema).map_err(of_query)?;
    let value = physical.evaluate(&batch).and_then(|value| value.into_array(rows.len())).map_err(of_query)?;
    let mask = value
        .as_any()
        .downcast_ref::<BooleanArray>()
        .ok_or_else(|| SqlError::analyze("the condition of SHOW is neither true nor false"))?;
    Ok((0..rows.len()).map(|row| mask.is_valid(row) && mask.value(row)).collect())
}

/// `column [ASC|DESC], …`; numbers compare as numbers.
fn sort(columns: &[String], rows: &mut [Row], order: &str) -> Result<(), SqlError> {
    let mut keys = Vec::new();
    for item in order.split(',') {
        let mut words = item.split_whitespace();
        let name = words.next().unwrap_or_default().trim_matches('`');
        let descending = words.next().is_some_and(|word| word.eq_ignore_ascii_case("desc"));
        let at = columns
            .iter()
            .position(|column| column.eq_ignore_ascii_case(name))
            .ok_or_else(|| SqlError::analyze(format!("Column '{name}' cannot be resolved")))?;
        keys.push((at, descending));
    }
    let number = |text: &str| text.parse::<f64>().ok();
    let compare = |a: &Option<String>, b: &Option<String>| match (a, b) {
        (Some(a), Some(b)) => match (number(a), number(b)) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => a.cmp(b),
        },
        (a, b) => a.is_some().cmp(&b.is_some()),
    };
    rows.sort_by(|a, b| {
        keys.iter()
            .map(|(at, descending)| {
                let ordering = match (a.get(*at), b.get(*at)) {
                    (Some(a), Some(b)) => compare(a, b),
                    _ => Ordering::Equal,
                };
                if *descending { ordering.reverse() } else { ordering }
            })
            .find(|ordering| *ordering != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn patterns_match_whole_names() {
        assert!(like("a%", "abc") && like("%", "") && like("_b%", "abc"));
        assert!(!like("a", "abc") && !like("A%", "abc"));
        assert!(like("a\\_b", "a_b") && !like("a\\_b", "axb"));
    }
}
