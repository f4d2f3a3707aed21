//! INSERT, UPDATE, DELETE.

use super::{Reader, Result};
use crate::ast::{Assignment, Delete, Insert, InsertTarget, Statement, Update};
use crate::lexer::{Token, TokenKind};

impl Reader<'_> {
    pub(super) fn insert(&mut self) -> Result<Statement> {
        let hint = match self.tokens.get(self.at + 1) {
            Some(Token { kind: TokenKind::Hint(hint), .. }) => Some(hint.clone()),
            _ => None,
        };
        self.bump();
        let overwrite = self.expect_any(&["INTO", "OVERWRITE"])? == "OVERWRITE";
        let target = if self.is_word("FILES") && self.is_symbol_nth(1, "(") {
            self.bump();
            InsertTarget::Files(self.property_list()?)
        } else {
            self.eat_word("TABLE");
            let name = self.object_name()?;
            InsertTarget::Table { name, partitions: self.partition_list()? }
        };
        let mut label = None;
        if self.is_word("WITH") && self.is_word_nth(1, "LABEL") {
            (0..2).for_each(|_| self.bump());
            label = Some(self.ident()?);
        }
        let mut columns = None;
        // `(SELECT …)` is the query; a list of columns begins with a name.
        if self.is_symbol("(") && self.is_ident_nth(1) {
            columns = Some(self.ident_list()?);
        }
        let by_name = self.eat_words(&["BY", "NAME"]);
        if label.is_none() && self.is_word("WITH") && self.is_word_nth(1, "LABEL") {
            (0..2).for_each(|_| self.bump());
            label = Some(self.ident()?);
        }
        let properties = self.properties()?;
        if !["SELECT", "WITH", "VALUES"].iter().any(|word| self.is_word(word)) && !self.is_symbol("(") {
            return Err(self.unexpected(&["'SELECT'", "'VALUES'", "'WITH'", "'('"]));
        }
        let source = self.query()?;
        Ok(Statement::Insert(Box::new(Insert {
            hint,
            overwrite,
            target,
            label,
            columns,
            by_name,
            properties,
            source,
        })))
    }

    pub(super) fn update(&mut self) -> Result<Statement> {
        self.bump();
        let table = self.object_name()?;
        self.expect_word("SET")?;
        let assignments = self.comma_list(|reader| {
            let column = reader.ident()?;
            reader.expect_symbol("=")?;
            Ok(Assignment { column, value: reader.expression()? })
        })?;
        let from = if self.eat_word("FROM") { Some(self.tables()?) } else { None };
        let filter = if self.eat_word("WHERE") { Some(self.expression()?) } else { None };
        Ok(Statement::Update(Box::new(Update { table, assignments, from, filter })))
    }

    pub(super) fn delete(&mut self) -> Result<Statement> {
        self.bump();
        self.expect_word("FROM")?;
        let table = self.object_name()?;
        let partitions = self.partition_list()?;
        let using = if self.eat_word("USING") { Some(self.tables()?) } else { None };
        let filter = if self.eat_word("WHERE") { Some(self.expression()?) } else { None };
        Ok(Statement::Delete(Box::new(Delete { table, partitions, using, filter })))
    }
}
