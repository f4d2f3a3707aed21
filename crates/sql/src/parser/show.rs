//! SHOW and DESC.

use super::{Reader, Result};
use crate::ast::{Describe, JobKind, ObjectName, Opaque, Show, ShowFilter, ShowWhat, Statement};

impl Reader<'_> {
    pub(super) fn show(&mut self, start: usize) -> Result<Statement> {
        self.bump();
        if self.is_word("REPOSITORIES") {
            self.bump();
            return Ok(Statement::ShowRepositories);
        }
        if self.is_word("BACKUP") {
            return self.show_jobs(JobKind::Backup);
        }
        if self.is_word("RESTORE") {
            return self.show_jobs(JobKind::Restore);
        }
        if self.is_word("SNAPSHOT") {
            return self.show_snapshots();
        }
        let Some(what) = self.show_what()? else {
            return self.show_other(start);
        };
        let mut show = Show { what, filter: None, order_by: None, limit: None };
        if self.eat_word("LIKE") {
            show.filter = Some(ShowFilter::Like(self.text()?));
        } else if self.eat_word("WHERE") {
            show.filter = Some(ShowFilter::Where(Box::new(self.expression()?)));
        }
        if self.eat_word("ORDER") {
            self.expect_word("BY")?;
            let begin = self.at;
            self.comma_list(|reader| {
                reader.expression()?;
                reader.eat_any(&["ASC", "DESC"]);
                Ok(())
            })?;
            show.order_by = Some(self.span_from(begin).text(self.source).to_string());
        }
        if self.eat_word("LIMIT") {
            let first = self.integer()?;
            show.limit = Some(if self.eat_symbol(",") {
                (first, self.integer()?)
            } else if self.eat_word("OFFSET") {
                (self.integer()?, first)
            } else {
                (0, first)
            });
        }
        Ok(Statement::Show(Box::new(show)))
    }

    /// `[FROM|IN name]`.
    fn database_clause(&mut self) -> Result<Option<ObjectName>> {
        if self.eat_any(&["FROM", "IN"]).is_some() { Ok(Some(self.object_name()?)) } else { Ok(None) }
    }

    /// `FROM|IN name`.
    fn of_table(&mut self) -> Result<ObjectName> {
        self.expect_any(&["FROM", "IN"])?;
        self.object_name()
    }

    fn show_what(&mut self) -> Result<Option<ShowWhat>> {
        if self.is_word("CREATE") {
            return self.show_create();
        }
        if self.eat_any(&["DATABASES", "SCHEMAS"]).is_some() {
            let catalog = if self.eat_any(&["FROM", "IN"]).is_some() { Some(self.ident()?) } else { None };
            return Ok(Some(ShowWhat::Databases { catalog }));
        }
        let full = self.eat_word("FULL");
        if self.eat_word("TABLES") {
            return Ok(Some(ShowWhat::Tables { full, database: self.database_clause()? }));
        }
        if self.eat_any(&["COLUMNS", "FIELDS"]).is_some() {
            let table = self.of_table()?;
            let database = self.database_clause()?;
            return Ok(Some(ShowWhat::Columns { full, table, database }));
        }
        if self.eat_word("PROCESSLIST") {
            return Ok(Some(ShowWhat::Processlist { full }));
        }
        let scope = self.function_scope();
        if self.eat_word("FUNCTIONS") {
            return Ok(Some(ShowWhat::Functions { full, scope, database: self.database_clause()? }));
        }
        if full {
            return Err(self.unexpected(&["'TABLES'", "'COLUMNS'", "'FUNCTIONS'", "'PROCESSLIST'"]));
        }
        let scope = match scope {
            Some(scope) => Some(scope),
            None => self
                .eat_any(&["SESSION", "LOCAL", "VERBOSE"])
                .and_then(|word| ["SESSION", "LOCAL", "VERBOSE"].into_iter().find(|name| *name == word)),
        };
        if self.eat_word("VARIABLES") {
            return Ok(Some(ShowWhat::Variables { scope }));
        }
        if self.eat_word("STATUS") {
            return Ok(Some(ShowWhat::Status { scope }));
        }
        if scope.is_some() {
            return Err(self.unexpected(&["'VARIABLES'", "'STATUS'"]));
        }
        if self.is_word("TEMPORARY") || self.is_word("PARTITIONS") {
            let temporary = self.eat_word("TEMPORARY");
            self.expect_word("PARTITIONS")?;
            return Ok(Some(ShowWhat::Partitions { temporary, table: self.of_table()? }));
        }
        self.show_list()
    }

    /// GLOBAL or BUILTIN.
    fn function_scope(&mut self) -> Option<&'static str> {
        match self.eat_any(&["GLOBAL", "BUILTIN"]) {
            Some("GLOBAL") => Some("GLOBAL"),
            Some(_) => Some("BUILTIN"),
            None => None,
        }
    }

    fn show_list(&mut self) -> Result<Option<ShowWhat>> {
        let simple = [
            ("CATALOGS", ShowWhat::Catalogs),
            ("FRONTENDS", ShowWhat::Frontends),
            ("BACKENDS", ShowWhat::Backends),
            ("BROKER", ShowWhat::Brokers),
            ("WARNINGS", ShowWhat::Warnings),
            ("ERRORS", ShowWhat::Errors),
            ("CHARSET", ShowWhat::Charset),
            ("COLLATION", ShowWhat::Collation),
            ("ENGINES", ShowWhat::Engines),
            ("PLUGINS", ShowWhat::Plugins),
        ];
        if let Some((word, what)) = simple.into_iter().find(|(word, _)| self.is_word(word)) {
            self.eat_word(word);
            return Ok(Some(what));
        }
        if self.eat_words(&["CHARACTER", "SET"]) {
            return Ok(Some(ShowWhat::Charset));
        }
        if self.eat_words(&["COMPUTE", "NODES"]) {
            return Ok(Some(ShowWhat::ComputeNodes));
        }
        if self.eat_words(&["TABLE", "STATUS"]) {
            return Ok(Some(ShowWhat::TableStatus { database: self.database_clause()? }));
        }
        if self.eat_words(&["MATERIALIZED", "VIEWS"]) || self.eat_words(&["MATERIALIZED", "VIEW"]) {
            return Ok(Some(ShowWhat::MaterializedViews { database: self.database_clause()? }));
        }
        if self.eat_word("VIEWS") {
            return Ok(Some(ShowWhat::Views { database: self.database_clause()? }));
        }
        if self.eat_any(&["INDEX", "INDEXES", "KEY", "KEYS"]).is_some() {
            let table = self.of_table()?;
            let database = self.database_clause()?;
            return Ok(Some(ShowWhat::Indexes { table, database }));
        }
        if self.is_word("ALTER") && self.is_word_nth(1, "TABLE") {
            (0..2).for_each(|_| self.bump());
            let kind = match self.expect_any(&["COLUMN", "ROLLUP", "OPTIMIZE"])? {
                "ROLLUP" => "ROLLUP",
                "OPTIMIZE" => "OPTIMIZE",
                _ => "COLUMN",
            };
            return Ok(Some(ShowWhat::AlterTable { kind, database: self.database_clause()? }));
        }
        if self.eat_word("DATA") {
            return Ok(Some(ShowWhat::Data { table: self.database_clause()? }));
        }
        if (self.is_word("TABLET") || self.is_word("TABLETS")) && self.is_word_nth(1, "FROM") {
            self.bump();
            return Ok(Some(ShowWhat::Tablets { table: self.of_table()? }));
        }
        Ok(None)
    }

    /// Behind SHOW, at CREATE.
    fn show_create(&mut self) -> Result<Option<ShowWhat>> {
        self.bump();
        if self.eat_word("TABLE") {
            return Ok(Some(ShowWhat::CreateTable { name: self.object_name()? }));
        }
        if self.eat_word("VIEW") {
            return Ok(Some(ShowWhat::CreateView { name: self.object_name()? }));
        }
        if self.eat_words(&["MATERIALIZED", "VIEW"]) {
            return Ok(Some(ShowWhat::CreateMaterializedView { name: self.object_name()? }));
        }
        if self.eat_any(&["DATABASE", "SCHEMA"]).is_some() {
            return Ok(Some(ShowWhat::CreateDatabase { name: self.object_name()? }));
        }
        self.eat_word("EXTERNAL");
        if self.eat_word("CATALOG") {
            return Ok(Some(ShowWhat::CreateCatalog { name: self.ident()? }));
        }
        Err(self.unexpected(&["'TABLE'", "'VIEW'", "'MATERIALIZED'", "'DATABASE'", "'CATALOG'"]))
    }

    fn show_other(&mut self, start: usize) -> Result<Statement> {
        let known = [
            "GRANTS",
            "ROLES",
            "USERS",
            "ALL",
            "AUTHENTICATION",
            "PRIVILEGES",
            "RESOURCE",
            "RESOURCES",
            "LOAD",
            "EXPORT",
            "ROUTINE",
            "STREAM",
            "TRANSACTION",
            "PROC",
            "DELETE",
            "DYNAMIC",
            "USAGE",
            "STORAGE",
            "WAREHOUSES",
            "FILE",
            "PROFILELIST",
            "RUNNING",
            "HISTOGRAM",
            "STATS",
            "ANALYZE",
            "USER",
            "BASELINE",
            "PIPES",
            "DICTIONARY",
            "REPLICA",
            "SMALL",
            "SQLBLACKLIST",
            "DATACACHE",
            "TRIGGERS",
            "EVENTS",
            "PROCEDURE",
            "OPEN",
            "PRIVILEGE",
            "PROFILE",
            "COLOCATE",
            "ENGINE",
        ];
        if known.iter().any(|word| self.is_word(word)) {
            return Ok(Statement::Opaque(self.opaque("SHOW (other)", start)));
        }
        Err(self.no_viable(start))
    }

    /// Everything from `start` to the end, unread.
    pub(super) fn opaque(&mut self, kind: &'static str, start: usize) -> Opaque {
        self.at = self.tokens.len();
        let text = self.span_from(start).text(self.source).to_string();
        Opaque { kind, text }
    }

    pub(super) fn describe(&mut self) -> Result<Statement> {
        self.bump();
        if self.is_word("FILES") && self.is_symbol_nth(1, "(") {
            self.bump();
            return Ok(Statement::Describe(Describe::Files(self.property_list()?)));
        }
        let name = self.object_name()?;
        let all = self.eat_word("ALL");
        Ok(Statement::Describe(Describe::Table { name, all }))
    }
}
