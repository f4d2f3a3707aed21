//! Materialized views.

use rockhold_model::{RefreshMoment, RefreshScheme};

use super::{Reader, Result};
use crate::ast::{
    AlterMaterializedView, AlterMaterializedViewAction, CreateMaterializedView, PartitionRefresh,
    RefreshClause, RefreshMaterializedView, Statement,
};

impl Reader<'_> {
    /// Behind CREATE, at MATERIALIZED.
    pub(super) fn create_materialized_view(&mut self) -> Result<Statement> {
        self.bump();
        self.expect_word("VIEW")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.object_name()?;
        let mut columns = None;
        let mut indexes = Vec::new();
        if self.eat_symbol("(") {
            let mut list = vec![self.view_column()?];
            while self.eat_symbol(",") {
                if self.is_word("INDEX") {
                    indexes.push(self.index_definition()?);
                } else {
                    list.push(self.view_column()?);
                }
            }
            self.close_list()?;
            columns = Some(list);
        }
        let comment = self.comment()?;
        let mut partition_by = None;
        let mut distribution = None;
        let mut order_by = None;
        let mut refresh = None;
        let mut properties = None;
        // The clauses come in any order, each at most once.
        loop {
            if partition_by.is_none() && self.is_word("PARTITION") {
                self.bump();
                self.expect_word("BY")?;
                partition_by = Some(if self.eat_symbol("(") {
                    let list = self.comma_list(|reader| reader.expression())?;
                    self.close_list()?;
                    list
                } else {
                    self.comma_list(|reader| reader.expression())?
                });
            } else if distribution.is_none() && self.is_word("DISTRIBUTED") {
                distribution = self.distribution()?;
            } else if order_by.is_none() && self.is_word("ORDER") {
                order_by = self.order_by_columns()?;
            } else if refresh.is_none() && self.is_word("REFRESH") {
                refresh = Some(self.refresh_clause()?);
            } else if properties.is_none() && self.is_word("PROPERTIES") {
                properties = self.properties()?;
            } else {
                break;
            }
        }
        self.expect_word("AS")?;
        let query = self.query()?;
        Ok(Statement::CreateMaterializedView(Box::new(CreateMaterializedView {
            if_not_exists,
            name,
            columns,
            indexes,
            comment,
            partition_by,
            distribution,
            order_by,
            refresh,
            properties,
            query,
        })))
    }

    /// At REFRESH.
    fn refresh_clause(&mut self) -> Result<RefreshClause> {
        self.expect_word("REFRESH")?;
        let moment = match self.eat_any(&["IMMEDIATE", "DEFERRED"]) {
            Some("IMMEDIATE") => Some(RefreshMoment::Immediate),
            Some(_) => Some(RefreshMoment::Deferred),
            None => None,
        };
        let scheme = match self.eat_any(&["ASYNC", "INCREMENTAL", "MANUAL"]) {
            None => None,
            Some("MANUAL") => Some(RefreshScheme::Manual),
            Some("INCREMENTAL") => Some(RefreshScheme::Incremental),
            Some(_) => {
                let mut start = None;
                let mut every = None;
                if self.eat_word("START") {
                    self.expect_symbol("(")?;
                    start = Some(self.text()?);
                    self.expect_symbol(")")?;
                }
                if self.eat_word("EVERY") {
                    self.expect_symbol("(")?;
                    self.expect_word("INTERVAL")?;
                    every = Some(self.interval()?);
                    self.expect_symbol(")")?;
                } else if start.is_some() {
                    return Err(self.unexpected(&["'EVERY'"]));
                }
                Some(RefreshScheme::Async { start, every })
            }
        };
        Ok(RefreshClause { moment, scheme })
    }

    pub(super) fn refresh(&mut self, start: usize) -> Result<Statement> {
        self.bump();
        if !self.eat_words(&["MATERIALIZED", "VIEW"]) {
            return self.refresh_other(start);
        }
        let name = self.object_name()?;
        let partitions = if self.eat_word("PARTITION") {
            Some(if self.eat_word("START") {
                self.expect_symbol("(")?;
                let start = self.text()?;
                self.expect_symbol(")")?;
                self.expect_word("END")?;
                self.expect_symbol("(")?;
                let end = self.text()?;
                self.expect_symbol(")")?;
                PartitionRefresh::Range { start, end }
            } else {
                PartitionRefresh::List(self.list_values()?.0)
            })
        } else {
            None
        };
        let force = self.eat_word("FORCE");
        let mut synchronous = None;
        let mut priority = None;
        while self.eat_word("WITH") {
            if priority.is_none() && self.eat_word("PRIORITY") {
                priority = Some(self.integer()?);
            } else if synchronous.is_none() {
                synchronous = Some(self.expect_any(&["SYNC", "ASYNC"])? == "SYNC");
                self.expect_word("MODE")?;
            } else {
                return Err(self.unexpected(&["'PRIORITY'"]));
            }
        }
        Ok(Statement::RefreshMaterializedView(Box::new(RefreshMaterializedView {
            name,
            partitions,
            force,
            synchronous,
            priority,
        })))
    }

    /// Behind `ALTER MATERIALIZED`, at VIEW.
    pub(super) fn alter_materialized_view(&mut self) -> Result<Statement> {
        self.expect_word("VIEW")?;
        let name = self.object_name()?;
        let action = if self.eat_word("RENAME") {
            AlterMaterializedViewAction::Rename(self.ident()?)
        } else if self.is_word("REFRESH") {
            AlterMaterializedViewAction::Refresh(self.refresh_clause()?)
        } else if self.eat_word("ACTIVE") {
            AlterMaterializedViewAction::Active
        } else if self.eat_word("INACTIVE") {
            AlterMaterializedViewAction::Inactive
        } else if self.eat_word("SWAP") {
            self.expect_word("WITH")?;
            AlterMaterializedViewAction::Swap(self.ident()?)
        } else if self.eat_word("SET") {
            AlterMaterializedViewAction::Set(self.property_list()?)
        } else {
            return Err(self.unexpected(&[
                "'RENAME'",
                "'REFRESH'",
                "'ACTIVE'",
                "'INACTIVE'",
                "'SWAP'",
                "'SET'",
            ]));
        };
        Ok(Statement::AlterMaterializedView(Box::new(AlterMaterializedView { name, action })))
    }
}
