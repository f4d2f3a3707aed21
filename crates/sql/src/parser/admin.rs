//! SET, transactions, and statements recognised by their first words.

use super::{Reader, Result};
use crate::ast::{Ident, Set, SetItem, SetScope, SetValue, Statement, Transaction};
use crate::lexer::TokenKind;

impl Reader<'_> {
    pub(super) fn set(&mut self) -> Result<Statement> {
        self.bump();
        let items = self.comma_list(|reader| reader.set_item())?;
        Ok(Statement::Set(Set { items }))
    }

    fn set_item(&mut self) -> Result<SetItem> {
        let start = self.at;
        if self.eat_word("NAMES") || self.eat_words(&["CHARACTER", "SET"]) || self.eat_words(&["CHAR", "SET"])
        {
            let charset = if self.eat_word("DEFAULT") { None } else { Some(self.ident_or_text()?) };
            let collate = if self.eat_word("COLLATE") { Some(self.ident_or_text()?) } else { None };
            return Ok(SetItem::Names { charset, collate });
        }
        if self.is_word("CATALOG") && self.is_ident_nth(1) {
            self.bump();
            return Ok(SetItem::Catalog(self.ident()?));
        }
        let other = ["PASSWORD", "ROLE", "PROPERTY", "TRANSACTION", "DEFAULT", "WAREHOUSE", "RESOURCE_GROUP"];
        let scoped = usize::from(["SESSION", "GLOBAL", "LOCAL"].iter().any(|word| self.is_word(word)));
        if other.iter().any(|word| self.is_word_nth(scoped, word)) && !self.is_symbol_nth(scoped + 1, "=") {
            let opaque = self.opaque("SET", start);
            return Ok(SetItem::Other(opaque.text));
        }
        let mut scope = SetScope::Session;
        if self.eat_symbol("@@") {
            if self.is_symbol_nth(1, ".")
                && let Some(word) = self.eat_any(&["GLOBAL", "SESSION", "LOCAL"])
            {
                self.expect_symbol(".")?;
                scope = scope_of(word);
            }
        } else if self.eat_symbol("@") {
            scope = SetScope::User;
        } else if !self.is_symbol_nth(1, "=")
            && !self.is_symbol_nth(1, ":=")
            && let Some(word) = self.eat_any(&["GLOBAL", "SESSION", "LOCAL"])
        {
            scope = scope_of(word);
        }
        let name = self.variable_name()?;
        if !self.eat_symbol("=") {
            self.expect_symbol(":=")?;
        }
        let value = if self.is_word("DEFAULT") {
            self.bump();
            SetValue::Default
        } else if self.is_word("ON") || self.is_word("ALL") || self.is_word("OFF") {
            SetValue::Expression(Box::new(self.word_expression()))
        } else {
            SetValue::Expression(Box::new(self.expression()?))
        };
        Ok(SetItem::Variable { scope, name, value })
    }

    /// A variable's name, which may be a reserved word.
    fn variable_name(&mut self) -> Result<Ident> {
        if let TokenKind::Word(word) = &self.peek().kind {
            let ident = Ident { value: word.clone(), quoted: false, span: self.peek().span };
            self.bump();
            return Ok(ident);
        }
        self.ident()
    }

    /// The reserved word here as an expression: a name.
    fn word_expression(&mut self) -> crate::ast::ExprText {
        let span = self.peek().span;
        let text = span.text(self.source).to_string();
        self.bump();
        let expr = Box::new(sqlparser::ast::Expr::Identifier(sqlparser::ast::Ident::new(text.clone())));
        crate::ast::ExprText { text, expr, span }
    }

    pub(super) fn create_other(&mut self, start: usize) -> Result<Statement> {
        let kinds: &[(&[&str], &'static str)] = &[
            (&["USER"], "CREATE USER"),
            (&["ROLE"], "CREATE ROLE"),
            (&["RESOURCE", "GROUP"], "CREATE RESOURCE GROUP"),
            (&["EXTERNAL", "RESOURCE"], "CREATE RESOURCE"),
            (&["RESOURCE"], "CREATE RESOURCE"),
            (&["INDEX"], "CREATE INDEX"),
            (&["ROUTINE", "LOAD"], "LOAD"),
            (&["PIPE"], "LOAD"),
            (&["FILE"], "ADMIN"),
            (&["STORAGE", "VOLUME"], "ADMIN"),
            (&["WAREHOUSE"], "ADMIN"),
            (&["SECURITY", "INTEGRATION"], "ADMIN"),
        ];
        self.recognise(kinds, start)
    }

    pub(super) fn drop_other(&mut self, start: usize) -> Result<Statement> {
        let kinds: &[(&[&str], &'static str)] = &[
            (&["USER"], "DROP USER"),
            (&["ROLE"], "DROP ROLE"),
            (&["RESOURCE", "GROUP"], "DROP RESOURCE GROUP"),
            (&["RESOURCE"], "DROP RESOURCE"),
            (&["INDEX"], "DROP INDEX"),
            (&["STATS"], "ANALYZE"),
            (&["ANALYZE"], "ANALYZE"),
            (&["FILE"], "ADMIN"),
            (&["PIPE"], "LOAD"),
            (&["TASK"], "SUBMIT TASK"),
            (&["STORAGE", "VOLUME"], "ADMIN"),
            (&["WAREHOUSE"], "ADMIN"),
        ];
        self.recognise(kinds, start)
    }

    pub(super) fn alter_other(&mut self, start: usize) -> Result<Statement> {
        let kinds: &[(&[&str], &'static str)] = &[
            (&["DATABASE"], "ALTER DATABASE"),
            (&["USER"], "ALTER USER"),
            (&["ROLE"], "ALTER USER"),
            (&["CATALOG"], "ADMIN"),
            (&["RESOURCE"], "ADMIN"),
            (&["SYSTEM"], "ADMIN"),
            (&["ROUTINE"], "LOAD"),
            (&["LOAD"], "LOAD"),
            (&["PIPE"], "LOAD"),
            (&["STORAGE"], "ADMIN"),
            (&["WAREHOUSE"], "ADMIN"),
        ];
        self.recognise(kinds, start)
    }

    pub(super) fn cancel_other(&mut self, start: usize) -> Result<Statement> {
        let kinds: &[(&[&str], &'static str)] = &[
            (&["ALTER", "TABLE"], "CANCEL ALTER TABLE"),
            (&["ALTER", "MATERIALIZED"], "CANCEL ALTER TABLE"),
            (&["REFRESH", "MATERIALIZED", "VIEW"], "CANCEL REFRESH MATERIALIZED VIEW"),
            (&["LOAD"], "LOAD"),
            (&["EXPORT"], "LOAD"),
            (&["DECOMMISSION"], "ADMIN"),
        ];
        self.recognise(kinds, start)
    }

    pub(super) fn refresh_other(&mut self, start: usize) -> Result<Statement> {
        let kinds: &[(&[&str], &'static str)] = &[
            (&["EXTERNAL", "TABLE"], "REFRESH EXTERNAL TABLE"),
            (&["CONNECTIONS"], "ADMIN"),
            (&["DICTIONARY"], "ADMIN"),
        ];
        self.recognise(kinds, start)
    }

    /// At the first word of a statement without a rule of its own.
    pub(super) fn other_statement(&mut self, start: usize) -> Result<Statement> {
        if self.eat_word("BEGIN") {
            self.eat_word("WORK");
            return Ok(Statement::Transaction(Transaction::Begin));
        }
        if self.is_word("START") && self.is_word_nth(1, "TRANSACTION") {
            (0..2).for_each(|_| self.bump());
            if self.eat_word("WITH") {
                self.expect_word("CONSISTENT")?;
                self.expect_word("SNAPSHOT")?;
            }
            return Ok(Statement::Transaction(Transaction::Begin));
        }
        if self.eat_word("COMMIT") {
            self.eat_word("WORK");
            return Ok(Statement::Transaction(Transaction::Commit));
        }
        if self.eat_word("ROLLBACK") {
            self.eat_word("WORK");
            return Ok(Statement::Transaction(Transaction::Rollback));
        }
        let kinds: &[(&[&str], &'static str)] = &[
            (&["GRANT"], "GRANT"),
            (&["REVOKE"], "REVOKE"),
            (&["KILL"], "KILL"),
            (&["ANALYZE"], "ANALYZE"),
            (&["ADMIN"], "ADMIN"),
            (&["RECOVER"], "RECOVER"),
            (&["SUBMIT"], "SUBMIT TASK"),
            (&["LOAD"], "LOAD"),
            (&["EXPORT"], "LOAD"),
            (&["PAUSE"], "LOAD"),
            (&["RESUME"], "LOAD"),
            (&["STOP"], "LOAD"),
            (&["EXECUTE", "AS"], "EXECUTE AS"),
            (&["INSTALL"], "ADMIN"),
            (&["UNINSTALL"], "ADMIN"),
            (&["SYNC"], "ADMIN"),
        ];
        self.recognise(kinds, start)
    }

    fn recognise(&mut self, kinds: &[(&[&str], &'static str)], start: usize) -> Result<Statement> {
        let found = kinds
            .iter()
            .find(|(words, _)| words.iter().enumerate().all(|(n, word)| self.is_word_nth(n, word)));
        match found {
            Some((_, kind)) => Ok(Statement::Opaque(self.opaque(kind, start))),
            None => Err(self.no_viable(start)),
        }
    }
}

fn scope_of(word: &str) -> SetScope {
    if word == "GLOBAL" { SetScope::Global } else { SetScope::Session }
}
