//! Queries and expressions: our tokens, `sqlparser`'s trees.
//!
//! What changes on the way:
//!
//! * `"x"` becomes a string literal, `@x` and `@@x` one word;
//! * `||` is OR and `&&` is AND, as in StarRocks without PIPES_AS_CONCAT;
//! * infix MOD becomes `%`;
//! * `column -> '$.path'` (JSON) becomes `->>`, so that `x -> …` is always a
//!   lambda;
//! * hints, `[_SYNC_MV_]` and the like, and `[broadcast]` behind JOIN are left
//!   out; the bracketed ones are listed beside the tree.

use sqlparser::ast::SetExpr;
use sqlparser::parser::{Parser as SqlParser, ParserError};
use sqlparser::tokenizer::{Location, Span as SqlSpan, Token as SqlToken, TokenWithSpan};

use super::dialect::StarRocksDialect;
use super::{MAX_DEPTH, Reader, Result};
use crate::ast::{ExprText, FromText, QueryText, Statement};
use crate::keywords::is_reserved;
use crate::lexer::{Token, TokenKind};
use crate::{Span, SqlError};

/// How long chains of operators may be (between two commas, enclosing brackets
/// included): a chain becomes a tree of that depth, and cloning, comparing and
/// dropping it recurse. The bound is what a debug build can do on a stack of
/// 2 MiB. AND and OR count nothing, as [`StarRocksDialect`] builds balanced
/// trees of them; UNION and its like count four.
const MAX_CHAIN: usize = 400;

/// Directly nested parentheses behind FROM. `sqlparser` reads the inside of
/// such a pair twice, so the work doubles with every level.
const MAX_TABLE_PARENTHESES: usize = 8;

/// Brackets inside brackets that are read on the caller's stack.
const PLAIN_DEPTH: usize = 10;

/// Stack for what nests deeper, in bytes: several times what the recursion
/// limit lets a debug build use.
const DEEP_STACK: usize = 64 << 20;

/// Bracketed hints that StarRocks takes behind a table or JOIN.
const BRACKET_HINTS: &[&str] =
    &["broadcast", "shuffle", "bucket", "colocate", "unreorder", "skew", "replicated", "hash"];

