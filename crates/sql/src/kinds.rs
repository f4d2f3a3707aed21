//! Words for kinds of object, and names of statements.

use rockhold_core::{KindDescriptor, KindId, Namespace};

/// The words by which BACKUP and RESTORE name one kind of object.
///
/// Kinds are open: an object type that is added later brings its words, and the
/// parser reads them without being changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindWords {
    /// Id of the kind, carried into the syntax tree.
    pub id: String,
    /// Words before one object, upper case: `["MATERIALIZED", "VIEW"]`.
    pub singular: Vec<String>,
    /// Words in the plural: `["MATERIALIZED", "VIEWS"]`.
    pub plural: Vec<String>,
    /// A PARTITION list may follow the name.
    pub partitions: bool,
}

impl KindWords {
    /// Words of a kind, each given as upper-case words with blanks between.
    pub fn new(id: &str, singular: &str, plural: &str, partitions: bool) -> Self {
        let words = |text: &str| text.split_whitespace().map(str::to_ascii_uppercase).collect();
        KindWords { id: id.to_string(), singular: words(singular), plural: words(plural), partitions }
    }

    /// The words of the kinds that an ON list can name: all that live in a
    /// database. Catalogs have clauses of their own.
    pub fn of<'k>(kinds: impl IntoIterator<Item = &'k KindDescriptor>) -> Vec<KindWords> {
        let named = kinds.into_iter().filter(|kind| kind.namespace != Namespace::Catalog);
        named
            .map(|kind| KindWords {
                id: kind.id.as_str().to_string(),
                singular: kind.singular.clone(),
                plural: kind.plural.clone(),
                partitions: kind.partition_list,
            })
            .collect()
    }
}

/// StarRocks's kinds: what a parser reads that nobody told of others.
pub fn default_kinds() -> Vec<KindWords> {
    let words =
        |id: KindId, singular, plural, partitions| KindWords::new(id.as_str(), singular, plural, partitions);
    vec![
        words(KindId::TABLE, "TABLE", "TABLES", true),
        words(KindId::MATERIALIZED_VIEW, "MATERIALIZED VIEW", "MATERIALIZED VIEWS", false),
        words(KindId::VIEW, "VIEW", "VIEWS", false),
        words(KindId::FUNCTION, "FUNCTION", "FUNCTIONS", false),
    ]
}

/// Names of all kinds of statement that the parser knows: the values of
/// [`crate::ast::Statement::kind`], sorted.
pub const STATEMENT_KINDS: &[&str] = &[
    "ADMIN",
    "ALTER DATABASE",
    "ALTER MATERIALIZED VIEW",
    "ALTER TABLE",
    "ALTER USER",
    "ALTER VIEW",
    "ANALYZE",
    "BACKUP",
    "BEGIN / COMMIT / ROLLBACK",
    "CANCEL ALTER TABLE",
    "CANCEL BACKUP",
    "CANCEL REFRESH MATERIALIZED VIEW",
    "CANCEL RESTORE",
    "CREATE DATABASE",
    "CREATE EXTERNAL CATALOG",
    "CREATE FUNCTION",
    "CREATE INDEX",
    "CREATE MATERIALIZED VIEW",
    "CREATE MATERIALIZED VIEW (synchronous)",
    "CREATE REPOSITORY",
    "CREATE RESOURCE",
    "CREATE RESOURCE GROUP",
    "CREATE ROLE",
    "CREATE TABLE",
    "CREATE TABLE AS SELECT",
    "CREATE TABLE LIKE",
    "CREATE USER",
    "CREATE VIEW",
    "DELETE",
    "DESC",
    "DROP CATALOG",
    "DROP DATABASE",
    "DROP FUNCTION",
    "DROP INDEX",
    "DROP MATERIALIZED VIEW",
    "DROP REPOSITORY",
    "DROP RESOURCE",
    "DROP RESOURCE GROUP",
    "DROP ROLE",
    "DROP SNAPSHOT",
    "DROP TABLE",
    "DROP USER",
    "DROP VIEW",
    "EXECUTE AS",
    "EXPLAIN",
    "GRANT",
    "INSERT",
    "INSERT INTO FILES",
    "KILL",
    "LOAD",
    "RECOVER",
    "REFRESH EXTERNAL TABLE",
    "REFRESH MATERIALIZED VIEW",
    "RESTORE",
    "REVOKE",
    "SELECT",
    "SET",
    "SHOW (other)",
    "SHOW ALTER TABLE",
    "SHOW BACKENDS",
    "SHOW BACKUP",
    "SHOW BROKER",
    "SHOW CATALOGS",
    "SHOW CHARSET",
    "SHOW COLLATION",
    "SHOW COLUMNS",
    "SHOW COMPUTE NODES",
    "SHOW CREATE CATALOG",
    "SHOW CREATE DATABASE",
    "SHOW CREATE MATERIALIZED VIEW",
    "SHOW CREATE TABLE",
    "SHOW CREATE VIEW",
    "SHOW DATA",
    "SHOW DATABASES",
    "SHOW ENGINES",
    "SHOW ERRORS",
    "SHOW FRONTENDS",
    "SHOW FUNCTIONS",
    "SHOW INDEX",
    "SHOW MATERIALIZED VIEWS",
    "SHOW PARTITIONS",
    "SHOW PLUGINS",
    "SHOW PROCESSLIST",
    "SHOW REPOSITORIES",
    "SHOW RESTORE",
    "SHOW SNAPSHOT",
    "SHOW STATUS",
    "SHOW TABLE STATUS",
    "SHOW TABLES",
    "SHOW TABLET",
    "SHOW VARIABLES",
    "SHOW VIEWS",
    "SHOW WARNINGS",
    "SUBMIT TASK",
    "TRUNCATE TABLE",
    "UPDATE",
    "USE",
];

/// A Markdown table of all kinds of statement, and whether each is executed.
///
/// `executed` says it of one kind; what it does not execute is refused with an
/// error, never ignored. Documentation holds this table and a test compares it.
pub fn statement_table(executed: impl Fn(&str) -> bool) -> String {
    let mut table = String::from("| statement | |\n|---|---|\n");
    for kind in STATEMENT_KINDS {
        let what = if executed(kind) { "executed" } else { "refused" };
        table.push_str(&format!("| {kind} | {what} |\n"));
    }
    table
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_has_every_kind_once() {
        let table = super::statement_table(|kind| kind == "BACKUP");
        assert_eq!(table.lines().count(), super::STATEMENT_KINDS.len() + 2);
        assert!(table.contains("| BACKUP | executed |\n") && table.contains("| GRANT | refused |\n"));
    }

    #[test]
    fn statement_kinds_are_sorted_and_unique() {
        assert!(super::STATEMENT_KINDS.is_sorted_by(|a, b| a < b));
    }
}
