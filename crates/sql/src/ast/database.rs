//! Databases and the session's place.

use std::fmt;

use super::name::write_properties;
use super::{Ident, ObjectName, PropertyList};

/// `CREATE DATABASE [IF NOT EXISTS] [catalog.]name [charset] [collate] [PROPERTIES (…)]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateDatabase {
    /// IF NOT EXISTS was written.
    pub if_not_exists: bool,
    /// Name, possibly with its catalog.
    pub name: ObjectName,
    /// Character set; accepted for MySQL's sake, without effect.
    pub charset: Option<String>,
    /// Collation; accepted for MySQL's sake, without effect.
    pub collate: Option<String>,
    /// Properties.
    pub properties: Option<PropertyList>,
}

impl fmt::Display for CreateDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_not_exists = if self.if_not_exists { "IF NOT EXISTS " } else { "" };
        write!(f, "CREATE DATABASE {if_not_exists}{}", self.name)?;
        if let Some(charset) = &self.charset {
            write!(f, " CHARSET {}", super::quote_text(charset))?;
        }
        if let Some(collate) = &self.collate {
            write!(f, " COLLATE {}", super::quote_text(collate))?;
        }
        write_properties(f, &self.properties)
    }
}

/// `DROP DATABASE [IF EXISTS] name [FORCE]`.
#[derive(Debug, Clone, PartialEq)]
pub struct DropDatabase {
    /// IF EXISTS was written.
    pub if_exists: bool,
    /// Name, possibly with its catalog.
    pub name: ObjectName,
    /// FORCE was written.
    pub force: bool,
}

impl fmt::Display for DropDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        let force = if self.force { " FORCE" } else { "" };
        write!(f, "DROP DATABASE {if_exists}{}{force}", self.name)
    }
}

/// `USE [catalog.]database`.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    /// The catalog, when given.
    pub catalog: Option<Ident>,
    /// The database.
    pub database: Ident,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("USE ")?;
        if let Some(catalog) = &self.catalog {
            write!(f, "{catalog}.")?;
        }
        self.database.fmt(f)
    }
}
