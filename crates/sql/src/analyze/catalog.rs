//! CREATE EXTERNAL CATALOG.

use indexmap::IndexMap;
use rockhold_core::Secret;
use rockhold_model::CatalogDefinition;

use super::{Result, names, secrets};
use crate::SqlError;
use crate::ast::CreateCatalog;

/// The catalog that always exists.
const DEFAULT_CATALOG: &str = "default_catalog";

/// A catalog as CREATE EXTERNAL CATALOG makes it.
#[derive(Debug, Clone)]
pub struct AnalyzedCatalog {
    /// The catalog without its secrets, which the warehouse encrypts.
    pub definition: CatalogDefinition,
    /// The secrets by the names of their properties.
    pub secrets: IndexMap<String, Secret>,
}

/// The catalog of a CREATE EXTERNAL CATALOG, its core properties checked.
///
/// # Errors
///
/// 1064 for a missing or unknown type and for core properties that are missing
/// or mean nothing; 5063 for a name that is none.
pub fn create_catalog(create: &CreateCatalog) -> Result<AnalyzedCatalog> {
    let name = create.name.as_str();
    names::check_catalog(name)?;
    if name.eq_ignore_ascii_case(DEFAULT_CATALOG) {
        return Err(SqlError::analyze(format!(
            "External catalog name can't be the same as internal catalog name '{DEFAULT_CATALOG}'"
        )));
    }
    let properties = create.properties.effective();
    check_properties(name, &properties)?;
    let split = secrets::split_addresses(properties);
    Ok(AnalyzedCatalog {
        definition: CatalogDefinition {
            name: name.to_string(),
            comment: create.comment.clone().unwrap_or_default(),
            properties: split.plain,
            secrets: IndexMap::new(),
        },
        secrets: split.secrets,
    })
}

/// The core properties of one type of catalog.
struct Core {
    /// The value of `type`.
    name: &'static str,
    /// Properties that must be there.
    required: &'static [&'static str],
    /// The property that says where its catalog lives, and what it may be.
    kind: Option<Kind>,
}

struct Kind {
    property: &'static str,
    /// Taken where the property is not given.
    default: Option<&'static str>,
    values: &'static [Value],
}

