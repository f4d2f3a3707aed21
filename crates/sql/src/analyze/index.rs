//! Secondary indexes.

use rockhold_model::{Column, DataType, Index, IndexKind, KeyModel};

use super::{Cluster, Result};
use crate::SqlError;
use crate::ast::IndexDef;

/// Checks the indexes of a table and gives them as data.
pub(super) fn indexes(
    defs: &[IndexDef],
    columns: &[Column],
    model: KeyModel,
    cluster: &Cluster,
) -> Result<Vec<Index>> {
    let mut indexes: Vec<Index> = Vec::new();
    for def in defs {
        if indexes.iter().any(|index| index.name.eq_ignore_ascii_case(def.name.as_str())) {
            return Err(SqlError::analyze(format!("Duplicate index name '{}'", def.name.value)).at(def.span));
        }
        indexes.push(index(def, columns, model, cluster)?);
    }
    Ok(indexes)
}

/// Checks one index and gives it as data.
pub(super) fn index(def: &IndexDef, columns: &[Column], model: KeyModel, cluster: &Cluster) -> Result<Index> {
    let kind = def.kind.unwrap_or(IndexKind::Bitmap);
    let mut indexed = Vec::new();
    for name in &def.columns {
        let Some(column) = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name.as_str()))
        else {
            return Err(SqlError::analyze(format!(
                "{} column does not exist in table. invalid column: {}",
                def.name.value, name.value
            ))
            .at(def.span));
        };
        check_column(kind, column, model)?;
        indexed.push(column.name.clone());
    }
    if indexed.len() != 1 {
        return Err(SqlError::analyze(format!(
            "{} index can only apply to one column",
            kind.as_str().to_lowercase()
        ))
        .at(def.span));
    }
    match kind {
        IndexKind::Gin if !cluster.experimental_indexes => {
            return Err(SqlError::analyze(
                "The inverted index is disabled, enable it by setting FE config `enable_experimental_gin` to true",
            ));
        }
        IndexKind::Vector if !cluster.experimental_indexes => {
            return Err(SqlError::analyze(
                "The vector index is disabled, enable it by setting FE config `enable_experimental_vector` to true",
            ));
        }
        _ => {}
    }
    Ok(Index {
        name: def.name.value.clone(),
        columns: indexed,
        kind,
        properties: def.properties.as_ref().map(|list| list.effective()).unwrap_or_default(),
        comment: def.comment.clone().unwrap_or_default(),
    })
}

fn check_column(kind: IndexKind, column: &Column, model: KeyModel) -> Result<()> {
    let data_type = &column.data_type;
    let fits = match kind {
        IndexKind::Bitmap => data_type.is_key_type(),
        IndexKind::Ngrambf | IndexKind::Gin => data_type.is_text(),
        IndexKind::Vector => matches!(data_type, DataType::Array(_)),
    };
    if !fits {
        return Err(SqlError::analyze(format!(
            "{} is not supported in {} index. invalid column: {}",
            data_type.base_name(),
            kind.as_str().to_lowercase(),
            column.name
        )));
    }
    if !column.key && matches!(model, KeyModel::Aggregate | KeyModel::Unique) {
        return Err(SqlError::analyze(format!(
            "{} index only used in columns of DUP_KEYS/PRIMARY_KEYS table or key columns of UNIQUE_KEYS/AGG_KEYS \
             table. invalid column: {}",
            kind.as_str().to_lowercase(),
            column.name
        )));
    }
    Ok(())
}
