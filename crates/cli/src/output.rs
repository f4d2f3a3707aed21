//! Printing results. The one printer of tables.

use crate::args::Format;
use comfy_table::{ContentArrangement, Table, presets};
use futures::StreamExt;
use rockhold::{JsonShape, ResultColumn, Row, Rows, SqlError};
use serde_json::{Map, Value};
use std::io::{self, Write};

/// Why a result could not be printed to its end.
pub(crate) enum PrintError {
    /// Reading the rows failed.
    Rows(SqlError),
    /// Writing failed; a closed pipe is the reader's choice.
    Write(io::Error),
}

impl From<io::Error> for PrintError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// Prints one result.
pub(crate) async fn print(rows: Rows, format: Format, out: &mut dyn Write) -> Result<(), PrintError> {
    match format {
        Format::Table => table(rows, out).await,
        Format::Vertical => vertical(rows, out).await,
        Format::Csv => csv(rows, out).await,
        Format::Json => json(rows, out).await,
        Format::Jsonl => jsonl(rows, out).await,
    }
}

fn cell(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("NULL")
}

async fn next(rows: &mut Rows) -> Result<Option<Vec<Row>>, PrintError> {
    match rows.batches.next().await {
        None => Ok(None),
        Some(Ok(batch)) => Ok(Some(batch)),
        Some(Err(error)) => Err(PrintError::Rows(rockhold::sql_error(error))),
    }
}

/// A table needs the widths of all cells, so it holds the whole result.
async fn table(mut rows: Rows, out: &mut dyn Write) -> Result<(), PrintError> {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.load_preset("||--+-++|    ++++++");
    table.set_header(rows.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>());
    let mut count = 0usize;
    while let Some(batch) = next(&mut rows).await? {
        for row in &batch {
            table.add_row(row.iter().map(cell).collect::<Vec<_>>());
        }
        count += batch.len();
    }
    if count == 0 {
        writeln!(out, "Empty set")?;
    } else {
        writeln!(out, "{table}")?;
        writeln!(out, "{count} row{} in set", if count == 1 { "" } else { "s" })?;
    }
    Ok(())
}

async fn vertical(mut rows: Rows, out: &mut dyn Write) -> Result<(), PrintError> {
    let width = rows.columns.iter().map(|c| c.name.chars().count()).max().unwrap_or(0);
    let mut number = 0usize;
    while let Some(batch) = next(&mut rows).await? {
        for row in &batch {
            number += 1;
            writeln!(out, "{} {number}. row {}", "*".repeat(27), "*".repeat(27))?;
            for (column, value) in rows.columns.iter().zip(row) {
                writeln!(out, "{:>width$}: {}", column.name, cell(value))?;
            }
        }
    }
    Ok(())
}

/// NULL is an empty field, an empty text is a quoted one.
async fn csv(mut rows: Rows, out: &mut dyn Write) -> Result<(), PrintError> {
    let quoted = |text: &str| {
        let plain = !text.is_empty() && !text.contains([',', '"', '\n', '\r']);
        if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
    };
    let header: Vec<String> = rows.columns.iter().map(|c| quoted(&c.name)).collect();
    writeln!(out, "{}", header.join(","))?;
    while let Some(batch) = next(&mut rows).await? {
        for row in &batch {
            let fields: Vec<String> =
                row.iter().map(|v| v.as_deref().map(quoted).unwrap_or_default()).collect();
            writeln!(out, "{}", fields.join(","))?;
        }
    }
    Ok(())
}

async fn json(mut rows: Rows, out: &mut dyn Write) -> Result<(), PrintError> {
    let mut first = true;
    write!(out, "[")?;
    while let Some(batch) = next(&mut rows).await? {
        for row in &batch {
            write!(out, "{}{}", if first { "\n" } else { ",\n" }, object(&rows.columns, row))?;
            first = false;
        }
    }
    writeln!(out, "{}]", if first { "" } else { "\n" })?;
    Ok(())
}

async fn jsonl(mut rows: Rows, out: &mut dyn Write) -> Result<(), PrintError> {
    while let Some(batch) = next(&mut rows).await? {
        for row in &batch {
            writeln!(out, "{}", object(&rows.columns, row))?;
        }
    }
    Ok(())
}

fn object(columns: &[ResultColumn], row: &Row) -> Value {
    let mut map = Map::new();
    for (column, value) in columns.iter().zip(row) {
        map.insert(column.name.clone(), json_value(column.json, value.as_deref()));
    }
    Value::Object(map)
}

fn json_value(shape: JsonShape, value: Option<&str>) -> Value {
    let Some(text) = value else { return Value::Null };
    let as_text = || Value::String(text.to_owned());
    match shape {
        JsonShape::Text => as_text(),
        JsonShape::Boolean => Value::Bool(text == "1" || text.eq_ignore_ascii_case("true")),
        // Numbers keep their digits; what is no JSON number (NaN, a decimal
        // longer than a double) stays text.
        JsonShape::Number => {
            match serde_json::from_str::<Value>(text).map(|number| (number.to_string(), number)) {
                Ok((printed, number)) if printed == text => number,
                _ => as_text(),
            }
        }
        JsonShape::Nested => serde_json::from_str(text).unwrap_or_else(|_| as_text()),
    }
}
