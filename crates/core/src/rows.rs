//! What a statement gives back.

use crate::Result;
use futures::{StreamExt, stream::BoxStream};
use std::fmt;

/// How a value is written in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonShape {
    /// A string.
    Text,
    /// A number, written as it is.
    Number,
    /// `1` is `true`, `0` is `false`.
    Boolean,
    /// The text is JSON already.
    Nested,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultColumn {
    /// Its name, as clients see it.
    pub name: String,
    /// Its StarRocks type, in the words of SHOW CREATE.
    pub data_type: String,
    /// How its values are written in JSON.
    pub json: JsonShape,
}

impl ResultColumn {
    /// A text column, as every SHOW statement has.
    pub fn text(name: impl Into<String>) -> Self {
        Self { name: name.into(), data_type: "varchar(65533)".into(), json: JsonShape::Text }
    }
}

/// One row: the text of each value, `None` for NULL.
pub type Row = Vec<Option<String>>;

/// Rows as they come.
pub struct Rows {
    /// The columns.
    pub columns: Vec<ResultColumn>,
    /// The rows, in batches. An error ends the stream.
    pub batches: BoxStream<'static, Result<Vec<Row>>>,
}

impl Rows {
    /// A result that is complete, with text columns.
    pub fn text(columns: &[&str], rows: Vec<Row>) -> Self {
        Self {
            columns: columns.iter().map(|name| ResultColumn::text(*name)).collect(),
            batches: futures::stream::iter([Ok(rows)]).boxed(),
        }
    }

    /// Reads all rows.
    ///
    /// # Errors
    /// The stream's error.
    pub async fn collect(mut self) -> Result<Vec<Row>> {
        let mut all = Vec::new();
        while let Some(batch) = self.batches.next().await {
            all.extend(batch?);
        }
        Ok(all)
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("columns", &self.columns).finish_non_exhaustive()
    }
}

/// What a statement gives back.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It was done.
    Done {
        /// Rows changed, where the statement changes rows.
        affected: u64,
        /// Remarks for the user, one line each; often none.
        info: String,
    },
    /// It has a result.
    Rows(Rows),
}

impl Outcome {
    /// Done, nothing to say.
    pub fn done() -> Self {
        Self::Done { affected: 0, info: String::new() }
    }
}
