//! A recursive-descent parser: one function per rule of the grammar, dispatched
//! on leading words.
//!
//! Queries and expressions are handed to `sqlparser` as tokens, never as text:
//! the lexical rules stay ours. Every recursion is counted, so hostile input
//! ends in an error and never in an exhausted stack; the work is linear in the
//! length of the text.

mod admin;
mod alter;
mod backup;
mod cursor;
mod database;
mod dialect;
mod dml;
mod materialized_view;
mod objects;
mod query;
mod show;
mod table;
mod table_partition;
mod types;

use crate::ast::{Explain, ExplainLevel, Statement};
use crate::kinds::{KindWords, default_kinds};
use crate::lexer::{Lexer, Token, TokenKind, tokenize};
use crate::{Span, SqlError};

pub use dialect::StarRocksDialect;

type Result<T> = std::result::Result<T, SqlError>;

/// How deep types, statements inside statements and queries may nest.
pub(crate) const MAX_DEPTH: usize = 100;

/// Reads statements.
///
/// ```
/// use rockhold_sql::Parser;
///
/// let parser = Parser::new();
/// let statement = parser.parse_one("BACKUP DATABASE shop SNAPSHOT nightly TO repo")?;
/// assert_eq!(statement.kind(), "BACKUP");
/// # Ok::<(), rockhold_sql::SqlError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Parser {
    kinds: Vec<KindWords>,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

/// A statement of a longer text.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// Where it stands, without the `;`.
    pub span: Span,
    /// The statement, or why it is none.
    pub statement: Result<Statement>,
}

impl Parser {
    /// A parser of StarRocks's kinds of object.
    pub fn new() -> Self {
        Parser { kinds: default_kinds() }
    }

    /// A parser of the kinds of object given.
    pub fn with_kinds(kinds: Vec<KindWords>) -> Self {
        Parser { kinds }
    }

    /// Reads a text of statements separated by `;`, one after the other. A
    /// statement that is refused does not hide those behind it. Empty
    /// statements are skipped.
    pub fn parse<'p>(&'p self, source: &'p str) -> impl Iterator<Item = Parsed> + 'p {
        // One statement's tokens at a time, so that a long script costs no more
        // memory than its longest statement.
        let mut lexer = Lexer::new(source);
        let mut ended = false;
        std::iter::from_fn(move || {
            while !ended {
                let mut tokens = Vec::new();
                let separator = loop {
                    let token = lexer.next_token();
                    if is_separator(&token) {
                        break token;
                    }
                    tokens.push(token);
                };
                ended = separator.kind == TokenKind::End;
                if !tokens.iter().all(|token| matches!(token.kind, TokenKind::Hint(_))) {
                    return Some(self.parse_tokens(source, &tokens, &separator));
                }
            }
            None
        })
    }

    /// Reads a text that is one statement, with or without a final `;`.
    ///
    /// # Errors
    ///
    /// The statement's own, or a syntax error when there is none or a second one.
    pub fn parse_one(&self, source: &str) -> Result<Statement> {
        let mut statements = self.parse(source);
        let first = statements.next().ok_or_else(|| SqlError::syntax_rule("The statement is empty"))?;
        let statement = first.statement?;
        match statements.next() {
            None => Ok(statement),
            Some(second) => Err(SqlError::syntax("Only one statement is allowed here", second.span)),
        }
    }

    fn parse_tokens(&self, source: &str, tokens: &[Token], end: &Token) -> Parsed {
        let span = match (tokens.first(), tokens.last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => end.span,
        };
        let mut reader = Reader::new(source, tokens, end.span, &self.kinds);
        Parsed { span, statement: reader.whole_statement() }
    }
}

fn is_separator(token: &Token) -> bool {
    matches!(token.kind, TokenKind::End | TokenKind::Symbol(";"))
}

/// Reads a text that is one statement, with StarRocks's kinds of object.
///
/// # Errors
///
/// See [`Parser::parse_one`].
pub fn parse_one(source: &str) -> Result<Statement> {
    Parser::new().parse_one(source)
}

/// Reads a text that is one query.
///
/// # Errors
///
/// A syntax error.
pub fn parse_query(source: &str) -> Result<crate::ast::QueryText> {
    match parse_one(source)? {
        Statement::Query(query) => Ok(*query),
        other => Err(SqlError::syntax_rule(format!("A query is expected here, not {}", other.kind()))),
    }
}

