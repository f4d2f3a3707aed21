use crate::bench::Bench;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;

/// The files of a bucket are read at the same time, and one that is read early
/// must not go on with the file of another: rows would be merged out of order.
#[tokio::test(flavor = "multi_thread")]
async fn many_loads_of_one_key_are_one_row_however_their_files_are_read() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE sales (d DATE, city VARCHAR(20), v INT) PARTITION BY date_trunc('day', d)
               DISTRIBUTED BY HASH(city) BUCKETS 2;
             CREATE TABLE cities (city VARCHAR(20), land VARCHAR(20)) PRIMARY KEY(city) DISTRIBUTED BY HASH(city);
             INSERT INTO cities VALUES ('a', 'A'), ('b', 'B');
             INSERT INTO sales VALUES ('2024-01-30', 'a', 1), ('2024-01-31', 'b', 2), ('2024-02-01', 'a', 3);
             UPDATE cities SET land = 'AA' WHERE city = 'a'; UPDATE cities SET land = 'BB' WHERE city = 'b'",
        )
        .await;
    let query =
        "SELECT land, sum(v) FROM sales JOIN cities ON sales.city = cities.city GROUP BY land ORDER BY 1";
    for _ in 0..60 {
        assert_eq!(bench.rows(query).await, ["AA|4", "BB|2"]);
    }
}

#[tokio::test]
async fn aggregate_tables_merge_in_load_order() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (k INT, a INT SUM, b INT MIN, c VARCHAR(5) MAX, d INT REPLACE, e INT REPLACE_IF_NOT_NULL)
             AGGREGATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2;
             INSERT INTO t VALUES (1, 1, 5, 'b', 1, 1), (1, 2, 3, 'a', NULL, NULL), (2, NULL, NULL, NULL, NULL, NULL);
             INSERT INTO t VALUES (1, NULL, 9, 'c', 7, NULL)",
        )
        .await;
    assert_eq!(bench.rows("SELECT * FROM t ORDER BY k").await, ["1|3|3|c|7|1", "2|NULL|NULL|NULL|NULL|NULL"]);
    // Only values: the keys are read all the same.
    assert_eq!(bench.rows("SELECT a FROM t ORDER BY a").await, ["NULL", "3"]);
    assert_eq!(bench.rows("SELECT count(*) FROM t").await, ["2"]);
}

#[tokio::test]
async fn a_filter_on_a_value_never_brings_an_old_row_back() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (k INT, v INT) UNIQUE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1;
             INSERT INTO t VALUES (1, 1), (2, 1); INSERT INTO t VALUES (1, 2)",
        )
        .await;
    assert_eq!(bench.rows("SELECT k FROM t WHERE v = 1").await, ["2"]);
    assert_eq!(bench.rows("SELECT k FROM t WHERE v = 1 AND k = 1").await, Vec::<String>::new());
    assert_eq!(bench.rows("SELECT v FROM t WHERE k = 1 LIMIT 1").await, ["2"]);
    assert_eq!(bench.rows("SELECT min(v), max(v) FROM t").await, ["1|2"]);
}

#[derive(Debug, Clone)]
enum Step {
    Insert(Vec<(Option<i32>, i32, Option<i32>)>),
    Overwrite(Vec<(Option<i32>, i32, Option<i32>)>),
    Delete(i32),
    Truncate,
}

fn row() -> impl Strategy<Value = (Option<i32>, i32, Option<i32>)> {
    (prop_oneof![1 => Just(None), 6 => (0..5).prop_map(Some)], 0..3, proptest::option::weighted(0.8, -3..4))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => proptest::collection::vec(row(), 1..6).prop_map(Step::Insert),
        1 => proptest::collection::vec(row(), 1..4).prop_map(Step::Overwrite),
        3 => (0..3).prop_map(Step::Delete),
        1 => Just(Step::Truncate),
    ];
    proptest::collection::vec(step, 1..8)
}

/// The rows a table should have, kept in a map by key.
#[derive(Default)]
struct Model {
    kind: &'static str,
    rows: Vec<(Option<i32>, i32, Option<i32>)>,
}

impl Model {
    fn apply(&mut self, step: &Step) {
        match step {
            Step::Insert(rows) => self.rows.extend(rows),
            Step::Overwrite(rows) => self.rows = rows.clone(),
            Step::Delete(j) => self.rows.retain(|row| row.1 != *j),
            Step::Truncate => self.rows.clear(),
        }
    }

