//! Tables as DataFusion sees them.

use super::super::error::into_query;
use super::super::value::types::query_field;
use super::data_files::Home;
use super::rule::{Rule, rules_of};
use super::scan::{Reading, ScanFile, ScanShape, TableScanExec};
use super::{FoldSpec, LOAD, OP, ROW, stored_schema};
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use rockhold_core::{KindId, LiveObject};
use rockhold_model::{KeyModel, MaterializedViewDefinition, TableDefinition};
use rockhold_sql::SqlError;
use rockhold_warehouse_store::{PartitionInfo, ReadSnapshot};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// A table, or some of its partitions, at one instant.
#[derive(Debug, Clone)]
pub(crate) struct StoredTable {
    definition: Arc<TableDefinition>,
    snapshot: ReadSnapshot,
    partitions: Vec<PartitionInfo>,
    /// The rollup whose files are read; `None` for the table's own.
    rollup: Option<String>,
    /// The table whose partitions these are, where it is a rollup that is read.
    base: Option<String>,
    /// These files with their buckets instead of those of `partitions`.
    listed: Option<Arc<Vec<(u32, ScanFile)>>>,
    /// Positions of the columns that are seen.
    seen: Vec<usize>,
    schema: SchemaRef,
    stored: SchemaRef,
    rules: Vec<Rule>,
}

impl StoredTable {
    /// The table with the columns that queries see.
    ///
    /// # Errors
    /// A column's type or aggregation has no open form.
    pub(crate) fn new(
        definition: Arc<TableDefinition>,
        snapshot: ReadSnapshot,
        partitions: Vec<PartitionInfo>,
    ) -> std::result::Result<Self, SqlError> {
        let seen = (0..definition.columns.len())
            .filter(|at| definition.columns.get(*at).is_some_and(|column| !column.is_hidden()))
            .collect();
        Self::with_columns(definition, snapshot, partitions, seen)
    }

    /// The table with all its columns, hidden partition columns too.
    ///
    /// # Errors
    /// As [`StoredTable::new`].
    pub(crate) fn whole(
        definition: Arc<TableDefinition>,
        snapshot: ReadSnapshot,
        partitions: Vec<PartitionInfo>,
    ) -> std::result::Result<Self, SqlError> {
        let seen = (0..definition.columns.len()).collect();
        Self::with_columns(definition, snapshot, partitions, seen)
    }

    fn with_columns(
        definition: Arc<TableDefinition>,
        snapshot: ReadSnapshot,
        partitions: Vec<PartitionInfo>,
        seen: Vec<usize>,
    ) -> std::result::Result<Self, SqlError> {
        let fields = seen
            .iter()
            .filter_map(|at| definition.columns.get(*at))
            .map(query_field)
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let stored = stored_schema(&definition)?;
        let rules = rules_of(&definition)?;
        let schema = Arc::new(Schema::new(fields));
        let (rollup, base, listed) = (None, None, None);
        Ok(Self { definition, snapshot, partitions, rollup, base, listed, seen, schema, stored, rules })
    }

    /// The files of this rollup of the partitions, which are those of `base`;
    /// the definition is that of [`Rollup::as_table`](rockhold_model::Rollup::as_table).
    pub(crate) fn of_rollup(mut self, name: &str, base: &str) -> Self {
        self.rollup = Some(name.to_owned());
        self.base = Some(base.to_owned());
        self
    }

    /// These files (with their buckets) instead of those of the partitions. The
    /// table's snapshot holds those that are its own.
    pub(crate) fn of_files(mut self, files: Vec<(u32, ScanFile)>) -> Self {
        self.listed = Some(Arc::new(files));
        self
    }

    /// Its definition.
    pub(crate) fn definition(&self) -> &Arc<TableDefinition> {
        &self.definition
    }

    /// The instant that is read, with everything else that the query reads.
    pub(crate) fn snapshot(&self) -> &ReadSnapshot {
        &self.snapshot
    }

    /// The partitions that are read.
    pub(crate) fn partitions(&self) -> &[PartitionInfo] {
        &self.partitions
    }

    /// The same instant of those of its partitions that have these names.
    pub(crate) fn only(&self, names: &HashSet<&str>) -> Self {
        let mut partitions = self.partitions.clone();
        partitions.retain(|partition| names.contains(partition.name()));
        Self { partitions, ..self.clone() }
    }

    fn folds(&self) -> bool {
        self.definition.key_model != KeyModel::Duplicate
    }

    /// Whether a filter may prune files: all of them where every row counts;
    /// where rows are merged only filters over key columns.
    fn may_prune(&self, filter: &Expr) -> bool {
        if filter.is_volatile() {
            return false;
        }
        !self.folds()
            || filter.column_refs().iter().all(|column| {
                self.definition.column(&column.name).is_some_and(|column| column.key)
                    || self.definition.key_columns.iter().any(|key| key.eq_ignore_ascii_case(&column.name))
            })
    }

