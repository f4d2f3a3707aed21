//! Views, materialized views, functions, external catalogs: what their
//! statements mean and what is refused.

use rockhold_model::{
    Column, DataType, MaterializedViewDefinition, Partitioning, RefreshMoment, RefreshScheme, TimeUnit,
};
use rockhold_sql::analyze::{self, Cluster};
use rockhold_sql::ast::Statement;
use rockhold_sql::{SqlError, parse_one};

/// What the analysis of a CREATE or ALTER statement refuses.
fn refusal(sql: &str) -> SqlError {
    let names = ["k", "v"].map(str::to_string);
    let result = match parse_one(sql).unwrap_or_else(|error| panic!("{sql}: {error}")) {
        Statement::CreateView(create) => analyze::create_view(&create, &names, "d").map(|_| ()),
        Statement::CreateMaterializedView(_) => materialized_view(sql).map(|_| ()),
        Statement::CreateFunction(create) => analyze::create_function(&create).map(|_| ()),
        Statement::CreateCatalog(create) => analyze::create_catalog(&create).map(|_| ()),
        other => panic!("{other}"),
    };
    match result {
        Err(error) => error,
        Ok(()) => panic!("not refused: {sql}"),
    }
}

fn columns() -> Vec<Column> {
    vec![Column::new("k", DataType::DateTime), Column::new("v", DataType::Int)]
}

fn materialized_view(sql: &str) -> Result<MaterializedViewDefinition, SqlError> {
    let Statement::CreateMaterializedView(create) = parse_one(sql)? else { panic!("{sql}") };
    let partitioning = Partitioning::Unpartitioned;
    analyze::create_materialized_view(&create, columns(), partitioning, "d", &Cluster::default())
}

