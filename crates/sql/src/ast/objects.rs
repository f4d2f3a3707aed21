//! Views, functions, external catalogs, and dropping of named objects.

use std::fmt;

use rockhold_model::{DataType, FunctionKind, ViewSecurity};

use super::name::{sql_type, write_comment, write_properties};
use super::{ExprText, Ident, ObjectName, Property, PropertyList, QueryText, comma_separated, quote_text};

/// A column of a view: a name for an item of its query.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewColumnDef {
    /// Name.
    pub name: Ident,
    /// Comment.
    pub comment: Option<String>,
}

impl fmt::Display for ViewColumnDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        write_comment(f, &self.comment)
    }
}

/// `CREATE [OR REPLACE] VIEW …`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    /// OR REPLACE was written.
    pub or_replace: bool,
    /// IF NOT EXISTS was written.
    pub if_not_exists: bool,
    /// Name.
    pub name: ObjectName,
    /// Columns, when listed.
    pub columns: Option<Vec<ViewColumnDef>>,
    /// Comment.
    pub comment: Option<String>,
    /// SECURITY.
    pub security: Option<ViewSecurity>,
    /// PROPERTIES.
    pub properties: Option<PropertyList>,
    /// The query.
    pub query: QueryText,
}

pub(super) fn security_word(security: ViewSecurity) -> &'static str {
    match security {
        ViewSecurity::None => "NONE",
        ViewSecurity::Invoker => "INVOKER",
    }
}

impl fmt::Display for CreateView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_replace = if self.or_replace { "OR REPLACE " } else { "" };
        let if_not_exists = if self.if_not_exists { "IF NOT EXISTS " } else { "" };
        write!(f, "CREATE {or_replace}VIEW {if_not_exists}{}", self.name)?;
        if let Some(columns) = &self.columns {
            write!(f, " ({})", comma_separated(columns))?;
        }
        write_comment(f, &self.comment)?;
        if let Some(security) = self.security {
            write!(f, " SECURITY {}", security_word(security))?;
        }
        write_properties(f, &self.properties)?;
        write!(f, " AS {}", self.query)
    }
}

/// `ALTER VIEW name …`.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterView {
    /// Name.
    pub name: ObjectName,
    /// The change.
    pub action: AlterViewAction,
}

/// A change of ALTER VIEW.
#[derive(Debug, Clone, PartialEq)]
pub enum AlterViewAction {
    /// `[(columns)] AS query`.
    Query {
        /// Columns, when listed.
        columns: Option<Vec<ViewColumnDef>>,
        /// The new query.
        query: Box<QueryText>,
    },
    /// `SET SECURITY …`.
    Security(ViewSecurity),
    /// `SET (…)`.
    Properties(PropertyList),
    /// `RENAME name`.
    Rename(Ident),
}

impl fmt::Display for AlterView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ALTER VIEW {}", self.name)?;
        match &self.action {
            AlterViewAction::Query { columns, query } => {
                if let Some(columns) = columns {
                    write!(f, " ({})", comma_separated(columns))?;
                }
                write!(f, " AS {query}")
            }
            AlterViewAction::Security(security) => write!(f, " SET SECURITY {}", security_word(*security)),
            AlterViewAction::Properties(properties) => write!(f, " SET {properties}"),
            AlterViewAction::Rename(name) => write!(f, " RENAME {name}"),
        }
    }
}

/// `CREATE [OR REPLACE] [GLOBAL] [AGGREGATE|TABLE] FUNCTION …`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateFunction {
    /// OR REPLACE was written.
    pub or_replace: bool,
    /// GLOBAL was written.
    pub global: bool,
    /// Kind of function.
    pub kind: FunctionKind,
    /// IF NOT EXISTS was written.
    pub if_not_exists: bool,
    /// Name.
    pub name: ObjectName,
    /// Arguments.
    pub parameters: Vec<FunctionParameter>,
    /// `...` was written behind the last argument.
    pub variadic: bool,
    /// RETURNS.
    pub returns: FunctionReturns,
    /// PROPERTIES or `key = "value"` pairs.
    pub options: Option<FunctionOptions>,
    /// Source between `$$`.
    pub body: Option<String>,
}

/// An argument of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionParameter {
    /// Name; SQL functions have one.
    pub name: Option<Ident>,
    /// Type.
    pub data_type: DataType,
}

impl fmt::Display for FunctionParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name} ")?;
        }
        f.write_str(&sql_type(&self.data_type))
    }
}

/// What a function returns.
#[derive(Debug, Clone, PartialEq)]
pub enum FunctionReturns {
    /// A type.
    Type(DataType),
    /// The value of an expression over its arguments.
    Expression(ExprText),
}

