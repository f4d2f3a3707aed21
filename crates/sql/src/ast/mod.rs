//! The syntax tree of statements, and how it prints.
//!
//! `Display` of every node is SQL that parses to an equal tree. Queries and
//! expressions carry the text they were written in beside their
//! [`sqlparser`] tree, and print as that text, so that comments and hints
//! survive being stored.

mod admin;
mod backup;
mod database;
mod dml;
mod materialized_view;
mod name;
mod objects;
mod query;
mod show;
mod table;
mod table_alter;
mod table_partition;

pub use admin::{Opaque, Set, SetItem, SetScope, SetValue, Transaction};
pub use backup::{
    Backup, CancelJob, CancelTarget, CatalogClause, CatalogItem, CreateRepository, DropRepository,
    DropSnapshot, JobKind, KindRef, ObjectItem, ObjectSelection, Restore, ShowJobs, ShowSnapshots,
    SnapshotName,
};
pub use database::{CreateDatabase, DropDatabase, Use};
pub use dml::{Assignment, Delete, Insert, InsertTarget, Update};
pub use materialized_view::{
    AlterMaterializedView, AlterMaterializedViewAction, CreateMaterializedView, MaterializedViewColumn,
    PartitionRefresh, RefreshClause, RefreshMaterializedView,
};
pub(crate) use name::is_plain;
pub use name::{
    Ident, ObjectName, PartitionList, Property, PropertyList, comma_separated, quote_ident, quote_text,
    sql_type,
};
pub use objects::{
    AlterView, AlterViewAction, CreateCatalog, CreateFunction, CreateView, DropFunction, DropObject,
    FunctionOptions, FunctionParameter, FunctionReturns, ViewColumnDef,
};
pub use query::{ExprText, FromText, QueryText};
pub use show::{Describe, Explain, ExplainLevel, Show, ShowFilter, ShowWhat};
pub use table::{
    AggregationDef, ColumnDef, CreateTable, CreateTableAs, CreateTableLike, DefaultDef, DistributionDef,
    IndexDef, KeyClause, RollupDef, TruncateTable,
};
pub use table_alter::{AlterClause, AlterTable, ColumnPosition};
pub use table_partition::{
    Every, ListPartitionDef, PartitionClause, PartitionLiteral, RangeItem, RangeKey, RangeValues, UpperBound,
};

use std::fmt;

/// One statement.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "each variant is named as the statement and documented at its struct")]
pub enum Statement {
    CreateRepository(CreateRepository),
    DropRepository(DropRepository),
    /// `SHOW REPOSITORIES`.
    ShowRepositories,
    Backup(Box<Backup>),
    Restore(Box<Restore>),
    CancelJob(CancelJob),
    ShowJobs(ShowJobs),
    ShowSnapshots(ShowSnapshots),
    DropSnapshot(DropSnapshot),

    CreateDatabase(CreateDatabase),
    DropDatabase(DropDatabase),
    Use(Use),

    CreateTable(Box<CreateTable>),
    CreateTableLike(Box<CreateTableLike>),
    CreateTableAs(Box<CreateTableAs>),
    AlterTable(Box<AlterTable>),
    TruncateTable(TruncateTable),
    /// DROP TABLE, DROP VIEW, DROP MATERIALIZED VIEW.
    Drop(DropObject),

    Query(Box<QueryText>),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),

    CreateView(Box<CreateView>),
    AlterView(Box<AlterView>),
    CreateMaterializedView(Box<CreateMaterializedView>),
    AlterMaterializedView(Box<AlterMaterializedView>),
    RefreshMaterializedView(Box<RefreshMaterializedView>),
    CreateFunction(Box<CreateFunction>),
    DropFunction(DropFunction),
    CreateCatalog(CreateCatalog),

    Show(Box<Show>),
    Describe(Describe),
    Explain(Explain),
    Set(Set),
    Transaction(Transaction),

    /// A statement of StarRocks that is recognised by its first words and kept
    /// as text.
    Opaque(Opaque),
}