    /// The filters as an expression over the files' columns.
    fn pruning(&self, state: &dyn Session, filters: &[Expr]) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let usable: Vec<Expr> = filters.iter().filter(|f| self.may_prune(f)).cloned().collect();
        let Some(filter) = conjunction(usable) else { return Ok(None) };
        let filter = filter.transform(|expr| {
            Ok(match expr {
                Expr::Column(column) => match self.definition.column(&column.name) {
                    Some(declared) => {
                        Transformed::yes(Expr::Column(Column::new_unqualified(declared.name.clone())))
                    }
                    None => Transformed::no(Expr::Column(column)),
                },
                other => Transformed::no(other),
            })
        })?;
        let schema = DFSchema::try_from(self.stored.as_ref().clone())?;
        state.create_physical_expr(filter.data, &schema).map(Some)
    }

    /// The columns to read, and which of them come out.
    fn shape(&self, projection: Option<&Vec<usize>>) -> Result<ScanShape> {
        let wanted: Vec<usize> = match projection {
            Some(projection) => projection.iter().filter_map(|at| self.seen.get(*at).copied()).collect(),
            None => self.seen.clone(),
        };
        let schema = match projection {
            Some(projection) => Arc::new(self.schema.project(projection)?),
            None => self.schema.clone(),
        };
        let at = |name: &str| self.stored.index_of(name);
        let mut columns = wanted.clone();
        let mut reading = Reading::Concatenated;
        if self.folds() {
            let mut sort = Vec::new();
            for key in &self.definition.key_columns {
                sort.extend(self.definition.column_index(key));
            }
            let keys = sort.len();
            sort.extend([at(LOAD)?, at(ROW)?]);
            let op = at(OP)?;
            for column in sort.iter().chain([&op]) {
                if !columns.contains(column) {
                    columns.push(*column);
                }
            }
            let read_at = |column: &usize| columns.iter().position(|c| c == column);
            let sort: Vec<usize> = sort.iter().filter_map(read_at).collect();
            let rules = columns.iter().map(|at| self.rules.get(*at).copied().unwrap_or(Rule::Last)).collect();
            let keys = sort.iter().copied().take(keys).collect();
            let op = read_at(&op).ok_or_else(|| DataFusionError::Internal("no operation column".into()))?;
            reading = Reading::Folded { sort, spec: FoldSpec { keys, rules, op } };
        }
        let output = wanted.iter().filter_map(|c| columns.iter().position(|at| at == c)).collect();
        let held = Some(self.snapshot.clone());
        Ok(ScanShape {
            stored: self.stored.clone(),
            columns,
            output,
            schema,
            pruning: None,
            reading,
            held,
            sources: None,
        })
    }

    /// The files, grouped as they are read: one piece for each bucket where
    /// rows are merged, else for each file.
    async fn pieces(&self) -> Result<Vec<Vec<ScanFile>>> {
        let mut pieces = Vec::new();
        if let Some(files) = &self.listed {
            self.group(files.iter().cloned(), &mut pieces);
            return Ok(pieces);
        }
        for partition in self.partitions.iter().filter(|partition| partition.files > 0) {
            let files =
                self.snapshot.files(partition).await.map_err(|e| DataFusionError::External(Box::new(e)))?;
            let own = files.into_iter().filter(|file| file.rollup == self.rollup);
            let home = Home::new(self.base.as_ref().unwrap_or(&self.definition.name), partition.name());
            let scans = own.map(|file| Ok((file.bucket, ScanFile::new(&file.path, file.len)?.of(&home))));
            self.group(scans.collect::<Result<Vec<_>>>()?.into_iter(), &mut pieces);
        }
        Ok(pieces)
    }

    fn group(&self, files: impl Iterator<Item = (u32, ScanFile)>, pieces: &mut Vec<Vec<ScanFile>>) {
        let mut buckets: BTreeMap<u32, Vec<ScanFile>> = BTreeMap::new();
        for (bucket, scan) in files {
            if self.folds() {
                buckets.entry(bucket).or_default().push(scan);
            } else {
                pieces.push(vec![scan]);
            }
        }
        pieces.extend(buckets.into_values());
    }
}

#[async_trait]
impl TableProvider for StoredTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| match self.may_prune(filter) {
                true => TableProviderFilterPushDown::Inexact,
                false => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        // A limit counts rows of the table, not of the files.
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut shape = self.shape(projection)?;
        shape.pruning = self.pruning(state, filters)?;
        let pieces = self.pieces().await?;
        let parallel = state.config().target_partitions();
        Ok(Arc::new(TableScanExec::new(self.definition.name.clone(), shape, pieces, parallel)))
    }
}

/// The definition of a table in the catalog, or of the table that holds the
/// rows of a materialized view.
///
/// # Errors
/// The object has no rows, or its definition is damaged.
pub(crate) fn definition_of(object: &LiveObject) -> Result<TableDefinition> {
    let damaged = |error: serde_json::Error| {
        let text = format!("the definition of {} {} is damaged: {error}", object.kind, object.name);
        into_query(SqlError::execute(text))
    };
    if object.kind == KindId::MATERIALIZED_VIEW {
        let view: MaterializedViewDefinition =
            serde_json::from_value(object.definition.clone()).map_err(damaged)?;
        return Ok(view.as_table());
    }
    if object.kind != KindId::TABLE {
        return Err(into_query(SqlError::analyze(format!(
            "'{}' is a {}, not a table",
            object.name,
            object.kind.as_str().replace('_', " ")
        ))));
    }
    serde_json::from_value(object.definition.clone()).map_err(damaged)
}