impl Reader<'_> {
    pub(super) fn query_statement(&mut self) -> Result<Statement> {
        Ok(Statement::Query(Box::new(self.query()?)))
    }

    /// A query, up to the first token that cannot continue it.
    pub(super) fn query(&mut self) -> Result<QueryText> {
        let start = self.at;
        let end = self.tokens.len();
        let (query, hints) = self.with_sqlparser(end, |parser| parser.parse_query())?;
        let span = self.span_from(start);
        // `sqlparser` also reads WITH … INSERT, UPDATE and DELETE as queries.
        if !matches!(
            query.body.as_ref(),
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::SetOperation { .. } | SetExpr::Values(_)
        ) {
            return Err(SqlError::syntax_rule("WITH must be followed by a query here").at(span));
        }
        self.skip_hints();
        Ok(QueryText { text: span.text(self.source).to_string(), query, hints, span })
    }

    /// An expression, up to the first token that cannot continue it.
    pub(super) fn expression(&mut self) -> Result<ExprText> {
        let start = self.at;
        let end = self.expression_end();
        let (expr, _) = self.with_sqlparser(end, |parser| parser.parse_expr())?;
        let span = self.span_from(start);
        self.skip_hints();
        Ok(ExprText { text: span.text(self.source).to_string(), expr: Box::new(expr), span })
    }

    /// The tables of a FROM or USING clause.
    pub(super) fn tables(&mut self) -> Result<FromText> {
        let start = self.at;
        let end = self.tokens.len();
        let (tables, _) = self
            .with_sqlparser(end, |parser| parser.parse_comma_separated(SqlParser::parse_table_and_joins))?;
        let span = self.span_from(start);
        self.skip_hints();
        Ok(FromText { text: span.text(self.source).to_string(), tables, span })
    }

    /// The first token that no expression from here can reach: a comma or
    /// closing bracket outside brackets. Keeps the work linear, as every
    /// expression hands over only its own tokens.
    fn expression_end(&self) -> usize {
        let mut depth = 0_usize;
        for (position, token) in self.tokens.iter().enumerate().skip(self.at) {
            match token.kind {
                TokenKind::Symbol("(" | "[" | "{") => depth += 1,
                TokenKind::Symbol(")" | "]" | "}") if depth == 0 => return position,
                TokenKind::Symbol(")" | "]" | "}") => depth -= 1,
                TokenKind::Symbol(",") if depth == 0 => return position,
                _ => {}
            }
        }
        self.tokens.len()
    }

    /// Hands the tokens up to `end` to `rule` and moves behind what it read.
    fn with_sqlparser<T>(
        &mut self,
        end: usize,
        rule: impl FnOnce(&mut SqlParser<'_>) -> std::result::Result<T, ParserError>,
    ) -> Result<(T, Vec<String>)> {
        let tokens = self.tokens.get(self.at..end).unwrap_or_default();
        let depth = refuse_deep(tokens)?;
        let run = run(tokens, depth, rule);
        match run.result {
            Ok(tree) => {
                self.at += run.read;
                Ok((tree, run.hints))
            }
            Err(error) => {
                let (error, read) = deepest(tokens, depth, error, run.read);
                let at = tokens.get(read).unwrap_or_else(|| self.tokens.get(end).unwrap_or(&self.end));
                Err(self.translate(&error, at))
            }
        }
    }

    /// `sqlparser`'s error as ours. Its messages carry positions of their own
    /// when they concern a token; that token is then found again.
    fn translate(&self, error: &ParserError, at: &Token) -> SqlError {
        let message = match error {
            ParserError::RecursionLimitExceeded => {
                return SqlError::syntax(format!("The query nests deeper than {MAX_DEPTH} levels"), at.span);
            }
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
        };
        let (text, location) = match message.rsplit_once(" at Line: ") {
            Some((text, location)) => (text, parse_location(location)),
            None => (message.as_str(), None),
        };
        let token = location
            .and_then(|(line, column)| {
                self.tokens.iter().find(|t| (t.span.line, t.span.column) == (line, column))
            })
            .unwrap_or(at);
        match text.strip_prefix("Expected: ").and_then(|text| text.rsplit_once(", found: ")) {
            Some((expected, _)) => {
                let found = if token.kind == TokenKind::End || location.is_none() && at.kind == TokenKind::End
                {
                    "<EOF>".to_string()
                } else {
                    token.span.shown(self.source, 200)
                };
                let symbol = !expected.chars().any(char::is_alphanumeric);
                let quote = if symbol { "'" } else { "" };
                SqlError::syntax(
                    format!(
                        "Unexpected input '{found}', the most similar input is {{{quote}{expected}{quote}}}"
                    ),
                    token.span,
                )
            }
            None => SqlError::syntax(text.to_string(), token.span),
        }
    }
}

/// What became of tokens handed over.
struct Run<T> {
    result: std::result::Result<T, ParserError>,
    /// How many of our tokens were read, or up to where when it failed.
    read: usize,
    /// Bracketed hints among them.
    hints: Vec<String>,
}

