//! The statement language: StarRocks's dialect, and nothing that runs it.
//!
//! * [`Parser`], [`parse_one`], [`check`]: from text to [`ast::Statement`];
//! * [`ast`]: the syntax tree. `Display` prints every node as SQL that parses to
//!   an equal tree;
//! * [`SqlError`]: refusals with StarRocks's numbers, texts and places;
//! * [`KindWords`]: the words for kinds of object in BACKUP and RESTORE. Kinds
//!   are open: whoever adds an object type hands its words to the parser;
//! * [`STATEMENT_KINDS`]: every kind of statement the parser knows.
//!
//! Queries are `sqlparser` trees beside their text. What an engine must know of
//! the conversion: strings in either quote are string literals; `||` is OR and
//! `&&` is AND; `column -> '$.path'` on JSON is the operator `->>`; `@x` and
//! `@@x` are one quoted identifier with its signs; `FILES("k" = "v")` is a table
//! function over comparisons of string literals.

pub mod ast;
mod check;
mod error;
mod keywords;
mod kinds;
mod lexer;
mod parser;
mod span;

pub use check::{Checked, check};
pub use error::{Position, SqlError, Stage, sqlstate_of};
pub use keywords::is_reserved;
pub use kinds::{KindWords, STATEMENT_KINDS, default_kinds};
pub use lexer::{Token, TokenKind, tokenize};
pub use parser::{Parsed, Parser, StarRocksDialect, parse_expression, parse_one, parse_query, parse_type};
pub use span::Span;
