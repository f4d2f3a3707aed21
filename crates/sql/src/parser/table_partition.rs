//! PARTITION BY and partitions.

use rockhold_model::TimeUnit;

use super::{Reader, Result};
use crate::ast::{
    Every, ListPartitionDef, PartitionClause, PartitionLiteral, RangeItem, RangeKey, RangeValues, UpperBound,
};
use crate::lexer::TokenKind;

/// A partition of either scheme, as ALTER TABLE ADD reads it.
pub(super) enum AnyPartition {
    Range(RangeItem),
    List(ListPartitionDef),
}

impl Reader<'_> {
    pub(super) fn partition_clause(&mut self) -> Result<Option<PartitionClause>> {
        let start = self.at;
        if !self.eat_word("PARTITION") {
            return Ok(None);
        }
        self.expect_word("BY")?;
        if self.at_end() {
            return Err(self.no_viable(start));
        }
        if self.is_word("RANGE") && self.is_symbol_nth(1, "(") {
            self.bump();
            let key = self.range_key()?;
            let items = self.range_items()?;
            return Ok(Some(PartitionClause::Range { key, items, span: self.span_from(start) }));
        }
        if self.is_word("LIST") && self.is_symbol_nth(1, "(") {
            self.bump();
            let columns = self.ident_list()?;
            self.expect_symbol("(")?;
            let mut items = Vec::new();
            if !self.is_symbol(")") {
                items = self.comma_list(|reader| reader.list_partition())?;
            }
            self.close_list()?;
            return Ok(Some(PartitionClause::List { columns, items, span: self.span_from(start) }));
        }
        let parenthesized = self.eat_symbol("(");
        let expressions = self.comma_list(|reader| reader.expression())?;
        if parenthesized {
            self.close_list()?;
        }
        let items = if self.is_symbol("(") { self.range_items()? } else { Vec::new() };
        let span = self.span_from(start);
        Ok(Some(PartitionClause::Expressions { expressions, parenthesized, items, span }))
    }

    fn range_key(&mut self) -> Result<RangeKey> {
        self.expect_symbol("(")?;
        let function = self.is_symbol_nth(1, "(");
        let key = if function {
            RangeKey::Function(self.expression()?)
        } else {
            RangeKey::Columns(self.comma_list(|reader| reader.ident())?)
        };
        self.close_list()?;
        Ok(key)
    }

    /// `([item, …])`.
    fn range_items(&mut self) -> Result<Vec<RangeItem>> {
        self.expect_symbol("(")?;
        let mut items = Vec::new();
        if !self.is_symbol(")") {
            items = self.comma_list(|reader| reader.range_item())?;
        }
        self.close_list()?;
        Ok(items)
    }

    fn range_item(&mut self) -> Result<RangeItem> {
        if self.is_word("START") {
            return self.batch();
        }
        let start = self.at;
        match self.any_partition()? {
            AnyPartition::Range(item) => Ok(item),
            AnyPartition::List(_) => {
                self.at = start;
                Err(self.no_viable(start))
            }
        }
    }

    /// `START ("…") END ("…") EVERY (…)`.
    pub(super) fn batch(&mut self) -> Result<RangeItem> {
        let begin = self.at;
        self.expect_word("START")?;
        let start = self.bound_text()?;
        self.expect_word("END")?;
        let end = self.bound_text()?;
        self.expect_word("EVERY")?;
        self.expect_symbol("(")?;
        let every = if self.eat_word("INTERVAL") {
            let (count, unit) = self.interval()?;
            Every::Interval(count, unit)
        } else {
            Every::Number(self.integer()?)
        };
        self.expect_symbol(")")?;
        Ok(RangeItem::Batch { start, end, every, span: self.span_from(begin) })
    }

    /// Behind INTERVAL: a number and a unit.
    pub(super) fn interval(&mut self) -> Result<(u32, TimeUnit)> {
        let count = self.integer()?;
        let unit = match &self.peek().kind {
            TokenKind::Word(word) => TimeUnit::parse(word),
            _ => None,
        };
        match unit {
            Some(unit) => {
                self.bump();
                Ok((count, unit))
            }
            None => Err(self.unexpected(&["'YEAR'", "'MONTH'", "'WEEK'", "'DAY'", "'HOUR'", "'MINUTE'"])),
        }
    }

    fn bound_text(&mut self) -> Result<String> {
        self.expect_symbol("(")?;
        let text = match self.partition_literal()? {
            PartitionLiteral::Text(text) | PartitionLiteral::Number(text) => text,
            _ => return Err(self.unexpected(&[super::cursor::TEXT])),
        };
        self.expect_symbol(")")?;
        Ok(text)
    }

    /// At PARTITION: a partition of either scheme.
    pub(super) fn any_partition(&mut self) -> Result<AnyPartition> {
        self.expect_word("PARTITION")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.ident()?;
        self.expect_word("VALUES")?;
        if self.eat_word("IN") {
            let (rows, nested) = self.list_values()?;
            let properties = self.inline_properties()?;
            return Ok(AnyPartition::List(ListPartitionDef {
                if_not_exists,
                name,
                rows,
                nested,
                properties,
            }));
        }
        let values = if self.eat_word("LESS") {
            self.expect_word("THAN")?;
            if self.eat_word("MAXVALUE") {
                RangeValues::LessThan(UpperBound::MaxValue)
            } else {
                RangeValues::LessThan(UpperBound::Values(self.literals()?))
            }
        } else {
            self.expect_symbol("[")?;
            let lower = self.literals()?;
            self.expect_symbol(",")?;
            let upper = self.literals()?;
            self.expect_symbol(")")?;
            RangeValues::Fixed { lower, upper }
        };
        let properties = self.inline_properties()?;
        Ok(AnyPartition::Range(RangeItem::Single { if_not_exists, name, values, properties }))
    }

    fn list_partition(&mut self) -> Result<ListPartitionDef> {
        let start = self.at;
        match self.any_partition()? {
            AnyPartition::List(item) => Ok(item),
            AnyPartition::Range(_) => {
                self.at = start;
                Err(self.no_viable(start))
            }
        }
    }

    /// `(v, …)` or `((v, …), …)`, and whether it was the second.
    pub(super) fn list_values(&mut self) -> Result<(Vec<Vec<PartitionLiteral>>, bool)> {
        if self.is_symbol("(") && self.is_symbol_nth(1, "(") {
            return Ok((self.parenthesized(|reader| reader.literals())?, true));
        }
        let values = self.literals()?;
        Ok((values.into_iter().map(|value| vec![value]).collect(), false))
    }

    /// `(v, …)`.
    pub(super) fn literals(&mut self) -> Result<Vec<PartitionLiteral>> {
        self.parenthesized(|reader| reader.partition_literal())
    }

    fn partition_literal(&mut self) -> Result<PartitionLiteral> {
        if self.eat_word("MAXVALUE") {
            return Ok(PartitionLiteral::MaxValue);
        }
        if self.eat_word("NULL") {
            return Ok(PartitionLiteral::Null);
        }
        let sign = if self.is_symbol("-")
            && matches!(self.peek_nth(1).kind, TokenKind::Integer(_) | TokenKind::Decimal(_))
        {
            self.bump();
            "-"
        } else {
            ""
        };
        match &self.peek().kind {
            TokenKind::Integer(number) | TokenKind::Decimal(number) => {
                let number = format!("{sign}{number}");
                self.bump();
                Ok(PartitionLiteral::Number(number))
            }
            _ => Ok(PartitionLiteral::Text(self.text()?)),
        }
    }

    /// `("key" = "value", …)` behind a partition.
    fn inline_properties(&mut self) -> Result<Option<crate::ast::PropertyList>> {
        if self.is_symbol("(") { Ok(Some(self.property_list()?)) } else { Ok(None) }
    }
}