#[test]
fn refusals_name_what_is_wrong() {
    for (sql, errno, words) in [
        (
            "CREATE VIEW v (a) AS SELECT 1, 2",
            1353,
            "View's SELECT and view's field list have different column counts",
        ),
        ("CREATE VIEW v (a, A) AS SELECT 1, 2", 1060, "Duplicate column name 'A'"),
        ("CREATE VIEW v PROPERTIES ('x' = 'y') AS SELECT 1, 2", 1064, "Unknown properties: {x=y}"),
        ("CREATE MATERIALIZED VIEW m REFRESH ASYNC AS SELECT 1, 2", 1064, "Can not find base tables"),
        (
            "CREATE MATERIALIZED VIEW m REFRESH ASYNC AS SELECT k, (SELECT max(uuid()) FROM u) FROM t",
            1064,
            "select item uuid() not supported nondeterministic function",
        ),
        ("CREATE MATERIALIZED VIEW m REFRESH INCREMENTAL AS SELECT k, v FROM t", 1064, "REFRESH INCREMENTAL"),
        (
            "CREATE MATERIALIZED VIEW m REFRESH ASYNC START('soon') EVERY(INTERVAL 1 DAY) AS SELECT k, v FROM t",
            1064,
            "Invalid date literal 'soon'",
        ),
        (
            "CREATE MATERIALIZED VIEW m REFRESH ASYNC EVERY(INTERVAL 0 DAY) AS SELECT k, v FROM t",
            1064,
            "must be greater than 0",
        ),
        (
            "CREATE MATERIALIZED VIEW m (a, a) REFRESH ASYNC AS SELECT k, v FROM t",
            1060,
            "Duplicate column name 'a'",
        ),
        (
            "CREATE MATERIALIZED VIEW m PARTITION BY nosuch REFRESH ASYNC AS SELECT k, v FROM t",
            1064,
            "nosuch is not found in query statement",
        ),
        (
            "CREATE MATERIALIZED VIEW m PARTITION BY date_trunc('month', v) REFRESH ASYNC AS SELECT k, v FROM t",
            1064,
            "date_trunc check failed",
        ),
        (
            "CREATE MATERIALIZED VIEW m PARTITION BY (date_trunc('month', k), v) REFRESH ASYNC AS SELECT k, v FROM t",
            1064,
            "takes columns only",
        ),
        (
            "CREATE MATERIALIZED VIEW m REFRESH ASYNC PROPERTIES ('partition_ttl_number' = 'x') AS SELECT k, v FROM t",
            1064,
            "Invalid partition_ttl_number: x",
        ),
        (
            "CREATE FUNCTION f(INT) RETURNS INT PROPERTIES ('symbol' = 'A', 'file' = 'x')",
            5064,
            "unknown lang type",
        ),
        (
            "CREATE FUNCTION f(INT) RETURNS INT PROPERTIES ('symbol' = 'A', 'type' = 'StarrocksJar')",
            5064,
            "No 'object_file' in properties",
        ),
        (
            "CREATE FUNCTION f(INT) RETURNS INT PROPERTIES ('type' = 'StarrocksJar', 'file' = 'x')",
            5064,
            "No 'symbol' in properties",
        ),
        (
            "CREATE FUNCTION f(INT) RETURNS INT type = 'Python' symbol = 'f' file = 'inline'",
            5064,
            "The source of an inline function is missing",
        ),
        (
            "CREATE FUNCTION f(INT) RETURNS INT type = 'Python' symbol = 'f' file = 'x.zip' AS $$x$$",
            5064,
            "instead of 'inline'",
        ),
        (
            "CREATE AGGREGATE FUNCTION f(INT) RETURNS INT type = 'Python' symbol = 'f' file = 'x.zip'",
            5064,
            "can only be scalar",
        ),
        ("CREATE FUNCTION f(x INT) RETURNS x + y", 1064, "Cannot find argument y in function args"),
        ("CREATE FUNCTION f(x INT, X INT) RETURNS x", 1064, "Duplicate argument name X in function args"),
        ("CREATE FUNCTION f(x INT) RETURNS (SELECT max(x) FROM t)", 1064, "cannot contain a subquery"),
        ("CREATE FUNCTION `1f`(x INT) RETURNS x", 1064, "Function cannot start with a digit: 1f"),
        ("CREATE FUNCTION `a-b`(x INT) RETURNS x", 1064, "all alphanumeric or underscore"),
        ("CREATE EXTERNAL CATALOG c PROPERTIES ('a' = 'b')", 1064, "'type' can not be null or empty"),
        (
            "CREATE EXTERNAL CATALOG c PROPERTIES ('type' = 'sqlite')",
            1064,
            "[type : sqlite] is not supported",
        ),
        (
            "CREATE EXTERNAL CATALOG Default_Catalog PROPERTIES ('type' = 'hive')",
            1064,
            "can't be the same as internal catalog name 'default_catalog'",
        ),
        ("CREATE EXTERNAL CATALOG `a b` PROPERTIES ('type' = 'hive')", 5063, "Incorrect catalog name 'a b'"),
        (
            "CREATE EXTERNAL CATALOG c PROPERTIES ('type' = 'hive')",
            1064,
            "Failed to init connector [type: hive, name: c]. msg: hive.metastore.uris must be set in properties when \
             creating catalog of hive-metastore",
        ),
        (
            "CREATE EXTERNAL CATALOG c PROPERTIES ('type' = 'hudi', 'hive.metastore.uris' = 'localhost:9083')",
            1064,
            "thrift://host:port",
        ),
        (
            "CREATE EXTERNAL CATALOG c PROPERTIES ('type' = 'deltalake', 'hive.metastore.type' = 'dlf')",
            1064,
            "hive.metastore.type [dlf] is not supported: it is one of hive, glue",
        ),
        (
            "CREATE EXTERNAL CATALOG c PROPERTIES ('type' = 'iceberg')",
            1064,
            "The property iceberg.catalog.type must be set",
        ),
        (
            "CREATE EXTERNAL CATALOG c PROPERTIES ('type' = 'iceberg', 'iceberg.catalog.type' = 'jdbc', \
             'iceberg.catalog.uri' = 'x')",
            1064,
            "The property iceberg.catalog.warehouse must be set where iceberg.catalog.type is jdbc",
        ),
        (
            "CREATE EXTERNAL CATALOG c PROPERTIES ('type' = 'jdbc', 'user' = 'u', 'password' = 'p')",
            1064,
            "Missing jdbc_uri in properties",
        ),
        ("CREATE EXTERNAL CATALOG c PROPERTIES ('type' = 'es')", 1064, "Hosts of ES table is null"),
        (
            "CREATE EXTERNAL CATALOG c PROPERTIES ('type' = 'paimon', 'paimon.catalog.type' = 'filesystem')",
            1064,
            "The property paimon.catalog.warehouse must be set",
        ),
        (
            "CREATE EXTERNAL CATALOG c PROPERTIES ('type' = 'unified', 'unified.metastore.type' = 'rest')",
            1064,
            "unified.metastore.type [rest] is not supported",
        ),
        (
            "CREATE EXTERNAL CATALOG c PROPERTIES ('type' = 'kudu', 'kudu.catalog.type' = 'kudu')",
            1064,
            "The property kudu.master must be set",
        ),
        (
            "CREATE EXTERNAL CATALOG c PROPERTIES ('type' = 'odps', 'odps.access.id' = 'x')",
            1064,
            "Missing odps.access.key in properties",
        ),
    ] {
        let error = refusal(sql);
        assert!(error.errno == errno && error.message.contains(words), "{sql}\n{} {error}", error.errno);
    }
}

#[test]
fn a_materialized_view_has_starrocks_defaults() {
    let view =
        materialized_view("CREATE MATERIALIZED VIEW m REFRESH DEFERRED ASYNC AS SELECT k, v FROM t").unwrap();
    assert_eq!((view.moment, view.default_database.as_str()), (RefreshMoment::Deferred, "d"));
    assert_eq!(view.refresh, RefreshScheme::Async { start: None, every: None });
    assert_eq!(view.as_table().key_columns, ["k", "v"]);
    let properties: Vec<(&str, &str)> =
        view.properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        properties,
        [("replicated_storage", "true"), ("replication_num", "3"), ("storage_medium", "HDD")]
    );
}