/// Options of a function.
#[derive(Debug, Clone, PartialEq)]
pub enum FunctionOptions {
    /// `PROPERTIES (…)`.
    Properties(PropertyList),
    /// `key = "value" …`, keys bare.
    Inline(Vec<Property>),
}

impl FunctionOptions {
    /// The entries, however they were written.
    pub fn entries(&self) -> &[Property] {
        match self {
            FunctionOptions::Properties(list) => &list.entries,
            FunctionOptions::Inline(entries) => entries,
        }
    }
}

impl fmt::Display for CreateFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CREATE ")?;
        if self.or_replace {
            f.write_str("OR REPLACE ")?;
        }
        if self.global {
            f.write_str("GLOBAL ")?;
        }
        f.write_str(match self.kind {
            FunctionKind::Scalar => "FUNCTION ",
            FunctionKind::Aggregate => "AGGREGATE FUNCTION ",
            FunctionKind::Table => "TABLE FUNCTION ",
        })?;
        if self.if_not_exists {
            f.write_str("IF NOT EXISTS ")?;
        }
        write!(f, "{}({}", self.name, comma_separated(&self.parameters))?;
        if self.variadic {
            f.write_str(if self.parameters.is_empty() { "..." } else { ", ..." })?;
        }
        f.write_str(") RETURNS ")?;
        match &self.returns {
            FunctionReturns::Type(data_type) => f.write_str(&sql_type(data_type))?,
            FunctionReturns::Expression(expression) => expression.fmt(f)?,
        }
        match &self.options {
            None => {}
            Some(FunctionOptions::Properties(list)) => write!(f, " PROPERTIES {list}")?,
            Some(FunctionOptions::Inline(entries)) => {
                for entry in entries {
                    write!(f, " {} = {}", Ident::from(entry.key.as_str()), quote_text(&entry.value))?;
                }
            }
        }
        match &self.body {
            Some(body) => write!(f, " AS $${body}$$"),
            None => Ok(()),
        }
    }
}

/// `DROP [GLOBAL] FUNCTION [IF EXISTS] name (types)`.
#[derive(Debug, Clone, PartialEq)]
pub struct DropFunction {
    /// GLOBAL was written.
    pub global: bool,
    /// IF EXISTS was written.
    pub if_exists: bool,
    /// Name.
    pub name: ObjectName,
    /// Argument types.
    pub arguments: Vec<DataType>,
    /// `...` was written behind the last type.
    pub variadic: bool,
}

impl fmt::Display for DropFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let global = if self.global { "GLOBAL " } else { "" };
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        let types: Vec<String> = self.arguments.iter().map(sql_type).collect();
        write!(f, "DROP {global}FUNCTION {if_exists}{}({}", self.name, types.join(", "))?;
        if self.variadic {
            f.write_str(if types.is_empty() { "..." } else { ", ..." })?;
        }
        f.write_str(")")
    }
}

/// `CREATE EXTERNAL CATALOG [IF NOT EXISTS] name [COMMENT "…"] PROPERTIES (…)`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateCatalog {
    /// IF NOT EXISTS was written.
    pub if_not_exists: bool,
    /// Name.
    pub name: Ident,
    /// Comment.
    pub comment: Option<String>,
    /// PROPERTIES.
    pub properties: PropertyList,
}

impl fmt::Display for CreateCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_not_exists = if self.if_not_exists { "IF NOT EXISTS " } else { "" };
        write!(f, "CREATE EXTERNAL CATALOG {if_not_exists}{}", self.name)?;
        write_comment(f, &self.comment)?;
        write!(f, " PROPERTIES {}", self.properties)
    }
}

/// `DROP <what> [IF EXISTS] name [FORCE]`.
#[derive(Debug, Clone, PartialEq)]
pub struct DropObject {
    /// The statement's first words: `DROP TABLE`, `DROP VIEW`,
    /// `DROP MATERIALIZED VIEW`, `DROP CATALOG`.
    pub statement: &'static str,
    /// TEMPORARY was written (`DROP TEMPORARY TABLE`).
    pub temporary: bool,
    /// IF EXISTS was written.
    pub if_exists: bool,
    /// Name.
    pub name: ObjectName,
    /// FORCE was written.
    pub force: bool,
}

impl fmt::Display for DropObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        let force = if self.force { " FORCE" } else { "" };
        let statement = if self.temporary { "DROP TEMPORARY TABLE" } else { self.statement };
        write!(f, "{statement} {if_exists}{}{force}", self.name)
    }
}
