//! CREATE TABLE, CREATE TABLE LIKE, CREATE TABLE AS SELECT.

use rockhold_model::{Aggregation, DataType, IndexKind, KeyModel};

use super::{Reader, Result};
use crate::ast::{
    AggregationDef, ColumnDef, CreateTable, CreateTableAs, CreateTableLike, DefaultDef, DistributionDef,
    IndexDef, KeyClause, PropertyList, RollupDef, Statement,
};
use crate::lexer::TokenKind;

const AGGREGATIONS: &[(&str, Aggregation)] = &[
    ("SUM", Aggregation::Sum),
    ("MAX", Aggregation::Max),
    ("MIN", Aggregation::Min),
    ("REPLACE", Aggregation::Replace),
    ("REPLACE_IF_NOT_NULL", Aggregation::ReplaceIfNotNull),
    ("HLL_UNION", Aggregation::HllUnion),
    ("BITMAP_UNION", Aggregation::BitmapUnion),
    ("PERCENTILE_UNION", Aggregation::PercentileUnion),
];

impl Reader<'_> {
    /// Behind `CREATE [EXTERNAL | TEMPORARY]`, at TABLE.
    pub(super) fn create_table(
        &mut self,
        start: usize,
        external: bool,
        temporary: bool,
    ) -> Result<Statement> {
        self.bump();
        let if_not_exists = self.if_not_exists()?;
        if self.at_end() {
            return Err(self.no_viable(start));
        }
        let name = self.object_name()?;

        // `(name type …` declares columns, `(name, …)` names those of a query.
        if self.is_symbol("(")
            && !(self.is_ident_nth(1) && (self.is_symbol_nth(2, ",") || self.is_symbol_nth(2, ")")))
        {
            self.bump();
            let (columns, indexes) = self.column_definitions()?;
            return self.create_table_rest(CreateTable {
                external,
                temporary,
                if_not_exists,
                name,
                columns,
                indexes,
                engine: None,
                charset: None,
                key: None,
                comment: None,
                partition: None,
                distribution: None,
                order_by: None,
                rollups: Vec::new(),
                properties: None,
            });
        }

        let mut names = None;
        let mut indexes = Vec::new();
        if self.eat_symbol("(") {
            let mut columns = vec![self.ident()?];
            while self.eat_symbol(",") {
                if self.is_word("INDEX") {
                    indexes.push(self.index_definition()?);
                } else {
                    columns.push(self.ident()?);
                }
            }
            self.close_list()?;
            names = Some(columns);
        }
        let key = self.key_clause()?;
        let comment = self.comment()?;
        let partition = self.partition_clause()?;
        let distribution = self.distribution()?;
        let order_by = self.order_by_columns()?;
        let properties = self.properties()?;
        if names.is_none()
            && key.is_none()
            && comment.is_none()
            && order_by.is_none()
            && self.eat_word("LIKE")
        {
            let source = self.object_name()?;
            return Ok(Statement::CreateTableLike(Box::new(CreateTableLike {
                external,
                temporary,
                if_not_exists,
                name,
                partition,
                distribution,
                properties,
                source,
            })));
        }
        if self.at_end() || external {
            return Err(self.no_viable(start));
        }
        self.expect_word("AS")?;
        let query = self.query()?;
        Ok(Statement::CreateTableAs(Box::new(CreateTableAs {
            temporary,
            if_not_exists,
            name,
            columns: names,
            indexes,
            key,
            comment,
            partition,
            distribution,
            order_by,
            properties,
            query,
        })))
    }

    fn create_table_rest(&mut self, mut table: CreateTable) -> Result<Statement> {
        if self.eat_word("ENGINE") {
            self.eat_symbol("=");
            table.engine = Some(self.ident()?);
        }
        table.charset = self.charset()?;
        table.key = self.key_clause()?;
        table.comment = self.comment()?;
        table.partition = self.partition_clause()?;
        table.distribution = self.distribution()?;
        table.order_by = self.order_by_columns()?;
        if self.eat_word("ROLLUP") {
            table.rollups = self.parenthesized(|reader| reader.rollup_definition())?;
        }
        table.properties = self.properties()?;
        Ok(Statement::CreateTable(Box::new(table)))
    }

    /// Behind `(`: columns, then indexes, then `)`.
    fn column_definitions(&mut self) -> Result<(Vec<ColumnDef>, Vec<IndexDef>)> {
        let mut columns = vec![self.column_definition()?];
        let mut indexes = Vec::new();
        loop {
            let comma = self.at;
            if !self.eat_symbol(",") {
                break;
            }
            if self.is_word("INDEX") {
                indexes.push(self.index_definition()?);
            } else if indexes.is_empty() && !self.is_symbol(")") {
                columns.push(self.column_definition()?);
            } else {
                return Err(self.no_viable(comma));
            }
        }
        self.close_list()?;
        Ok((columns, indexes))
    }

    /// `name type [charset] [KEY] [aggregation] [NULL | NOT NULL]
    /// [DEFAULT … | AUTO_INCREMENT | AS …] [COMMENT "…"]`.
    pub(super) fn column_definition(&mut self) -> Result<ColumnDef> {
        let start = self.at;
        let name = self.ident()?;
        // `name function(types)`: the column holds the function's state, whose
        // type follows from the function.
        let state = if self.is_type() { None } else { self.aggregation_state()? };
        let data_type = match &state {
            Some(AggregationDef::State { function, arguments }) => {
                state_type(function, arguments.first().map(|(data_type, _)| data_type))
            }
            _ => self.data_type()?,
        };
        let charset = self.charset()?;
        let key = self.eat_word("KEY");
        let aggregation = if state.is_some() { state } else { self.aggregation() };
        let mut nullable = self.nullability()?;
        let mut column = ColumnDef {
            name,
            data_type,
            charset,
            key,
            aggregation,
            nullable,
            default: None,
            auto_increment: false,
            generated: None,
            comment: None,
            span: crate::Span::default(),
        };
        if self.eat_word("DEFAULT") {
            column.default = Some(self.column_default()?);
        } else if self.eat_word("AUTO_INCREMENT") {
            column.auto_increment = true;
        } else if self.eat_word("AS") {
            column.generated = Some(self.expression()?);
        }
        if nullable.is_none() {
            nullable = self.nullability()?;
            column.nullable = nullable;
        }
        column.comment = self.comment()?;
        column.span = self.span_from(start);
        Ok(column)
    }

    fn nullability(&mut self) -> Result<Option<bool>> {
        if self.eat_word("NULL") {
            return Ok(Some(true));
        }
        if self.is_word("NOT") && self.is_word_nth(1, "NULL") {
            (0..2).for_each(|_| self.bump());
            return Ok(Some(false));
        }
        Ok(None)
    }

    /// `function(type [NULL | NOT NULL], …)`.
    fn aggregation_state(&mut self) -> Result<Option<AggregationDef>> {
        let function = match &self.peek().kind {
            TokenKind::Word(word) if self.is_symbol_nth(1, "(") => word.clone(),
            _ => return Ok(None),
        };
        let start = self.at;
        self.bump();
        if !self.is_symbol("(") {
            return Err(self.no_viable(start));
        }
        let arguments = self.parenthesized(|reader| {
            let data_type = reader.data_type()?;
            Ok((data_type, reader.nullability()?))
        })?;
        Ok(Some(AggregationDef::State { function, arguments }))
    }

    fn aggregation(&mut self) -> Option<AggregationDef> {
        let (_, found) = AGGREGATIONS.iter().find(|(word, _)| self.is_word(word))?;
        self.bump();
        Some(AggregationDef::Simple(found.clone()))
    }

    fn column_default(&mut self) -> Result<DefaultDef> {
        if matches!(self.peek().kind, TokenKind::Text(_)) {
            return Ok(DefaultDef::Text(self.text()?));
        }
        if self.eat_word("NULL") {
            return Ok(DefaultDef::Null);
        }
        if self.eat_word("CURRENT_TIMESTAMP") {
            let mut precision = None;
            if self.eat_symbol("(") {
                if !self.is_symbol(")") {
                    precision = Some(self.integer::<u64>()?.to_string());
                }
                self.expect_symbol(")")?;
            }
            return Ok(DefaultDef::CurrentTimestamp(precision));
        }
        if self.eat_symbol("(") {
            let expr = self.expression()?;
            self.expect_symbol(")")?;
            return Ok(DefaultDef::Expression { expr, parenthesized: true });
        }
        Ok(DefaultDef::Expression { expr: self.expression()?, parenthesized: false })
    }

    /// At INDEX.
    pub(super) fn index_definition(&mut self) -> Result<IndexDef> {
        let start = self.at;
        self.expect_word("INDEX")?;
        let name = self.ident()?;
        let columns = self.ident_list()?;
        let mut kind = None;
        let mut properties = None;
        if self.eat_word("USING") {
            kind = Some(match self.expect_any(&["BITMAP", "GIN", "NGRAMBF", "VECTOR"])? {
                "GIN" => IndexKind::Gin,
                "NGRAMBF" => IndexKind::Ngrambf,
                "VECTOR" => IndexKind::Vector,
                _ => IndexKind::Bitmap,
            });
        }
        if self.is_symbol("(") {
            properties = Some(self.property_list()?);
        }
        let comment = self.comment()?;
        Ok(IndexDef { name, columns, kind, properties, comment, span: self.span_from(start) })
    }

    fn key_clause(&mut self) -> Result<Option<KeyClause>> {
        let start = self.at;
        let model = match self.eat_any(&["DUPLICATE", "AGGREGATE", "UNIQUE", "PRIMARY"]) {
            None => return Ok(None),
            Some("DUPLICATE") => KeyModel::Duplicate,
            Some("AGGREGATE") => KeyModel::Aggregate,
            Some("UNIQUE") => KeyModel::Unique,
            Some(_) => KeyModel::Primary,
        };
        self.expect_word("KEY")?;
        let columns = self.ident_list()?;
        Ok(Some(KeyClause { model, columns, span: self.span_from(start) }))
    }

    pub(super) fn distribution(&mut self) -> Result<Option<DistributionDef>> {
        let start = self.at;
        if !self.eat_word("DISTRIBUTED") {
            return Ok(None);
        }
        self.expect_word("BY")?;
        let hash = match self.expect_any(&["HASH", "RANDOM"])? {
            "HASH" => {
                if self.is_symbol("(") && self.is_symbol_nth(1, ")") {
                    self.bump();
                    return Err(self.no_viable(start));
                }
                Some(self.ident_list()?)
            }
            _ => None,
        };
        let buckets = if self.eat_word("BUCKETS") { Some(self.integer()?) } else { None };
        Ok(Some(DistributionDef { hash, buckets, span: self.span_from(start) }))
    }

    pub(super) fn order_by_columns(&mut self) -> Result<Option<Vec<crate::ast::Ident>>> {
        if !self.eat_word("ORDER") {
            return Ok(None);
        }
        self.expect_word("BY")?;
        Ok(Some(self.ident_list()?))
    }

    pub(super) fn rollup_definition(&mut self) -> Result<RollupDef> {
        let name = self.ident()?;
        let columns = self.ident_list()?;
        let key_columns = if self.eat_word("DUPLICATE") {
            self.expect_word("KEY")?;
            Some(self.ident_list()?)
        } else {
            None
        };
        let from = if self.eat_word("FROM") { Some(self.ident()?) } else { None };
        let properties: Option<PropertyList> = self.properties()?;
        Ok(RollupDef { name, columns, key_columns, from, properties })
    }
}

/// The type of an aggregate function's stored state.
fn state_type(function: &str, argument: Option<&DataType>) -> DataType {
    let argument = argument.cloned().unwrap_or(DataType::BigInt);
    match function.to_ascii_lowercase().as_str() {
        "sum" if argument == DataType::LargeInt => DataType::LargeInt,
        "sum" if argument.is_floating() => DataType::Double,
        "sum" => match argument {
            DataType::Decimal { scale, .. } => DataType::Decimal { precision: 38, scale },
            _ => DataType::BigInt,
        },
        "count" => DataType::BigInt,
        "min" | "max" | "any_value" | "replace" | "replace_if_not_null" => argument,
        "hll_union" => DataType::Hll,
        "bitmap_union" => DataType::Bitmap,
        "percentile_union" => DataType::Percentile,
        // The state of the others is bytes that only the function reads.
        _ => DataType::Varbinary(None),
    }
}
