//! ALTER.

use super::table_partition::AnyPartition;
use super::{Reader, Result};
use crate::ast::{AlterClause, AlterTable, ColumnPosition, Ident, Statement};

impl Reader<'_> {
    pub(super) fn alter(&mut self, start: usize) -> Result<Statement> {
        self.bump();
        if self.is_word("VIEW") {
            return self.alter_view();
        }
        if self.eat_word("MATERIALIZED") {
            return self.alter_materialized_view();
        }
        if !self.eat_word("TABLE") {
            return self.alter_other(start);
        }
        let name = self.object_name()?;
        let clauses = self.comma_list(|reader| reader.alter_clause())?;
        Ok(Statement::AlterTable(Box::new(AlterTable { name, clauses })))
    }

    fn alter_clause(&mut self) -> Result<AlterClause> {
        let start = self.at;
        if self.eat_word("ADD") {
            return self.alter_add(start);
        }
        if self.eat_word("DROP") {
            return self.alter_drop(start);
        }
        if self.eat_word("RENAME") {
            return self.alter_rename();
        }
        if self.eat_word("MODIFY") {
            return self.alter_modify();
        }
        if self.eat_word("SWAP") {
            self.expect_word("WITH")?;
            return Ok(AlterClause::Swap { with: self.ident()? });
        }
        if self.eat_word("REPLACE") {
            let Some(partitions) = self.partition_list()? else {
                return Err(self.unexpected(&["'PARTITION'"]));
            };
            self.expect_word("WITH")?;
            let Some(with) = self.partition_list()? else {
                return Err(self.unexpected(&["'TEMPORARY'", "'PARTITION'"]));
            };
            return Ok(AlterClause::ReplacePartition { partitions, with, properties: self.properties()? });
        }
        if self.eat_word("SET") {
            return Ok(AlterClause::Set { properties: self.property_list()? });
        }
        if self.eat_word("COMMENT") {
            self.expect_symbol("=")?;
            return Ok(AlterClause::Comment { comment: self.text()? });
        }
        if self.is_word("ORDER") {
            let columns = self.order_by_columns()?.unwrap_or_default();
            let rollup = if self.eat_word("FROM") { Some(self.ident()?) } else { None };
            return Ok(AlterClause::OrderBy { columns, rollup });
        }
        if let Some(distribution) = self.distribution()? {
            return Ok(AlterClause::Distribution { distribution });
        }
        Err(self.no_viable(start))
    }

    fn alter_add(&mut self, start: usize) -> Result<AlterClause> {
        if self.is_word("INDEX") {
            return Ok(AlterClause::AddIndex { index: self.index_definition()? });
        }
        if self.eat_word("ROLLUP") {
            return Ok(AlterClause::AddRollup { rollups: self.rollups()? });
        }
        if self.eat_word("COLUMN") {
            if self.is_symbol("(") {
                let columns = self.parenthesized(|reader| reader.column_definition())?;
                let rollup = self.rollup_target("TO")?;
                return Ok(AlterClause::AddColumns { columns, rollup, properties: self.properties()? });
            }
            let column = self.column_definition()?;
            let position = self.column_position()?;
            let rollup = self.rollup_target("TO")?;
            return Ok(AlterClause::AddColumn { column, position, rollup, properties: self.properties()? });
        }
        let temporary = self.eat_word("TEMPORARY");
        let partition = if self.eat_word("PARTITIONS") {
            AnyPartition::Range(self.batch()?)
        } else if self.is_word("PARTITION") {
            self.any_partition()?
        } else {
            return Err(self.no_viable(start));
        };
        let distribution = self.distribution()?;
        let properties = self.properties()?;
        Ok(match partition {
            AnyPartition::Range(item) => {
                AlterClause::AddRangePartition { temporary, item, distribution, properties }
            }
            AnyPartition::List(item) => {
                AlterClause::AddListPartition { temporary, item, distribution, properties }
            }
        })
    }

    /// Rollups share the statement's commas: one is another rollup when no
    /// clause begins behind it.
    fn rollups(&mut self) -> Result<Vec<crate::ast::RollupDef>> {
        let mut rollups = vec![self.rollup_definition()?];
        while self.is_symbol(",") && self.is_ident_nth(1) && self.is_symbol_nth(2, "(") {
            self.bump();
            rollups.push(self.rollup_definition()?);
        }
        Ok(rollups)
    }

    fn alter_drop(&mut self, start: usize) -> Result<AlterClause> {
        if self.eat_word("INDEX") {
            return Ok(AlterClause::DropIndex { name: self.ident()? });
        }
        if self.eat_word("COLUMN") {
            let name = self.ident()?;
            let rollup = self.rollup_target("FROM")?;
            return Ok(AlterClause::DropColumn { name, rollup, properties: self.properties()? });
        }
        if self.eat_word("ROLLUP") {
            let mut names = vec![self.ident()?];
            while self.is_symbol(",") && self.is_ident_nth(1) && !self.is_clause_nth(1) {
                self.bump();
                names.push(self.ident()?);
            }
            return Ok(AlterClause::DropRollup { names, properties: self.properties()? });
        }
        let temporary = self.eat_word("TEMPORARY");
        if self.eat_any(&["PARTITION", "PARTITIONS"]).is_none() {
            return Err(self.no_viable(start));
        }
        let if_exists = self.if_exists()?;
        let names = if self.is_symbol("(") { self.ident_list()? } else { vec![self.ident()?] };
        let force = self.eat_word("FORCE");
        Ok(AlterClause::DropPartition { temporary, if_exists, names, force })
    }

    /// Whether a clause that begins with a word that may also be a name stands there.
    fn is_clause_nth(&self, n: usize) -> bool {
        ["MODIFY", "SWAP", "COMMENT", "DISTRIBUTED"].iter().any(|word| self.is_word_nth(n, word))
    }

    fn alter_rename(&mut self) -> Result<AlterClause> {
        if self.eat_word("PARTITION") {
            return Ok(AlterClause::RenamePartition { from: self.ident()?, to: self.ident()? });
        }
        if self.eat_word("COLUMN") {
            let from = self.ident()?;
            self.expect_word("TO")?;
            return Ok(AlterClause::RenameColumn { from, to: self.ident()? });
        }
        if self.is_word("ROLLUP") && self.is_ident_nth(1) && self.is_ident_nth(2) {
            self.bump();
            return Ok(AlterClause::RenameRollup { from: self.ident()?, to: self.ident()? });
        }
        Ok(AlterClause::Rename { name: self.ident()? })
    }

    fn alter_modify(&mut self) -> Result<AlterClause> {
        if self.eat_word("PARTITION") {
            let partitions = if self.is_symbol("(") && self.is_symbol_nth(1, "*") {
                (0..2).for_each(|_| self.bump());
                self.expect_symbol(")")?;
                None
            } else if self.is_symbol("(") {
                Some(self.ident_list()?)
            } else {
                Some(vec![self.ident()?])
            };
            self.expect_word("SET")?;
            return Ok(AlterClause::ModifyPartition { partitions, properties: self.property_list()? });
        }
        self.expect_word("COLUMN")?;
        if self.is_ident_nth(0) && self.is_word_nth(1, "COMMENT") {
            let name: Ident = self.ident()?;
            self.bump();
            return Ok(AlterClause::ModifyColumnComment { name, comment: self.text()? });
        }
        let column = self.column_definition()?;
        let position = self.column_position()?;
        let rollup = self.rollup_target("FROM")?;
        Ok(AlterClause::ModifyColumn { column, position, rollup, properties: self.properties()? })
    }

    fn column_position(&mut self) -> Result<Option<ColumnPosition>> {
        if self.eat_word("FIRST") {
            return Ok(Some(ColumnPosition::First));
        }
        if self.eat_word("AFTER") {
            return Ok(Some(ColumnPosition::After(self.ident()?)));
        }
        Ok(None)
    }

    fn rollup_target(&mut self, word: &str) -> Result<Option<Ident>> {
        if self.eat_word(word) { Ok(Some(self.ident()?)) } else { Ok(None) }
    }
}
