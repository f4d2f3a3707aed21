//! The statement language: StarRocks's dialect, and nothing that runs it.
//!
//! * [`Parser`], [`parse_one`], [`check`]: from text to [`ast::Statement`];
//! * [`ast`]: the syntax tree. `Display` prints every node as SQL that parses to
//!   an equal tree;
//! * [`analyze`]: what statements mean as far as no catalog is needed, above all
//!   CREATE TABLE as a [`rockhold_model::TableDefinition`];
//! * [`show_create_table`] and its like: StarRocks's text of a definition;
//!   [`create_table_statements`]: statements that make the table again;
//! * [`names_in_query`], [`rename_in_query`]: names of tables inside stored SQL;
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

pub mod analyze;
pub mod ast;
mod check;
mod create_sql;
mod error;
mod java;
mod keywords;
mod kinds;
mod lexer;
mod names_in_query;
mod parser;
mod show_create;
mod span;

pub use check::{Checked, check};
pub use create_sql::create_table_statements;
pub use error::{Position, SqlError, Stage, sqlstate_of};
pub use keywords::is_reserved;
pub use kinds::{KindWords, STATEMENT_KINDS, default_kinds, statement_table};
pub use lexer::{Token, TokenKind, tokenize};
pub use names_in_query::{names_in_query, rename_in_query};
pub use parser::{Parsed, Parser, StarRocksDialect, parse_expression, parse_one, parse_query, parse_type};
pub use show_create::{
    show_create_catalog, show_create_catalog_with, show_create_materialized_view, show_create_table,
    show_create_view, time_function_text,
};
pub use span::Span;
