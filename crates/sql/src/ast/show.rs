//! SHOW, DESC, EXPLAIN.

use std::fmt;

use super::{ExprText, Ident, ObjectName, PropertyList, Statement, quote_text};

/// A SHOW statement other than those of backups.
#[derive(Debug, Clone, PartialEq)]
pub struct Show {
    /// What is shown.
    pub what: ShowWhat,
    /// LIKE or WHERE.
    pub filter: Option<ShowFilter>,
    /// Text behind ORDER BY.
    pub order_by: Option<String>,
    /// `(offset, count)` of LIMIT.
    pub limit: Option<(u64, u64)>,
}

/// A filter of SHOW.
#[derive(Debug, Clone, PartialEq)]
pub enum ShowFilter {
    /// LIKE with its pattern.
    Like(String),
    /// WHERE with its condition.
    Where(Box<ExprText>),
}

/// What SHOW shows.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "fields are named as the words they hold")]
pub enum ShowWhat {
    Databases {
        catalog: Option<Ident>,
    },
    Tables {
        full: bool,
        database: Option<ObjectName>,
    },
    TableStatus {
        database: Option<ObjectName>,
    },
    Views {
        database: Option<ObjectName>,
    },
    MaterializedViews {
        database: Option<ObjectName>,
    },
    Partitions {
        temporary: bool,
        table: ObjectName,
    },
    Columns {
        full: bool,
        table: ObjectName,
        database: Option<ObjectName>,
    },
    Indexes {
        table: ObjectName,
        database: Option<ObjectName>,
    },
    CreateTable {
        name: ObjectName,
    },
    CreateView {
        name: ObjectName,
    },
    CreateMaterializedView {
        name: ObjectName,
    },
    CreateDatabase {
        name: ObjectName,
    },
    CreateCatalog {
        name: Ident,
    },
    Functions {
        full: bool,
        scope: Option<&'static str>,
        database: Option<ObjectName>,
    },
    Catalogs,
    /// `scope`: GLOBAL, SESSION, LOCAL or VERBOSE.
    Variables {
        scope: Option<&'static str>,
    },
    Frontends,
    Backends,
    ComputeNodes,
    Brokers,
    Processlist {
        full: bool,
    },
    Warnings,
    Errors,
    /// `ALTER TABLE COLUMN|ROLLUP|OPTIMIZE [FROM db]`.
    AlterTable {
        kind: &'static str,
        database: Option<ObjectName>,
    },
    Status {
        scope: Option<&'static str>,
    },
    Charset,
    Collation,
    Engines,
    Plugins,
    Data {
        table: Option<ObjectName>,
    },
    Tablets {
        table: ObjectName,
    },
}

impl ShowWhat {
    /// Name of the statement's kind.
    pub fn kind(&self) -> &'static str {
        match self {
            ShowWhat::Databases { .. } => "SHOW DATABASES",
            ShowWhat::Tables { .. } => "SHOW TABLES",
            ShowWhat::TableStatus { .. } => "SHOW TABLE STATUS",
            ShowWhat::Views { .. } => "SHOW VIEWS",
            ShowWhat::MaterializedViews { .. } => "SHOW MATERIALIZED VIEWS",
            ShowWhat::Partitions { .. } => "SHOW PARTITIONS",
            ShowWhat::Columns { .. } => "SHOW COLUMNS",
            ShowWhat::Indexes { .. } => "SHOW INDEX",
            ShowWhat::CreateTable { .. } => "SHOW CREATE TABLE",
            ShowWhat::CreateView { .. } => "SHOW CREATE VIEW",
            ShowWhat::CreateMaterializedView { .. } => "SHOW CREATE MATERIALIZED VIEW",
            ShowWhat::CreateDatabase { .. } => "SHOW CREATE DATABASE",
            ShowWhat::CreateCatalog { .. } => "SHOW CREATE CATALOG",
            ShowWhat::Functions { .. } => "SHOW FUNCTIONS",
            ShowWhat::Catalogs => "SHOW CATALOGS",
            ShowWhat::Variables { .. } => "SHOW VARIABLES",
            ShowWhat::Frontends => "SHOW FRONTENDS",
            ShowWhat::Backends => "SHOW BACKENDS",
            ShowWhat::ComputeNodes => "SHOW COMPUTE NODES",
            ShowWhat::Brokers => "SHOW BROKER",
            ShowWhat::Processlist { .. } => "SHOW PROCESSLIST",
            ShowWhat::Warnings => "SHOW WARNINGS",
            ShowWhat::Errors => "SHOW ERRORS",
            ShowWhat::AlterTable { .. } => "SHOW ALTER TABLE",
            ShowWhat::Status { .. } => "SHOW STATUS",
            ShowWhat::Charset => "SHOW CHARSET",
            ShowWhat::Collation => "SHOW COLLATION",
            ShowWhat::Engines => "SHOW ENGINES",
            ShowWhat::Plugins => "SHOW PLUGINS",
            ShowWhat::Data { .. } => "SHOW DATA",
            ShowWhat::Tablets { .. } => "SHOW TABLET",
        }
    }
}

fn from(f: &mut fmt::Formatter<'_>, name: &Option<ObjectName>) -> fmt::Result {
    match name {
        Some(name) => write!(f, " FROM {name}"),
        None => Ok(()),
    }
}

fn scoped(f: &mut fmt::Formatter<'_>, scope: Option<&str>, word: &str) -> fmt::Result {
    match scope {
        Some(scope) => write!(f, "{scope} {word}"),
        None => f.write_str(word),
    }
}