fn run<T>(
    tokens: &[Token],
    depth: usize,
    rule: impl FnOnce(&mut SqlParser<'_>) -> std::result::Result<T, ParserError>,
) -> Run<T> {
    let converted = convert(tokens);
    let dialect = StarRocksDialect;
    let mut parser = SqlParser::new(&dialect)
        .with_recursion_limit(MAX_DEPTH * 2)
        .with_tokens_with_locations(converted.tokens);
    // `sqlparser` guards some of its recursions itself, those through tables
    // not; ordinary statements stay on the stack they have.
    let result =
        if depth > PLAIN_DEPTH { stacker::grow(DEEP_STACK, || rule(&mut parser)) } else { rule(&mut parser) };
    let read = converted.origins.get(parser.index()).copied().unwrap_or(tokens.len());
    let hints =
        converted.hints.into_iter().filter(|(position, _)| *position < read).map(|(_, hint)| hint).collect();
    Run { result, read, hints }
}

/// The error inside a subquery instead of the one behind its first word.
///
/// `sqlparser` tries what stands in parentheses behind FROM as a query, forgets
/// that error and tries it as tables, so that a slip deep inside is reported at
/// the subquery's beginning. The subquery is read again by itself.
fn deepest(tokens: &[Token], depth: usize, error: ParserError, read: usize) -> (ParserError, usize) {
    let (mut error, mut at) = (error, read);
    for _ in 0..MAX_DEPTH {
        if let Some(place) = place_of(&error, tokens) {
            at = place;
        }
        let Some(start) =
            (1..=3).filter_map(|back| at.checked_sub(back)).find(|start| begins_subquery(tokens, *start))
        else {
            break;
        };
        let inner = run(tokens.get(start..).unwrap_or_default(), depth, |parser| parser.parse_query());
        let Err(inner_error) = inner.result else {
            let end = start + inner.read;
            if end > at {
                return (ParserError::ParserError("Expected: ), found: ".to_string()), end);
            }
            break;
        };
        let inner_at = place_of(&inner_error, tokens).unwrap_or(start + inner.read);
        if inner_at <= at {
            break;
        }
        (error, at) = (inner_error, inner_at);
    }
    (error, at)
}

fn begins_subquery(tokens: &[Token], start: usize) -> bool {
    let opens = start
        .checked_sub(1)
        .and_then(|before| tokens.get(before))
        .is_some_and(|token| token.kind == TokenKind::Symbol("("));
    let query = match tokens.get(start).map(|token| &token.kind) {
        Some(TokenKind::Word(word)) => {
            ["SELECT", "WITH", "VALUES"].iter().any(|begin| word.eq_ignore_ascii_case(begin))
        }
        _ => false,
    };
    opens && query
}

/// Position of the token that a message names.
fn place_of(error: &ParserError, tokens: &[Token]) -> Option<usize> {
    let ParserError::ParserError(message) = error else { return None };
    let place = parse_location(message.rsplit_once(" at Line: ")?.1)?;
    tokens.iter().position(|token| (token.span.line, token.span.column) == place)
}

/// `L, Column: C` of a message, with our count of columns.
fn parse_location(text: &str) -> Option<(u32, u32)> {
    let (line, column) = text.split_once(", Column: ")?;
    let column: u32 = column.trim().parse().ok()?;
    Some((line.trim().parse().ok()?, column.checked_sub(1)?))
}

/// Refuses what would make a tree too deep to be dropped, or cost more than
/// linear time. Returns how deep brackets nest.
fn refuse_deep(tokens: &[Token]) -> Result<usize> {
    let mut levels = vec![Level::default()];
    let mut total = 0_usize;
    let mut doubled = 0_usize;
    let mut deepest = 0;
    let mut previous = "";
    for (position, token) in tokens.iter().enumerate() {
        let Some(level) = levels.last_mut() else { break };
        match &token.kind {
            TokenKind::Symbol("(" | "[" | "{") => {
                let next_opens =
                    matches!(tokens.get(position + 1), Some(Token { kind: TokenKind::Symbol("("), .. }));
                let in_table =
                    matches!(previous, "FROM" | "JOIN" | ",") || (previous == "(" && level.doubles);
                let doubles = next_opens && in_table;
                doubled += usize::from(doubles);
                levels.push(Level { doubles, ..Level::default() });
                deepest = deepest.max(levels.len());
                previous = "(";
            }
            TokenKind::Symbol(")" | "]" | "}") => {
                if levels.len() > 1
                    && let Some(closed) = levels.pop()
                {
                    total -= closed.chain + closed.sets;
                    doubled -= usize::from(closed.doubles);
                }
                previous = ")";
            }
            TokenKind::Symbol(",") => {
                total -= level.chain + level.sets;
                (level.chain, level.sets) = (0, 0);
                previous = ",";
            }
            TokenKind::Symbol("." | ";") => previous = "",
            TokenKind::Symbol("||" | "&&") => {
                total -= level.chain;
                level.chain = 0;
                previous = "";
            }
            TokenKind::Symbol(_) => {
                level.chain += 1;
                total += 1;
                previous = "";
            }
            TokenKind::Word(word) => {
                previous = ["FROM", "JOIN"].into_iter().find(|w| word.eq_ignore_ascii_case(w)).unwrap_or("");
                let among = |words: &[&str]| words.iter().any(|operator| word.eq_ignore_ascii_case(operator));
                if among(&["AND", "OR"]) {
                    total -= level.chain;
                    level.chain = 0;
                } else if among(&["UNION", "EXCEPT", "MINUS", "INTERSECT"]) {
                    level.sets += 4;
                    total += 4;
                } else if among(&["BETWEEN"]) {
                    // Its AND ends no chain.
                    level.sets += 1;
                    total += 1;
                } else if among(OPERATORS) {
                    level.chain += 1;
                    total += 1;
                }
            }
            _ => previous = "",
        }
        if total > MAX_CHAIN || doubled > MAX_TABLE_PARENTHESES {
            return Err(SqlError::syntax(
                format!("The query chains more than {MAX_CHAIN} operators or nests its tables too deep"),
                token.span,
            ));
        }
    }
    Ok(deepest)
}

/// What is known of an open bracket.
#[derive(Default)]
struct Level {
    /// Operators since the last comma, AND or OR.
    chain: usize,
    /// Weight of set operators since the last comma.
    sets: usize,
    /// A parenthesis that begins a table and directly holds another.
    doubles: bool,
}

/// Operators that are words.
const OPERATORS: &[&str] = &[
    "XOR", "DIV", "MOD", "IS", "IN", "LIKE", "RLIKE", "REGEXP", "COLLATE", "MATCH", "AT", "OVERLAPS",
    "SIMILAR", "ILIKE", "MEMBER", "OPERATOR",
];

struct Converted {
    tokens: Vec<TokenWithSpan>,
    /// For each converted token the position of the first of ours it stands for.
    origins: Vec<usize>,
    /// Bracketed hints with the position of their `[`.
    hints: Vec<(usize, String)>,
}

fn convert(tokens: &[Token]) -> Converted {
    let mut out =
        Converted { tokens: Vec::with_capacity(tokens.len()), origins: Vec::new(), hints: Vec::new() };
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let (converted, taken) = match &token.kind {
            TokenKind::Hint(_) => (None, 1),
            TokenKind::Symbol("[") => match bracket_hint(tokens, at) {
                Some(hint) => {
                    out.hints.push((at, hint));
                    (None, 3)
                }
                None => (Some(SqlToken::LBracket), 1),
            },
            TokenKind::Symbol("@" | "@@") => variable(tokens, at),
            TokenKind::Symbol(">") if is_adjacent_greater(tokens, at) => (Some(SqlToken::ShiftRight), 2),
            TokenKind::Symbol("->") if is_text(tokens, at + 1) => (Some(SqlToken::LongArrow), 1),
            TokenKind::Word(word) if word.eq_ignore_ascii_case("MOD") && ends_operand(tokens, at) => {
                (Some(SqlToken::Mod), 1)
            }
            kind => (convert_token(kind), 1),
        };
        if let Some(converted) = converted {
            out.tokens.push(TokenWithSpan { token: converted, span: location(token.span) });
            out.origins.push(at);
        }
        at += taken;
    }
    out
}