/// Reads a text that is one type: `array<varchar(20)>`.
///
/// # Errors
///
/// A syntax error.
pub fn parse_type(source: &str) -> Result<rockhold_model::DataType> {
    parse_part(source, |reader| reader.data_type())
}

/// Reads a text that is one expression.
///
/// # Errors
///
/// A syntax error.
pub fn parse_expression(source: &str) -> Result<crate::ast::ExprText> {
    parse_part(source, |reader| reader.expression())
}

fn parse_part<T>(source: &str, rule: impl FnOnce(&mut Reader<'_>) -> Result<T>) -> Result<T> {
    let tokens = tokenize(source);
    let Some((end, tokens)) = tokens.split_last() else {
        return Err(SqlError::syntax_rule("The text is empty"));
    };
    let kinds = default_kinds();
    let mut reader = Reader::new(source, tokens, end.span, &kinds);
    reader.refuse_invalid()?;
    let part = rule(&mut reader)?;
    if reader.at_end() { Ok(part) } else { Err(reader.unexpected(&["<EOF>"])) }
}

/// The tokens of one statement, and how far they are read.
pub(crate) struct Reader<'p> {
    source: &'p str,
    tokens: &'p [Token],
    end: Token,
    at: usize,
    depth: usize,
    kinds: &'p [KindWords],
}

impl Reader<'_> {
    fn whole_statement(&mut self) -> Result<Statement> {
        self.refuse_invalid()?;
        let statement = self.statement()?;
        if self.at_end() { Ok(statement) } else { Err(self.unexpected(&["<EOF>", "';'"])) }
    }

    fn statement(&mut self) -> Result<Statement> {
        let start = self.at;
        let word = match &self.peek().kind {
            TokenKind::Word(word) => word.to_ascii_uppercase(),
            TokenKind::Symbol("(") => "SELECT".to_string(),
            _ => return Err(self.no_viable(start)),
        };
        match word.as_str() {
            "SELECT" | "WITH" | "VALUES" => self.query_statement(),
            "BACKUP" => self.backup(),
            "RESTORE" => self.restore(),
            "CANCEL" => self.cancel(start),
            "CREATE" => self.create(start),
            "DROP" => self.drop(start),
            "ALTER" => self.alter(start),
            "TRUNCATE" => self.truncate(),
            "INSERT" => self.insert(),
            "UPDATE" => self.update(),
            "DELETE" => self.delete(),
            "REFRESH" => self.refresh(start),
            "SHOW" => self.show(start),
            "DESC" | "DESCRIBE" => self.describe(),
            "EXPLAIN" => self.explain(),
            "USE" => self.use_database(),
            "SET" => self.set(),
            _ => self.other_statement(start),
        }
    }

    fn explain(&mut self) -> Result<Statement> {
        self.bump();
        let levels = [
            ("LOGICAL", ExplainLevel::Logical),
            ("VERBOSE", ExplainLevel::Verbose),
            ("COSTS", ExplainLevel::Costs),
            ("ANALYZE", ExplainLevel::Analyze),
        ];
        let level = levels.iter().find(|(word, _)| self.is_word(word)).map(|(_, level)| *level);
        if level.is_some() {
            self.bump();
        }
        let start = self.at;
        let statement = match &self.peek().kind {
            TokenKind::Symbol("(") => self.statement()?,
            TokenKind::Word(word)
                if ["SELECT", "WITH", "VALUES", "BACKUP", "RESTORE", "INSERT", "UPDATE", "DELETE"]
                    .iter()
                    .any(|allowed| allowed.eq_ignore_ascii_case(word)) =>
            {
                self.statement()?
            }
            TokenKind::Word(word) if word.eq_ignore_ascii_case("CREATE") => self.statement()?,
            // EXPLAIN table is MySQL's other way to write DESC table.
            TokenKind::Word(_) | TokenKind::Quoted(_) if level.is_none() => {
                let name = self.object_name()?;
                return Ok(Statement::Describe(crate::ast::Describe::Table { name, all: false }));
            }
            _ => return Err(self.no_viable(start)),
        };
        Ok(Statement::Explain(Explain { level, statement: Box::new(statement) }))
    }
}
