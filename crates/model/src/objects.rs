//! Views, materialized views, functions and external catalogs.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::{Column, DataType, Distribution, Index, Partitioning, Properties, TimeUnit};

/// A column of a view: a name for one item of its query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewColumn {
    /// Name.
    pub name: String,
    /// Comment; empty when none was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// Whose privileges a view's query is checked with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewSecurity {
    /// Only SELECT on the view is checked.
    #[default]
    None,
    /// The reader needs privileges on the objects below, too.
    Invoker,
}

/// A logical view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewDefinition {
    /// Name; case-sensitive.
    pub name: String,
    /// Columns in order.
    pub columns: Vec<ViewColumn>,
    /// Comment; empty when none was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Whose privileges apply.
    #[serde(default)]
    pub security: ViewSecurity,
    /// The query exactly as written, comments and hints included.
    pub query: String,
    /// Database whose names the query's unqualified names mean.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub default_database: String,
}

/// When a materialized view is first filled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshMoment {
    /// At once.
    #[default]
    Immediate,
    /// At the first refresh.
    Deferred,
}

/// What starts a refresh.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshScheme {
    /// Only REFRESH MATERIALIZED VIEW.
    #[default]
    Manual,
    /// Every load into a base table; or a timer, when `every` is given.
    Async {
        /// First refresh, `yyyy-MM-dd HH:mm:ss`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        start: Option<String>,
        /// Period.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        every: Option<(u32, TimeUnit)>,
    },
    /// Row by row, as loads arrive.
    Incremental,
}

/// An asynchronous materialized view: a table that a query fills. Its
/// partitions are kept beside it, as those of a table are; whether it is active
/// is part of its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaterializedViewDefinition {
    /// Name; case-sensitive.
    pub name: String,
    /// Columns of the stored result.
    pub columns: Vec<Column>,
    /// Comment; empty when none was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// How the result is divided into partitions.
    pub partitioning: Partitioning,
    /// Text of the partition expressions as SHOW CREATE prints them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition_expressions: Vec<String>,
    /// How a partition is divided into buckets.
    pub distribution: Distribution,
    /// Declared number of buckets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buckets: Option<u32>,
    /// Columns of ORDER BY when declared, else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sort_key: Vec<String>,
    /// Secondary indexes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Index>,
    /// When it is first filled.
    #[serde(default)]
    pub moment: RefreshMoment,
    /// What starts a refresh.
    #[serde(default)]
    pub refresh: RefreshScheme,
    /// Properties in print order.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub properties: Properties,
    /// The query exactly as written.
    pub query: String,
    /// Database whose names the query's unqualified names mean.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub default_database: String,
}

/// Kinds of user-defined function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionKind {
    /// One value per row.
    #[default]
    Scalar,
    /// One value per group, or per window when `analytic`.
    Aggregate,
    /// Rows per row.
    Table,
}

/// An argument of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionArgument {
    /// Name; only SQL functions have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Type.
    pub data_type: DataType,
}

/// A user-defined function. Name and argument types identify it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionDefinition {
    /// Name, lower case.
    pub name: String,
    /// Kind.
    #[serde(default)]
    pub kind: FunctionKind,
    /// Arguments in order.
    pub arguments: Vec<FunctionArgument>,
    /// The last argument may repeat.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub variadic: bool,
    /// Type returned; `None` for a SQL function, whose expression decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns: Option<DataType>,
    /// Properties that are no secrets: `symbol`, `type`, `file`, `md5`, …
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub properties: Properties,
    /// Properties that are, by name: credentials for the place of its file.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub secrets: IndexMap<String, SealedValue>,
    /// Source text between `$$`, or the expression of a SQL function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

impl FunctionDefinition {
    /// The name together with the argument types, by which a function is known
    /// inside its database: `f(INT,VARCHAR,...)`. Lengths of texts are left
    /// out, because they do not make an overload; precision and scale do.
    pub fn signature(&self) -> String {
        let mut types: Vec<String> =
            self.arguments.iter().map(|argument| argument.data_type.signature()).collect();
        if self.variadic {
            types.push("...".to_string());
        }
        format!("{}({})", self.name, types.join(","))
    }
}

/// A secret in encrypted form: readable only with the key of that id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedValue {
    /// The key it is encrypted under.
    pub key_id: String,
    /// Base64 of a 96-bit nonce, the AES-256-GCM ciphertext and its tag. The
    /// additional data is the name of the property.
    pub sealed: String,
}

/// An external catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogDefinition {
    /// Name; case-sensitive.
    pub name: String,
    /// Comment; empty when none was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Properties that are no secrets.
    pub properties: Properties,
    /// Properties that are, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub secrets: IndexMap<String, SealedValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overloads_differ_by_their_signature_not_by_lengths() {
        let argument = |data_type| FunctionArgument { name: None, data_type };
        let mut function = FunctionDefinition {
            name: "f".into(),
            kind: FunctionKind::Scalar,
            arguments: vec![
                argument(DataType::Int),
                argument(DataType::Varchar(20)),
                argument(DataType::Decimal { precision: 10, scale: 2 }),
            ],
            variadic: false,
            returns: Some(DataType::Int),
            properties: Properties::new(),
            secrets: IndexMap::new(),
            body: None,
        };
        assert_eq!(function.signature(), "f(INT,VARCHAR,DECIMAL(10,2))");
        function.arguments.truncate(1);
        function.variadic = true;
        assert_eq!(function.signature(), "f(INT,...)");
        function.arguments.clear();
        assert_eq!(function.signature(), "f(...)");
    }
}
