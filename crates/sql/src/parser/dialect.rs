//! StarRocks's expressions and queries, told to `sqlparser`.

use std::any::TypeId;

use sqlparser::ast::{BinaryOperator, Expr};
use sqlparser::dialect::{Dialect, MySqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// The dialect of StarRocks's queries.
///
/// Only its parser half is used: tokens come from our own lexer, because
/// StarRocks's lexical rules cannot be told to `sqlparser`'s.
#[derive(Debug, Clone, Copy, Default)]
pub struct StarRocksDialect;

impl Dialect for StarRocksDialect {
    /// Some of what StarRocks shares with MySQL (`PARTITION (…)` behind a table,
    /// SEPARATOR in `group_concat`) is read only for that dialect.
    fn dialect(&self) -> TypeId {
        TypeId::of::<MySqlDialect>()
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        crate::lexer::is_name_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        crate::lexer::is_name_part(ch)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('`')
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_group_by_with_modifier(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn support_map_literal_syntax(&self) -> bool {
        true
    }

    fn supports_lambda_functions(&self) -> bool {
        true
    }

    fn supports_select_wildcard_except(&self) -> bool {
        true
    }

    fn supports_select_wildcard_exclude(&self) -> bool {
        true
    }

    fn supports_limit_comma(&self) -> bool {
        true
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn supports_bang_not_operator(&self) -> bool {
        true
    }

    fn require_interval_qualifier(&self) -> bool {
        true
    }

    fn supports_cross_join_constraint(&self) -> bool {
        true
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn supports_match_against(&self) -> bool {
        true
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        match &parser.peek_token_ref().token {
            Token::ShiftLeft | Token::ShiftRight => Some(Ok(self.prec_value(Precedence::Caret))),
            _ => None,
        }
    }

    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        expr: &Expr,
        precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        if parser.parse_keyword(Keyword::DIV) {
            return Some(parser.parse_subexpr(precedence).map(|right| Expr::BinaryOp {
                left: Box::new(expr.clone()),
                op: BinaryOperator::MyIntegerDivide,
                right: Box::new(right),
            }));
        }
        if parser.parse_keyword(Keyword::OR) {
            return Some(chain(parser, expr, precedence, Keyword::OR, &BinaryOperator::Or));
        }
        if parser.parse_keyword(Keyword::AND) {
            return Some(chain(parser, expr, precedence, Keyword::AND, &BinaryOperator::And));
        }
        None
    }
}

/// All operands of a chain of AND or OR, the first operator being read, as a
/// balanced tree: its depth is the logarithm of their number. Both operators
/// are associative, so the meaning is the same.
fn chain(
    parser: &mut Parser<'_>,
    first: &Expr,
    precedence: u8,
    keyword: Keyword,
    operator: &BinaryOperator,
) -> Result<Expr, ParserError> {
    let mut operands = vec![first.clone(), parser.parse_subexpr(precedence)?];
    while parser.parse_keyword(keyword) {
        operands.push(parser.parse_subexpr(precedence)?);
    }
    while operands.len() > 1 {
        let mut pairs = Vec::with_capacity(operands.len().div_ceil(2));
        let mut rest = operands.into_iter();
        while let Some(left) = rest.next() {
            pairs.push(match rest.next() {
                Some(right) => {
                    Expr::BinaryOp { left: Box::new(left), op: operator.clone(), right: Box::new(right) }
                }
                None => left,
            });
        }
        operands = pairs;
    }
    operands.pop().ok_or_else(|| ParserError::ParserError("an operator without operands".to_string()))
}
