//! Databases, USE, and the dispatch of CREATE and DROP.

use super::{Reader, Result};
use crate::ast::{CreateDatabase, DropDatabase, DropObject, Statement, TruncateTable, Use};

impl Reader<'_> {
    pub(super) fn create(&mut self, start: usize) -> Result<Statement> {
        self.bump();
        let or_replace = self.eat_words(&["OR", "REPLACE"]);
        if self.is_word("VIEW") {
            return self.create_view(or_replace);
        }
        if self.is_function_next() {
            return self.create_function(or_replace);
        }
        if or_replace {
            return Err(self.no_viable(start));
        }
        if self.is_word("READ") {
            self.bump();
            self.expect_word("ONLY")?;
            return self.create_repository(true);
        }
        if self.is_word("REPOSITORY") {
            return self.create_repository(false);
        }
        if self.eat_any(&["DATABASE", "SCHEMA"]).is_some() {
            return self.create_database();
        }
        if self.is_word("MATERIALIZED") {
            return self.create_materialized_view();
        }
        if self.is_word("EXTERNAL") && self.is_word_nth(1, "CATALOG") {
            return self.create_catalog();
        }
        if self.is_word("EXTERNAL") && self.is_word_nth(1, "RESOURCE") {
            return self.create_other(start);
        }
        let external = self.eat_word("EXTERNAL");
        let temporary = !external && self.eat_word("TEMPORARY");
        if self.is_word("TABLE") {
            return self.create_table(start, external, temporary);
        }
        if external || temporary {
            return Err(self.no_viable(start));
        }
        self.create_other(start)
    }

    fn create_database(&mut self) -> Result<Statement> {
        let if_not_exists = self.if_not_exists()?;
        let name = self.object_name()?;
        let charset = self.charset()?;
        let collate = if self.eat_word("COLLATE") {
            self.eat_symbol("=");
            Some(self.ident_or_text()?)
        } else {
            None
        };
        let properties = self.properties()?;
        Ok(Statement::CreateDatabase(CreateDatabase { if_not_exists, name, charset, collate, properties }))
    }

    /// `[DEFAULT] CHARSET [=] name` or `CHARACTER SET [=] name`.
    pub(super) fn charset(&mut self) -> Result<Option<String>> {
        if self.is_word("DEFAULT") && (self.is_word_nth(1, "CHARSET") || self.is_word_nth(1, "CHARACTER")) {
            self.bump();
        }
        if self.eat_words(&["CHARACTER", "SET"])
            || self.eat_words(&["CHAR", "SET"])
            || self.eat_word("CHARSET")
        {
            self.eat_symbol("=");
            return Ok(Some(self.ident_or_text()?));
        }
        Ok(None)
    }

    pub(super) fn drop(&mut self, start: usize) -> Result<Statement> {
        self.bump();
        if self.is_word("REPOSITORY") {
            return self.drop_repository();
        }
        if self.is_word("SNAPSHOT") && self.is_ident_nth(1) {
            return self.drop_snapshot();
        }
        if self.eat_any(&["DATABASE", "SCHEMA"]).is_some() {
            let if_exists = self.if_exists()?;
            let name = self.object_name()?;
            let force = self.eat_word("FORCE");
            return Ok(Statement::DropDatabase(DropDatabase { if_exists, name, force }));
        }
        let temporary = self.is_word("TEMPORARY") && self.is_word_nth(1, "TABLE");
        if temporary {
            self.bump();
        }
        let statement = if self.eat_word("TABLE") {
            "DROP TABLE"
        } else if self.eat_word("VIEW") {
            "DROP VIEW"
        } else if self.eat_words(&["MATERIALIZED", "VIEW"]) {
            "DROP MATERIALIZED VIEW"
        } else if self.eat_word("CATALOG") {
            "DROP CATALOG"
        } else if self.is_word("FUNCTION") || (self.is_word("GLOBAL") && self.is_word_nth(1, "FUNCTION")) {
            return self.drop_function();
        } else {
            return self.drop_other(start);
        };
        let if_exists = self.if_exists()?;
        let name = self.object_name()?;
        let force = self.eat_word("FORCE");
        Ok(Statement::Drop(DropObject { statement, temporary, if_exists, name, force }))
    }

    pub(super) fn use_database(&mut self) -> Result<Statement> {
        self.bump();
        let first = self.ident()?;
        if self.eat_symbol(".") {
            let database = self.ident()?;
            return Ok(Statement::Use(Use { catalog: Some(first), database }));
        }
        Ok(Statement::Use(Use { catalog: None, database: first }))
    }

    pub(super) fn truncate(&mut self) -> Result<Statement> {
        self.bump();
        self.expect_word("TABLE")?;
        let name = self.object_name()?;
        let partitions = self.partition_list()?;
        Ok(Statement::TruncateTable(TruncateTable { name, partitions }))
    }
}