/// The span with `sqlparser`'s count of columns, which begins at 1.
fn location(span: Span) -> SqlSpan {
    let at = Location { line: span.line.into(), column: u64::from(span.column) + 1 };
    SqlSpan { start: at, end: at }
}

fn bracket_hint(tokens: &[Token], at: usize) -> Option<String> {
    let TokenKind::Word(word) = &tokens.get(at + 1)?.kind else { return None };
    let TokenKind::Symbol("]") = tokens.get(at + 2)?.kind else { return None };
    let hint = word.to_ascii_lowercase();
    let behind_join = matches!(at.checked_sub(1).and_then(|before| tokens.get(before)),
        Some(Token { kind: TokenKind::Word(word), .. }) if word.eq_ignore_ascii_case("JOIN"));
    let is_table_hint = hint.len() > 2 && hint.starts_with('_') && hint.ends_with('_');
    (is_table_hint || behind_join && BRACKET_HINTS.contains(&hint.as_str())).then_some(hint)
}

/// `@name`, `@@name`: one word.
fn variable(tokens: &[Token], at: usize) -> (Option<SqlToken>, usize) {
    let sign = match tokens.get(at).map(|token| &token.kind) {
        Some(TokenKind::Symbol(sign)) => *sign,
        _ => "@",
    };
    match tokens.get(at + 1).map(|token| &token.kind) {
        Some(TokenKind::Word(name) | TokenKind::Quoted(name)) => {
            (Some(SqlToken::make_word(&format!("{sign}{name}"), Some('`'))), 2)
        }
        _ => (Some(SqlToken::AtSign), 1),
    }
}

