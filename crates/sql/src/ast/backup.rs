//! Repositories, BACKUP, RESTORE and what watches them.

use std::fmt;

use super::name::{separated, write_properties};
use super::{ExprText, Ident, ObjectName, PartitionList, PropertyList, comma_separated, quote_text};
use crate::Span;

/// `CREATE [READ ONLY] REPOSITORY name WITH BROKER [broker] ON LOCATION "…" [PROPERTIES (…)]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateRepository {
    /// READ ONLY was written.
    pub read_only: bool,
    /// Name of the repository.
    pub name: Ident,
    /// Name of a broker process, when one was given.
    pub broker: Option<String>,
    /// Location URL.
    pub location: String,
    /// Credentials and options.
    pub properties: Option<PropertyList>,
}

impl fmt::Display for CreateRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read_only = if self.read_only { "READ ONLY " } else { "" };
        write!(f, "CREATE {read_only}REPOSITORY {} WITH BROKER", self.name)?;
        if let Some(broker) = &self.broker {
            write!(f, " {}", quote_text(broker))?;
        }
        write!(f, " ON LOCATION {}", quote_text(&self.location))?;
        write_properties(f, &self.properties)
    }
}

/// `DROP REPOSITORY name`.
#[derive(Debug, Clone, PartialEq)]
pub struct DropRepository {
    /// Name of the repository.
    pub name: Ident,
}

impl fmt::Display for DropRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DROP REPOSITORY {}", self.name)
    }
}

/// `[database.]label`.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotName {
    /// The older syntax's database.
    pub database: Option<Ident>,
    /// The label.
    pub label: Ident,
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(database) = &self.database {
            write!(f, "{database}.")?;
        }
        self.label.fmt(f)
    }
}

/// `ALL EXTERNAL CATALOGS` or `EXTERNAL CATALOG[S] (…)`.
#[derive(Debug, Clone, PartialEq)]
pub enum CatalogClause {
    /// Every catalog.
    All,
    /// The catalogs listed.
    List(Vec<CatalogItem>),
}

/// A catalog in a [`CatalogClause`].
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogItem {
    /// Name of the catalog.
    pub name: Ident,
    /// Name to restore it under; only in RESTORE.
    pub alias: Option<Ident>,
}

impl fmt::Display for CatalogItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        write_alias(f, &self.alias)
    }
}

impl fmt::Display for CatalogClause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CatalogClause::All => f.write_str("ALL EXTERNAL CATALOGS"),
            CatalogClause::List(items) => write!(f, "EXTERNAL CATALOGS ({})", comma_separated(items)),
        }
    }
}

/// The kind of object that an item names, from the parser's list of
/// [`crate::KindWords`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KindRef {
    /// The kind's id.
    pub id: String,
    /// The words it prints as.
    pub words: String,
}

/// One item of an ON list.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectItem {
    /// Kind of the object; `None` when no kind was written.
    pub kind: Option<KindRef>,
    /// Which objects of the kind.
    pub selection: ObjectSelection,
    /// Where the item was written.
    pub span: Span,
}

/// Which objects an [`ObjectItem`] means.
#[allow(clippy::large_enum_variant, reason = "nearly every item is the large one")]
#[derive(Debug, Clone, PartialEq)]
pub enum ObjectSelection {
    /// All of the kind.
    All,
    /// One.
    Named {
        /// Its name.
        name: ObjectName,
        /// Only these partitions.
        partitions: Option<PartitionList>,
        /// Name to restore it under; only in RESTORE.
        alias: Option<Ident>,
        /// From name to alias, for errors.
        span: Span,
    },
}

impl fmt::Display for ObjectItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.kind.as_ref().map(|kind| kind.words.as_str());
        match &self.selection {
            ObjectSelection::All => write!(f, "ALL {}", words.unwrap_or_default()),
            ObjectSelection::Named { name, partitions, alias, .. } => {
                if let Some(words) = words {
                    write!(f, "{words} ")?;
                }
                name.fmt(f)?;
                if let Some(partitions) = partitions {
                    write!(f, " {partitions}")?;
                }
                write_alias(f, alias)
            }
        }
    }
}

fn write_alias(f: &mut fmt::Formatter<'_>, alias: &Option<Ident>) -> fmt::Result {
    match alias {
        Some(alias) => write!(f, " AS {alias}"),
        None => Ok(()),
    }
}

fn write_items(f: &mut fmt::Formatter<'_>, items: &Option<Vec<ObjectItem>>) -> fmt::Result {
    let Some(items) = items else { return Ok(()) };
    f.write_str(" ON (")?;
    separated(f, items, ", ")?;
    f.write_str(")")
}

/// `BACKUP [catalogs] [DATABASE db] SNAPSHOT [db.]label TO repository [ON (…)] [PROPERTIES (…)]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Backup {
    /// External catalogs instead of a database.
    pub catalogs: Option<CatalogClause>,
    /// Database of the DATABASE clause.
    pub database: Option<Ident>,
    /// Label, with the older syntax's database.
    pub snapshot: SnapshotName,
    /// Repository to write to.
    pub repository: Ident,
    /// What to back up; `None` for everything in the database.
    pub items: Option<Vec<ObjectItem>>,
    /// Properties.
    pub properties: Option<PropertyList>,
}

