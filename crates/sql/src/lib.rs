//! The statement language: StarRocks's dialect, and nothing that runs it.
//!
//! * [`Parser`], [`parse_one`], [`check`]: from text to [`ast::Statement`];
//! * [`ast`]: the syntax tree. `Display` prints every node as SQL that parses to
//!   an equal tree;
//! * [`analyze`]: what statements mean as far as no catalog is needed, above all
//!   CREATE TABLE as a [`rockhold_model::TableDefinition`];
//! * [`show_create_table`] and its like: StarRocks's text of a definition;
//!   [`create_table_statements`] and its like: statements that make it again;
//! * [`QueryNames`], [`names_in_query`], [`rename_in_query`]: names of tables and
//!   functions inside stored SQL;
//! * [`StoredQuery`]: the query of a view or materialized view, what it refers to
//!   and how it follows renames;
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
mod create_object_sql;
mod create_sql;
mod error;
mod hidden;
mod java;
mod keywords;
mod kinds;
mod lexer;
mod names_in_query;
mod parser;
mod query_scopes;
mod show_create;
mod span;
mod stored_query;

pub use check::{Checked, check};
pub use create_object_sql::{
    create_catalog_statement, create_function_statement, create_materialized_view_statements,
    create_view_statements,
};
pub use create_sql::{create_synchronous_view, create_table_statements};
pub use error::{Position, SqlError, Stage, sqlstate_of};
pub use keywords::is_reserved;
pub use kinds::{KindWords, STATEMENT_KINDS, default_kinds, statement_table};
pub use lexer::{Token, TokenKind, tokenize};
pub use names_in_query::{QueryNames, names_in_query, rename_in_query};
pub use parser::{Parsed, Parser, StarRocksDialect, parse_expression, parse_one, parse_query, parse_type};
pub use show_create::{
    show_create_catalog, show_create_catalog_with, show_create_materialized_view, show_create_table,
    show_create_view, time_function_text,
};
pub use span::Span;
pub use stored_query::{
    StoredQuery, follow_renames, query_difference, query_references, rename_base_of_rollups,
};