/// A value of a [`Kind`], and what it asks for: one of each group.
struct Value {
    name: &'static str,
    needs: &'static [&'static [&'static str]],
}

const METASTORE: &[&[&str]] = &[&["hive.metastore.uris"]];
const HIVE: Value = Value { name: "hive", needs: METASTORE };
const GLUE: Value = Value { name: "glue", needs: &[] };
const DLF: Value = Value { name: "dlf", needs: &[] };

const TYPES: &[Core] = &[
    Core {
        name: "hive",
        required: &[],
        kind: Some(Kind {
            property: "hive.metastore.type",
            default: Some("hive"),
            values: &[HIVE, GLUE, DLF],
        }),
    },
    Core {
        name: "iceberg",
        required: &[],
        kind: Some(Kind {
            property: "iceberg.catalog.type",
            default: None,
            values: &[
                Value {
                    name: "hive",
                    needs: &[&[
                        "hive.metastore.uris",
                        "iceberg.catalog.uri",
                        "iceberg.catalog.hive.metastore.uris",
                    ]],
                },
                GLUE,
                DLF,
                Value { name: "rest", needs: &[&["iceberg.catalog.uri"]] },
                Value { name: "jdbc", needs: &[&["iceberg.catalog.uri"], &["iceberg.catalog.warehouse"]] },
                Value { name: "hadoop", needs: &[&["iceberg.catalog.warehouse"]] },
            ],
        }),
    },
    Core {
        name: "hudi",
        required: &[],
        kind: Some(Kind {
            property: "hive.metastore.type",
            default: Some("hive"),
            values: &[HIVE, GLUE, DLF],
        }),
    },
    Core {
        name: "deltalake",
        required: &[],
        kind: Some(Kind { property: "hive.metastore.type", default: Some("hive"), values: &[HIVE, GLUE] }),
    },
    Core {
        name: "paimon",
        required: &[],
        kind: Some(Kind {
            property: "paimon.catalog.type",
            default: None,
            values: &[
                Value { name: "filesystem", needs: &[&["paimon.catalog.warehouse"]] },
                Value { name: "hive", needs: &[&["paimon.catalog.warehouse"], &["hive.metastore.uris"]] },
                Value { name: "dlf", needs: &[] },
                Value { name: "rest", needs: &[] },
            ],
        }),
    },
    Core {
        name: "jdbc",
        required: &["user", "password", "jdbc_uri", "driver_url", "driver_class"],
        kind: None,
    },
    Core { name: "es", required: &["hosts"], kind: None },
    Core {
        name: "unified",
        required: &[],
        kind: Some(Kind { property: "unified.metastore.type", default: None, values: &[HIVE, GLUE] }),
    },
    Core {
        name: "kudu",
        required: &[],
        kind: Some(Kind {
            property: "kudu.catalog.type",
            default: None,
            values: &[
                Value { name: "kudu", needs: &[&["kudu.master"]] },
                Value { name: "hive", needs: &[&["kudu.master"], &["hive.metastore.uris"]] },
                Value { name: "glue", needs: &[&["kudu.master"]] },
            ],
        }),
    },
    Core {
        name: "odps",
        required: &["odps.access.id", "odps.access.key", "odps.endpoint", "odps.project"],
        kind: None,
    },
];

fn check_properties(catalog: &str, properties: &IndexMap<String, String>) -> Result<()> {
    let given = |name: &str| properties.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let Some(catalog_type) = given("type") else {
        return Err(SqlError::analyze("'type' can not be null or empty"));
    };
    let Some(core) = TYPES.iter().find(|core| core.name.eq_ignore_ascii_case(catalog_type)) else {
        let known: Vec<&str> = TYPES.iter().map(|core| core.name).collect();
        return Err(SqlError::analyze(format!(
            "[type : {catalog_type}] is not supported; the types are {}",
            known.join(", ")
        )));
    };
    let refuse = |what: String| {
        let kind = core.name;
        Err(SqlError::execute(format!(
            "Failed to init connector [type: {kind}, name: {catalog}]. msg: {what}"
        )))
    };
    if let Some(missing) = core.required.iter().find(|name| given(name).is_none()) {
        return refuse(match *missing {
            "hosts" => {
                "Hosts of ES table is null. Please add properties('hosts'='xxx.xxx.xxx.xxx,...') when \
                        create table"
                    .to_string()
            }
            missing => format!("Missing {missing} in properties"),
        });
    }
    if let Some(kind) = &core.kind {
        let names: Vec<&str> = kind.values.iter().map(|value| value.name).collect();
        let Some(text) = given(kind.property).or(kind.default) else {
            return refuse(format!(
                "The property {} must be set: one of {}",
                kind.property,
                names.join(", ")
            ));
        };
        let Some(value) = kind.values.iter().find(|value| value.name.eq_ignore_ascii_case(text)) else {
            return refuse(format!(
                "{} [{text}] is not supported: it is one of {}",
                kind.property,
                names.join(", ")
            ));
        };
        for group in value.needs {
            if group.iter().any(|name| given(name).is_some()) {
                continue;
            }
            return refuse(if group.first() == Some(&"hive.metastore.uris") {
                "hive.metastore.uris must be set in properties when creating catalog of hive-metastore"
                    .to_string()
            } else {
                format!(
                    "The property {} must be set where {} is {}",
                    group.join(" or "),
                    kind.property,
                    value.name
                )
            });
        }
    }
    if let Some(uris) = given("hive.metastore.uris") {
        for uri in uris.split(',').map(str::trim) {
            let host = uri.strip_prefix("thrift://").unwrap_or_default();
            if host.is_empty() || host.contains(['/', ' ']) {
                return refuse(format!(
                    "hive.metastore.uris must be of the form thrift://host:port[,thrift://host:port …], which \
                     \"{uri}\" is not"
                ));
            }
        }
    }
    Ok(())
}