    fn table(&self) -> Vec<(Option<i32>, i32, Option<i32>)> {
        if self.kind == "DUPLICATE" {
            let mut rows = self.rows.clone();
            rows.sort();
            return rows;
        }
        let mut keys: BTreeMap<(Option<i32>, i32), Option<i32>> = BTreeMap::new();
        for (k, j, v) in &self.rows {
            let known = keys.get(&(*k, *j)).copied();
            let value = match (self.kind, known.flatten(), v) {
                ("AGGREGATE", Some(sum), Some(v)) => Some(sum + v),
                ("AGGREGATE", Some(sum), None) => Some(sum),
                _ => *v,
            };
            keys.insert((*k, *j), value);
        }
        keys.into_iter().map(|((k, j), v)| (k, j, v)).collect()
    }
}

fn literal(rows: &[(Option<i32>, i32, Option<i32>)], without_null_keys: bool) -> String {
    let text = |v: Option<i32>| v.map_or("NULL".to_string(), |v| v.to_string());
    let rows: Vec<String> = rows
        .iter()
        .map(|(k, j, v)| {
            let k = if without_null_keys { Some(k.unwrap_or(9)) } else { *k };
            format!("({}, {j}, {})", text(k), text(*v))
        })
        .collect();
    rows.join(", ")
}

async fn check(kind: &'static str, steps: Vec<Step>) {
    let mut bench = Bench::new().await;
    let value = if kind == "AGGREGATE" { "v INT SUM" } else { "v INT" };
    bench
        .run(&format!(
            "CREATE TABLE t (k INT, j INT, {value}) {kind} KEY(k, j) PARTITION BY RANGE(j)
             (PARTITION a VALUES LESS THAN ('1'), PARTITION b VALUES LESS THAN ('9')) DISTRIBUTED BY HASH(k) BUCKETS 2"
        ))
        .await;
    let primary = kind == "PRIMARY";
    let mut model = Model { kind, rows: Vec::new() };
    for step in &steps {
        let sql = match step {
            Step::Insert(rows) => format!("INSERT INTO t VALUES {}", literal(rows, primary)),
            Step::Overwrite(rows) => format!("INSERT OVERWRITE t VALUES {}", literal(rows, primary)),
            Step::Delete(j) => format!("DELETE FROM t WHERE j = {j}"),
            Step::Truncate => "TRUNCATE TABLE t".to_string(),
        };
        bench.run(&sql).await;
        let step = match step {
            Step::Insert(rows) if primary => {
                Step::Insert(rows.iter().map(|(k, j, v)| (Some(k.unwrap_or(9)), *j, *v)).collect())
            }
            Step::Overwrite(rows) if primary => {
                Step::Overwrite(rows.iter().map(|(k, j, v)| (Some(k.unwrap_or(9)), *j, *v)).collect())
            }
            step => step.clone(),
        };
        model.apply(&step);
    }
    let text = |v: Option<i32>| v.map_or("NULL".to_string(), |v| v.to_string());
    let show = |rows: Vec<(Option<i32>, i32, Option<i32>)>| -> Vec<String> {
        rows.into_iter().map(|(k, j, v)| format!("{}|{j}|{}", text(k), text(v))).collect()
    };
    let expected = model.table();
    assert_eq!(
        bench.rows("SELECT k, j, v FROM t ORDER BY k, j, v").await,
        show(expected.clone()),
        "{kind} {steps:?}"
    );
    for wanted in -2..3 {
        let filtered: Vec<_> = expected.iter().filter(|row| row.2 == Some(wanted)).copied().collect();
        assert_eq!(
            bench.rows(&format!("SELECT k, j, v FROM t WHERE v = {wanted} ORDER BY k, j, v")).await,
            show(filtered),
            "{kind} v = {wanted} {steps:?}"
        );
    }
    let filtered: Vec<_> = expected.iter().filter(|row| row.0.is_none_or(|k| k > 2)).copied().collect();
    let sql = "SELECT k, j, v FROM t WHERE k > 2 OR k IS NULL ORDER BY k, j, v";
    assert_eq!(bench.rows(sql).await, show(filtered), "{kind} {steps:?}");
}

/// Random operations on each model give the rows that a naive model gives.
#[tokio::test]
async fn random_operations_agree_with_a_naive_model() {
    let mut runner = TestRunner::new(Config::default());
    for kind in ["DUPLICATE", "AGGREGATE", "UNIQUE", "PRIMARY"] {
        for _ in 0..12 {
            let steps = steps().new_tree(&mut runner).unwrap().current();
            check(kind, steps).await;
        }
    }
}