impl Backup {
    /// The database named by either syntax.
    pub fn database(&self) -> Option<&Ident> {
        self.database.as_ref().or(self.snapshot.database.as_ref())
    }
}

impl fmt::Display for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BACKUP ")?;
        if let Some(catalogs) = &self.catalogs {
            write!(f, "{catalogs} ")?;
        }
        if let Some(database) = &self.database {
            write!(f, "DATABASE {database} ")?;
        }
        write!(f, "SNAPSHOT {} TO {}", self.snapshot, self.repository)?;
        write_items(f, &self.items)?;
        write_properties(f, &self.properties)
    }
}

/// `RESTORE SNAPSHOT [db.]label FROM repository [catalogs] [DATABASE db [AS db]] [ON (…)] [PROPERTIES (…)]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Restore {
    /// Label, with the older syntax's target database.
    pub snapshot: SnapshotName,
    /// Repository to read.
    pub repository: Ident,
    /// External catalogs instead of a database.
    pub catalogs: Option<CatalogClause>,
    /// Database recorded in the snapshot.
    pub database: Option<Ident>,
    /// Database to restore into, when it differs.
    pub database_alias: Option<Ident>,
    /// What to restore; `None` for everything in the snapshot.
    pub items: Option<Vec<ObjectItem>>,
    /// Properties.
    pub properties: Option<PropertyList>,
}

impl Restore {
    /// The database to restore into; `None` means the one recorded in the
    /// snapshot.
    pub fn target_database(&self) -> Option<&Ident> {
        self.database_alias.as_ref().or(self.database.as_ref()).or(self.snapshot.database.as_ref())
    }
}

impl fmt::Display for Restore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RESTORE SNAPSHOT {} FROM {}", self.snapshot, self.repository)?;
        if let Some(catalogs) = &self.catalogs {
            write!(f, " {catalogs}")?;
        }
        if let Some(database) = &self.database {
            write!(f, " DATABASE {database}")?;
            write_alias(f, &self.database_alias)?;
        }
        write_items(f, &self.items)?;
        write_properties(f, &self.properties)
    }
}

/// Backup or restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// BACKUP.
    Backup,
    /// RESTORE.
    Restore,
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JobKind::Backup => "BACKUP",
            JobKind::Restore => "RESTORE",
        })
    }
}

/// `CANCEL BACKUP|RESTORE [FROM db | FOR EXTERNAL CATALOG]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CancelJob {
    /// Which kind of job.
    pub kind: JobKind,
    /// Whose job; without one the session's database.
    pub target: Option<CancelTarget>,
}

/// Whose job to cancel.
#[derive(Debug, Clone, PartialEq)]
pub enum CancelTarget {
    /// That of a database.
    Database(Ident),
    /// That of the external catalogs.
    ExternalCatalog,
}

impl fmt::Display for CancelJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CANCEL {}", self.kind)?;
        match &self.target {
            None => Ok(()),
            Some(CancelTarget::Database(database)) => write!(f, " FROM {database}"),
            Some(CancelTarget::ExternalCatalog) => f.write_str(" FOR EXTERNAL CATALOG"),
        }
    }
}

/// `SHOW BACKUP|RESTORE [FROM db] [WHERE …]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ShowJobs {
    /// Which kind of job.
    pub kind: JobKind,
    /// Only this database.
    pub database: Option<Ident>,
    /// Filter; only SHOW RESTORE has one.
    pub filter: Option<ExprText>,
}

impl fmt::Display for ShowJobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHOW {}", self.kind)?;
        if let Some(database) = &self.database {
            write!(f, " FROM {database}")?;
        }
        match &self.filter {
            Some(filter) => write!(f, " WHERE {filter}"),
            None => Ok(()),
        }
    }
}

/// `SHOW SNAPSHOT ON repository [WHERE …]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ShowSnapshots {
    /// Repository to list.
    pub repository: Ident,
    /// Filter; [`crate::analyze::snapshot_filter`] says what it means.
    pub filter: Option<ExprText>,
}

impl fmt::Display for ShowSnapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHOW SNAPSHOT ON {}", self.repository)?;
        match &self.filter {
            Some(filter) => write!(f, " WHERE {filter}"),
            None => Ok(()),
        }
    }
}

/// `DROP SNAPSHOT label ON repository [FORCE]`.
#[derive(Debug, Clone, PartialEq)]
pub struct DropSnapshot {
    /// The label.
    pub label: Ident,
    /// The repository.
    pub repository: Ident,
    /// FORCE was written.
    pub force: bool,
}

impl fmt::Display for DropSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let force = if self.force { " FORCE" } else { "" };
        write!(f, "DROP SNAPSHOT {} ON {}{force}", self.label, self.repository)
    }
}