impl fmt::Display for ShowWhat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let full_word = |full: bool| if full { "FULL " } else { "" };
        match self {
            ShowWhat::Databases { catalog } => {
                f.write_str("DATABASES")?;
                match catalog {
                    Some(catalog) => write!(f, " FROM {catalog}"),
                    None => Ok(()),
                }
            }
            ShowWhat::Tables { full, database } => {
                write!(f, "{}TABLES", full_word(*full))?;
                from(f, database)
            }
            ShowWhat::TableStatus { database } => {
                f.write_str("TABLE STATUS")?;
                from(f, database)
            }
            ShowWhat::Views { database } => {
                f.write_str("VIEWS")?;
                from(f, database)
            }
            ShowWhat::MaterializedViews { database } => {
                f.write_str("MATERIALIZED VIEWS")?;
                from(f, database)
            }
            ShowWhat::Partitions { temporary, table } => {
                write!(f, "{}PARTITIONS FROM {table}", if *temporary { "TEMPORARY " } else { "" })
            }
            ShowWhat::Columns { full, table, database } => {
                write!(f, "{}COLUMNS FROM {table}", full_word(*full))?;
                from(f, database)
            }
            ShowWhat::Indexes { table, database } => {
                write!(f, "INDEX FROM {table}")?;
                from(f, database)
            }
            ShowWhat::CreateTable { name } => write!(f, "CREATE TABLE {name}"),
            ShowWhat::CreateView { name } => write!(f, "CREATE VIEW {name}"),
            ShowWhat::CreateMaterializedView { name } => write!(f, "CREATE MATERIALIZED VIEW {name}"),
            ShowWhat::CreateDatabase { name } => write!(f, "CREATE DATABASE {name}"),
            ShowWhat::CreateCatalog { name } => write!(f, "CREATE CATALOG {name}"),
            ShowWhat::Functions { full, scope, database } => {
                f.write_str(full_word(*full))?;
                scoped(f, *scope, "FUNCTIONS")?;
                from(f, database)
            }
            ShowWhat::Catalogs => f.write_str("CATALOGS"),
            ShowWhat::Variables { scope } => scoped(f, *scope, "VARIABLES"),
            ShowWhat::Frontends => f.write_str("FRONTENDS"),
            ShowWhat::Backends => f.write_str("BACKENDS"),
            ShowWhat::ComputeNodes => f.write_str("COMPUTE NODES"),
            ShowWhat::Brokers => f.write_str("BROKER"),
            ShowWhat::Processlist { full } => write!(f, "{}PROCESSLIST", full_word(*full)),
            ShowWhat::Warnings => f.write_str("WARNINGS"),
            ShowWhat::Errors => f.write_str("ERRORS"),
            ShowWhat::AlterTable { kind, database } => {
                write!(f, "ALTER TABLE {kind}")?;
                from(f, database)
            }
            ShowWhat::Status { scope } => scoped(f, *scope, "STATUS"),
            ShowWhat::Charset => f.write_str("CHARSET"),
            ShowWhat::Collation => f.write_str("COLLATION"),
            ShowWhat::Engines => f.write_str("ENGINES"),
            ShowWhat::Plugins => f.write_str("PLUGINS"),
            ShowWhat::Data { table } => {
                f.write_str("DATA")?;
                from(f, table)
            }
            ShowWhat::Tablets { table } => write!(f, "TABLET FROM {table}"),
        }
    }
}

impl fmt::Display for Show {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHOW {}", self.what)?;
        match &self.filter {
            None => {}
            Some(ShowFilter::Like(pattern)) => write!(f, " LIKE {}", quote_text(pattern))?,
            Some(ShowFilter::Where(condition)) => write!(f, " WHERE {condition}")?,
        }
        if let Some(order_by) = &self.order_by {
            write!(f, " ORDER BY {order_by}")?;
        }
        match self.limit {
            None => Ok(()),
            Some((0, count)) => write!(f, " LIMIT {count}"),
            Some((offset, count)) => write!(f, " LIMIT {offset}, {count}"),
        }
    }
}

/// `DESC table [ALL]` or `DESC FILES (…)`.
#[derive(Debug, Clone, PartialEq)]
pub enum Describe {
    /// A table's columns.
    Table {
        /// Name.
        name: ObjectName,
        /// ALL was written: rollups, too.
        all: bool,
    },
    /// Columns of files.
    Files(PropertyList),
}

impl fmt::Display for Describe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Describe::Table { name, all } => write!(f, "DESC {name}{}", if *all { " ALL" } else { "" }),
            Describe::Files(properties) => write!(f, "DESC FILES {properties}"),
        }
    }
}

/// How much EXPLAIN explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as the words")]
pub enum ExplainLevel {
    Logical,
    Verbose,
    Costs,
    Analyze,
}

/// `EXPLAIN [LOGICAL|VERBOSE|COSTS|ANALYZE] statement`.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// The level, when written.
    pub level: Option<ExplainLevel>,
    /// What is explained: a query, BACKUP, RESTORE, INSERT, UPDATE or DELETE.
    pub statement: Box<Statement>,
}

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            None => "",
            Some(ExplainLevel::Logical) => "LOGICAL ",
            Some(ExplainLevel::Verbose) => "VERBOSE ",
            Some(ExplainLevel::Costs) => "COSTS ",
            Some(ExplainLevel::Analyze) => "ANALYZE ",
        };
        write!(f, "EXPLAIN {level}{}", self.statement)
    }
}