#[test]
fn partition_keys_are_columns_of_the_view() {
    let keys = |clause: &str| {
        let sql = format!("CREATE MATERIALIZED VIEW m (a, b) {clause} REFRESH ASYNC AS SELECT k, v FROM t");
        let Statement::CreateMaterializedView(create) = parse_one(&sql).unwrap() else { panic!("{sql}") };
        let columns = analyze::materialized_view_columns(&create, columns()).unwrap();
        analyze::materialized_view_partition_keys(&create, &columns).unwrap()
    };
    let key = |column: &str, unit| analyze::PartitionKey { column: column.to_string(), unit };
    assert_eq!(keys(""), []);
    assert_eq!(keys("PARTITION BY A"), [key("a", None)]);
    assert_eq!(keys("PARTITION BY (b, a)"), [key("b", None), key("a", None)]);
    assert_eq!(keys("PARTITION BY date_trunc('Month', a)"), [key("a", Some(TimeUnit::Month))]);
}

#[test]
fn altering_a_materialized_view_changes_what_is_said() {
    let view = materialized_view("CREATE MATERIALIZED VIEW m REFRESH MANUAL AS SELECT k, v FROM t").unwrap();
    let alter = |clause: &str| {
        let sql = format!("ALTER MATERIALIZED VIEW m {clause}");
        let Statement::AlterMaterializedView(alter) = parse_one(&sql).unwrap() else { panic!("{sql}") };
        analyze::alter_materialized_view(&view, &alter.action, &Cluster::default())
    };
    assert_eq!(alter("ACTIVE").unwrap(), view);
    assert_eq!(alter("RENAME n").unwrap().name, "n");
    let every = Some((2, TimeUnit::Hour));
    assert_eq!(
        alter("REFRESH ASYNC EVERY(INTERVAL 2 HOUR)").unwrap().refresh,
        RefreshScheme::Async { start: None, every }
    );
    let set = alter("SET ('mv_rewrite_staleness_second' = '60', 'session.x' = 'y')").unwrap();
    assert_eq!((set.properties["session.x"].as_str(), set.properties.len()), ("y", 5));
    let error = alter("SET ('replication_num' = '1')").unwrap_err();
    assert!(
        error.message.starts_with("Modify failed because unknown properties: {replication_num=1}"),
        "{error}"
    );
}

#[test]
fn altering_a_view_keeps_what_is_not_said() {
    let Statement::CreateView(create) =
        parse_one("CREATE VIEW v (a COMMENT 'x', b) COMMENT 'c' SECURITY INVOKER AS SELECT k, v FROM t")
            .unwrap()
    else {
        panic!("no view")
    };
    let names = ["k", "v"].map(str::to_string);
    let view = analyze::create_view(&create, &names, "d").unwrap();
    let alter = |clause: &str| {
        let sql = format!("ALTER VIEW v {clause}");
        let Statement::AlterView(alter) = parse_one(&sql).unwrap() else { panic!("{sql}") };
        analyze::alter_view(&view, &alter.action, &names, "e").unwrap()
    };
    let changed = alter("AS SELECT v, k FROM u");
    assert_eq!((changed.query.as_str(), changed.default_database.as_str()), ("SELECT v, k FROM u", "e"));
    assert_eq!(
        (changed.comment.as_str(), changed.security, changed.columns[0].name.as_str()),
        ("c", view.security, "k")
    );
    let changed = alter("SET SECURITY NONE");
    assert_eq!((changed.query, changed.default_database.as_str()), (view.query.clone(), "d"));
}

#[test]
fn secrets_of_catalogs_and_functions_come_apart() {
    let sql = "CREATE EXTERNAL CATALOG c PROPERTIES ('type' = 'jdbc', 'user' = 'u', 'password' = 'hunter2', 'jdbc_uri' = \
               'jdbc:mysql://u:hunter2@h:3306', 'driver_url' = 'https://h/d.jar', 'driver_class' = 'D')";
    let Statement::CreateCatalog(create) = parse_one(sql).unwrap() else { panic!("no catalog") };
    let catalog = analyze::create_catalog(&create).unwrap();
    assert_eq!(catalog.secrets.keys().collect::<Vec<_>>(), ["password", "jdbc_uri"]);
    let shown = rockhold_sql::show_create_catalog_with(&catalog.definition, &catalog.secrets);
    assert!(!shown.contains("hunter2") && shown.contains("\"password\"  =  \"******\""), "{shown}");
    assert!(!format!("{catalog:?}").contains("hunter2"));
    let sql = "CREATE FUNCTION f(INT) RETURNS INT PROPERTIES ('symbol' = 'A', 'type' = 'StarrocksJar', 'file' = \
               's3://b/a.jar', 'aws.s3.secret_key' = 'hunter2')";
    let Statement::CreateFunction(create) = parse_one(sql).unwrap() else { panic!("no function") };
    let function = analyze::create_function(&create).unwrap();
    assert_eq!((function.secrets.len(), function.definition.properties.len()), (1, 3));
}
