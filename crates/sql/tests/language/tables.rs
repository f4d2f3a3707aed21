//! Tables and their partitions, beyond what was recorded.

use rockhold_model::{DataType, Partition, PartitionValue, Partitioning};
use rockhold_sql::analyze::{self, Analyzed, Cluster};
use rockhold_sql::ast::Statement;
use rockhold_sql::{SqlError, create_table_statements, parse_one, show_create_table};

fn table(sql: &str) -> Analyzed {
    try_table(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn try_table(sql: &str) -> Result<Analyzed, SqlError> {
    match parse_one(sql)? {
        Statement::CreateTable(create) => analyze::create_table(&create, &Cluster::default()),
        other => panic!("{other}"),
    }
}

/// Adds the partitions of an ALTER TABLE statement.
fn alter(table: &mut Analyzed, clause: &str) -> Result<Vec<String>, SqlError> {
    let Statement::AlterTable(alter) = parse_one(&format!("ALTER TABLE t {clause}"))? else {
        panic!("{clause}")
    };
    let mut names = Vec::new();
    for clause in &alter.clauses {
        let added =
            analyze::add_partitions(&table.definition, &table.partitions, clause, &Cluster::default())?;
        names.extend(added.iter().map(|partition| partition.name.clone()));
        table.partitions.extend(added);
    }
    Ok(names)
}

fn ranges(table: &Analyzed) -> Vec<String> {
    let types = analyze::range_key_types(&table.definition);
    table.partitions.iter().map(|partition| analyze::range_text(&types, &partition.value)).collect()
}

#[test]
fn less_than_begins_where_the_range_below_ends() {
    let mut t = table(
        "CREATE TABLE t (k INT, j TINYINT) PARTITION BY RANGE(k, j) (PARTITION a VALUES LESS THAN (\"5\"), \
         PARTITION b VALUES LESS THAN (\"5\", \"7\"), PARTITION c VALUES [(\"9\"), (\"9\", MAXVALUE)))",
    );
    assert_eq!(
        ranges(&t),
        [
            "[types: [INT, TINYINT]; keys: [-2147483648, -128]; ..types: [INT, TINYINT]; keys: [5, -128]; )",
            "[types: [INT, TINYINT]; keys: [5, -128]; ..types: [INT, TINYINT]; keys: [5, 7]; )",
            "[types: [INT, TINYINT]; keys: [9, -128]; ..types: [INT, TINYINT]; keys: [9, MAXVALUE]; )",
        ]
    );
    assert_eq!(alter(&mut t, "ADD PARTITION d VALUES LESS THAN (\"8\")").unwrap(), ["d"]);
    assert_eq!(alter(&mut t, "ADD PARTITION e VALUES LESS THAN MAXVALUE").unwrap(), ["e"]);
    let error = alter(&mut t, "ADD PARTITION f VALUES LESS THAN (\"6\")").unwrap_err();
    assert!(error.message.contains("is intersected with range"), "{error}");
}

#[test]
fn added_partitions_are_checked_against_those_there() {
    let mut t = table(
        "CREATE TABLE t (d DATE, v INT) PARTITION BY RANGE(d) (START (\"2024-01-01\") END (\"2024-04-01\") EVERY \
         (INTERVAL 1 MONTH)) DISTRIBUTED BY HASH(v) BUCKETS 2",
    );
    for (clause, words) in [
        ("ADD PARTITION P202401 VALUES LESS THAN (\"2025-01-01\")", "Duplicated partition name: P202401"),
        ("ADD PARTITION x VALUES [(\"2024-03-31\"), (\"2024-05-01\"))", "is intersected with range"),
        ("ADD PARTITION x VALUES [(\"2024-05-01\"), (\"2024-05-01\"))", "must smaller than upper"),
        (
            "ADD PARTITION x VALUES [(\"2024-05-32\"), (\"2024-06-01\"))",
            "date literal [2024-05-32] is invalid",
        ),
        ("ADD PARTITION x VALUES IN (\"2024-05-01\")", "does not support list"),
        ("ADD PARTITION `x y` VALUES LESS THAN (\"2025-01-01\")", "Incorrect partition name"),
        ("ADD PARTITION x VALUES LESS THAN (\"2025-01-01\") DISTRIBUTED BY HASH(d)", "distribution cols"),
        (
            "ADD PARTITION x VALUES LESS THAN (\"2025-01-01\") (\"replication_num\" = \"7\")",
            "Table replication num",
        ),
        ("ADD PARTITIONS START (\"2024-02-01\") END (\"2024-06-01\") EVERY (INTERVAL 1 MONTH)", "Duplicated"),
    ] {
        let error = alter(&mut t, clause).unwrap_err();
        assert!(error.message.contains(words), "{clause}: {error}");
    }
    assert_eq!(
        alter(&mut t, "ADD PARTITION IF NOT EXISTS p202401 VALUES LESS THAN (\"2020-01-01\")").unwrap(),
        [""; 0]
    );
    let added = alter(
        &mut t,
        "ADD PARTITIONS START (\"2024-04-01\") END (\"2024-06-01\") EVERY (INTERVAL 1 MONTH) DISTRIBUTED BY HASH(V) BUCKETS 9",
    );
    assert_eq!(added.unwrap(), ["p202404", "p202405"]);
    assert_eq!(t.partitions.last().unwrap().buckets, Some(9));
    // Temporary partitions may overlap the others.
    alter(&mut t, "ADD TEMPORARY PARTITION tp VALUES [(\"2024-01-01\"), (\"2024-02-01\"))").unwrap();
    assert!(!show_create_table(&t.definition, &t.partitions).contains("PARTITION tp"));
}

#[test]
fn list_values_are_canonical_and_unique_over_all_partitions() {
    let mut t = table(
        "CREATE TABLE t (k INT, d DATE) PARTITION BY LIST(k, d) (PARTITION a VALUES IN ((\"01\", \"20240101\"), \
         (NULL, \"2024-01-01\"))) DISTRIBUTED BY HASH(k)",
    );
    let PartitionValue::List { rows } = &t.partitions[0].value else { panic!() };
    assert_eq!(rows[0], [Some("1".to_string()), Some("2024-01-01".to_string())]);
    let error = alter(&mut t, "ADD PARTITION b VALUES IN ((\"1\", \"2024-01-01\"))").unwrap_err();
    assert!(error.message.contains("Duplicated values (1, 2024-01-01)"), "{error}");
    alter(&mut t, "ADD PARTITION b VALUES IN ((\"2\", \"2024-01-01\"))").unwrap();
    let again = table(&create_table_statements(&t.definition, &t.partitions)[0]);
    assert_eq!(again, t);
}

#[test]
fn loads_create_partitions_named_by_their_values() {
    let none = |_: &str| false;
    let name = |sql: &str, values: &[Option<&str>]| {
        analyze::automatic_partition(&table(sql).definition, values, none).unwrap()
    };
    let day = "CREATE TABLE t (k DATETIME, v INT) PARTITION BY date_trunc('day', k)";
    let p = name(day, &[Some("2026-01-31 23:59:59")]);
    assert_eq!(p.name, "p20260131");
    assert_eq!(
        analyze::range_text(&[DataType::DateTime], &p.value),
        "[types: [DATETIME]; keys: [2026-01-31 00:00:00]; ..types: [DATETIME]; keys: [2026-02-01 00:00:00]; )"
    );
    assert_eq!(name(day, &[None]).name, "p00000101");
    let hour = "CREATE TABLE t (k DATETIME) PARTITION BY date_trunc('hour', k)";
    assert_eq!(name(hour, &[Some("2026-01-31 08:15:00")]).name, "p2026013108");
    let slice = "CREATE TABLE t (k DATE) PARTITION BY time_slice(k, INTERVAL 1 MONTH)";
    assert_eq!(name(slice, &[Some("2026-01-31")]).name, "p202601");
    let list = "CREATE TABLE t (d DATE, c VARCHAR(20)) PARTITION BY d, c";
    assert_eq!(name(list, &[Some("2026-1-31"), Some("Berlin")]).name, "p20260131_Berlin");
    // Names do not distinguish case, values do.
    let taken = |name: &str| name == "p20260131_berlin";
    let other =
        analyze::automatic_partition(&table(list).definition, &[Some("2026-01-31"), Some("BERLIN")], taken);
    assert_eq!(other.unwrap().name, "p20260131_BERLIN_1");
    let fixed = table("CREATE TABLE t (d DATE)");
    assert!(analyze::automatic_partition(&fixed.definition, &[], none).is_err());
}

#[test]
fn automatic_partitions_are_made_again() {
    let mut t = table("CREATE TABLE t (d DATE, c VARCHAR(20), v INT) PARTITION BY date_trunc('month', d), c");
    assert_eq!(t.partitions, []);
    assert!(matches!(&t.definition.partitioning, Partitioning::List { automatic: true, .. }));
    let values = [Some("2026-01-01"), None];
    t.partitions.push(analyze::automatic_partition(&t.definition, &values, |_| false).unwrap());
    let statements = create_table_statements(&t.definition, &t.partitions);
    assert_eq!(statements.len(), 2);
    let mut again = table(&statements[0]);
    alter(&mut again, statements[1].strip_prefix("ALTER TABLE `t` ").unwrap()).unwrap();
    assert_eq!(again, t);

    let mut t = table("CREATE TABLE t (d DATE) PARTITION BY date_trunc('day', d)");
    t.partitions.push(analyze::automatic_partition(&t.definition, &[Some("2026-01-01")], |_| false).unwrap());
    assert_eq!(table(&create_table_statements(&t.definition, &t.partitions)[0]), t);
}

#[test]
fn odd_names_and_texts_survive_being_made_again() {
    let t = table(
        "CREATE TABLE `a``b` (`select` INT COMMENT \"q\\\"\\\\\", `x y` STRUCT<`from` INT, `a b` ARRAY<MAP<INT, CHAR(3)>>>, \
         z VARCHAR(9) DEFAULT \"\", INDEX `odd name` (z) USING NGRAMBF (\"gram_num\" = \"4\") COMMENT 'it''s') \
         DUPLICATE KEY (`select`) COMMENT 'a\nb' ROLLUP (r (z, `select`))",
    );
    assert_eq!(table(&create_table_statements(&t.definition, &t.partitions)[0]), t);
    assert_eq!(t.definition.rollups[0].columns, ["z", "select"]);
}

#[test]
fn nonsense_that_starrocks_accepts_is_refused() {
    for sql in [
        "CREATE TABLE t (a INT) DISTRIBUTED BY HASH(a, A)",
        "CREATE TABLE t (a VARCHAR(0))",
        "CREATE TABLE t (a INT, b INT DEFAULT CURRENT_TIMESTAMP)",
    ] {
        assert!(try_table(sql).is_err(), "{sql}");
    }
    assert_eq!(table("CREATE TABLE t (a INT) DISTRIBUTED BY HASH(a) BUCKETS 0").definition.buckets, None);
}

#[test]
fn an_unpartitioned_table_has_one_partition_of_its_name() {
    let t = table("CREATE TABLE T (a INT)");
    assert_eq!(t.partitions, [Partition::new("T", PartitionValue::All)]);
}