impl Statement {
    /// Name of the statement's kind, one of [`crate::STATEMENT_KINDS`].
    pub fn kind(&self) -> &'static str {
        match self {
            Statement::CreateRepository(_) => "CREATE REPOSITORY",
            Statement::DropRepository(_) => "DROP REPOSITORY",
            Statement::ShowRepositories => "SHOW REPOSITORIES",
            Statement::Backup(_) => "BACKUP",
            Statement::Restore(_) => "RESTORE",
            Statement::CancelJob(job) => match job.kind {
                JobKind::Backup => "CANCEL BACKUP",
                JobKind::Restore => "CANCEL RESTORE",
            },
            Statement::ShowJobs(jobs) => match jobs.kind {
                JobKind::Backup => "SHOW BACKUP",
                JobKind::Restore => "SHOW RESTORE",
            },
            Statement::ShowSnapshots(_) => "SHOW SNAPSHOT",
            Statement::DropSnapshot(_) => "DROP SNAPSHOT",
            Statement::CreateDatabase(_) => "CREATE DATABASE",
            Statement::DropDatabase(_) => "DROP DATABASE",
            Statement::Use(_) => "USE",
            Statement::CreateTable(_) => "CREATE TABLE",
            Statement::CreateTableLike(_) => "CREATE TABLE LIKE",
            Statement::CreateTableAs(_) => "CREATE TABLE AS SELECT",
            Statement::AlterTable(_) => "ALTER TABLE",
            Statement::TruncateTable(_) => "TRUNCATE TABLE",
            Statement::Drop(drop) => drop.statement,
            Statement::Query(_) => "SELECT",
            Statement::Insert(insert) => match insert.target {
                InsertTarget::Table { .. } => "INSERT",
                InsertTarget::Files(_) => "INSERT INTO FILES",
            },
            Statement::Update(_) => "UPDATE",
            Statement::Delete(_) => "DELETE",
            Statement::CreateView(_) => "CREATE VIEW",
            Statement::AlterView(_) => "ALTER VIEW",
            Statement::CreateMaterializedView(view) if view.is_synchronous() => {
                "CREATE MATERIALIZED VIEW (synchronous)"
            }
            Statement::CreateMaterializedView(_) => "CREATE MATERIALIZED VIEW",
            Statement::AlterMaterializedView(_) => "ALTER MATERIALIZED VIEW",
            Statement::RefreshMaterializedView(_) => "REFRESH MATERIALIZED VIEW",
            Statement::CreateFunction(_) => "CREATE FUNCTION",
            Statement::DropFunction(_) => "DROP FUNCTION",
            Statement::CreateCatalog(_) => "CREATE EXTERNAL CATALOG",
            Statement::Show(show) => show.what.kind(),
            Statement::Describe(_) => "DESC",
            Statement::Explain(_) => "EXPLAIN",
            Statement::Set(_) => "SET",
            Statement::Transaction(_) => "BEGIN / COMMIT / ROLLBACK",
            Statement::Opaque(opaque) => opaque.kind,
        }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statement::CreateRepository(statement) => statement.fmt(f),
            Statement::DropRepository(statement) => statement.fmt(f),
            Statement::ShowRepositories => f.write_str("SHOW REPOSITORIES"),
            Statement::Backup(statement) => statement.fmt(f),
            Statement::Restore(statement) => statement.fmt(f),
            Statement::CancelJob(statement) => statement.fmt(f),
            Statement::ShowJobs(statement) => statement.fmt(f),
            Statement::ShowSnapshots(statement) => statement.fmt(f),
            Statement::DropSnapshot(statement) => statement.fmt(f),
            Statement::CreateDatabase(statement) => statement.fmt(f),
            Statement::DropDatabase(statement) => statement.fmt(f),
            Statement::Use(statement) => statement.fmt(f),
            Statement::CreateTable(statement) => statement.fmt(f),
            Statement::CreateTableLike(statement) => statement.fmt(f),
            Statement::CreateTableAs(statement) => statement.fmt(f),
            Statement::AlterTable(statement) => statement.fmt(f),
            Statement::TruncateTable(statement) => statement.fmt(f),
            Statement::Drop(statement) => statement.fmt(f),
            Statement::Query(statement) => statement.fmt(f),
            Statement::Insert(statement) => statement.fmt(f),
            Statement::Update(statement) => statement.fmt(f),
            Statement::Delete(statement) => statement.fmt(f),
            Statement::CreateView(statement) => statement.fmt(f),
            Statement::AlterView(statement) => statement.fmt(f),
            Statement::CreateMaterializedView(statement) => statement.fmt(f),
            Statement::AlterMaterializedView(statement) => statement.fmt(f),
            Statement::RefreshMaterializedView(statement) => statement.fmt(f),
            Statement::CreateFunction(statement) => statement.fmt(f),
            Statement::DropFunction(statement) => statement.fmt(f),
            Statement::CreateCatalog(statement) => statement.fmt(f),
            Statement::Show(statement) => statement.fmt(f),
            Statement::Describe(statement) => statement.fmt(f),
            Statement::Explain(statement) => statement.fmt(f),
            Statement::Set(statement) => statement.fmt(f),
            Statement::Transaction(statement) => statement.fmt(f),
            Statement::Opaque(statement) => statement.fmt(f),
        }
    }
}