fn is_adjacent_greater(tokens: &[Token], at: usize) -> bool {
    match (tokens.get(at), tokens.get(at + 1)) {
        (Some(first), Some(second)) => {
            second.kind == TokenKind::Symbol(">") && first.span.end == second.span.start
        }
        _ => false,
    }
}

fn is_text(tokens: &[Token], at: usize) -> bool {
    matches!(tokens.get(at), Some(Token { kind: TokenKind::Text(_), .. }))
}

/// Whether the token before `at` can end an operand.
fn ends_operand(tokens: &[Token], at: usize) -> bool {
    match at.checked_sub(1).and_then(|before| tokens.get(before)).map(|token| &token.kind) {
        Some(TokenKind::Word(word)) => !is_reserved(word),
        Some(TokenKind::Symbol(symbol)) => matches!(*symbol, ")" | "]"),
        Some(TokenKind::Quoted(_) | TokenKind::Text(_) | TokenKind::Integer(_) | TokenKind::Decimal(_)) => {
            true
        }
        _ => false,
    }
}

fn convert_token(kind: &TokenKind) -> Option<SqlToken> {
    Some(match kind {
        TokenKind::Word(word) => SqlToken::make_word(word, None),
        TokenKind::Quoted(name) => SqlToken::make_word(name, Some('`')),
        TokenKind::Text(text) => SqlToken::SingleQuotedString(text.clone()),
        TokenKind::Integer(number) | TokenKind::Decimal(number) => SqlToken::Number(number.clone(), false),
        TokenKind::Hex(digits) => SqlToken::HexStringLiteral(digits.clone()),
        // Not part of a query; a backslash is no part of anything.
        TokenKind::Dollar(_) | TokenKind::Invalid(_) => SqlToken::Backslash,
        TokenKind::Hint(_) | TokenKind::End => return None,
        TokenKind::Symbol(symbol) => match *symbol {
            "<=>" => SqlToken::Spaceship,
            "<=" => SqlToken::LtEq,
            ">=" => SqlToken::GtEq,
            "<>" | "!=" => SqlToken::Neq,
            "||" => SqlToken::make_keyword("OR"),
            "&&" => SqlToken::make_keyword("AND"),
            "->" => SqlToken::Arrow,
            "<<" => SqlToken::ShiftLeft,
            "::" => SqlToken::DoubleColon,
            ":=" => SqlToken::Assignment,
            "=>" => SqlToken::RArrow,
            "(" => SqlToken::LParen,
            ")" => SqlToken::RParen,
            "[" => SqlToken::LBracket,
            "]" => SqlToken::RBracket,
            "{" => SqlToken::LBrace,
            "}" => SqlToken::RBrace,
            "," => SqlToken::Comma,
            ";" => SqlToken::SemiColon,
            "." => SqlToken::Period,
            "=" => SqlToken::Eq,
            "<" => SqlToken::Lt,
            ">" => SqlToken::Gt,
            "+" => SqlToken::Plus,
            "-" => SqlToken::Minus,
            "*" => SqlToken::Mul,
            "/" => SqlToken::Div,
            "%" => SqlToken::Mod,
            "!" => SqlToken::ExclamationMark,
            "~" => SqlToken::Tilde,
            "&" => SqlToken::Ampersand,
            "|" => SqlToken::Pipe,
            "^" => SqlToken::Caret,
            ":" => SqlToken::Colon,
            "?" => SqlToken::Placeholder("?".to_string()),
            _ => SqlToken::Backslash,
        },
    })
}
