//! Whatever happens to a base: after a refresh a materialized view is its
//! query, and nothing was computed that nothing changed.

use crate::bench::Bench;
use crate::materialized_views::{changed, versions};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeSet;

/// Weeks from 2024-01-01: two of them reach over the end of a month.
const WEEKS: [&str; 9] = [
    "2024-01-01",
    "2024-01-08",
    "2024-01-15",
    "2024-01-22",
    "2024-01-29",
    "2024-02-05",
    "2024-02-12",
    "2024-02-19",
    "2024-02-26",
];

#[derive(Debug, Clone)]
enum Step {
    /// Week, day of it, key, value.
    Insert(Vec<(usize, u32, i32, i32)>),
    Overwrite(Vec<(usize, u32, i32, i32)>),
    Delete(i32),
    Update(i32, i32),
    Truncate(usize),
    Drop(usize),
    Add(usize),
    Refresh(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row = (0..8_usize, 0..7_u32, 0..5_i32, -3..4_i32);
    let rows = prop::collection::vec(row, 1..5);
    prop::collection::vec(
        prop_oneof![
            5 => rows.clone().prop_map(Step::Insert),
            1 => rows.prop_map(Step::Overwrite),
            2 => (0..5_i32).prop_map(Step::Delete),
            2 => (0..5_i32, -3..4_i32).prop_map(|(k, v)| Step::Update(k, v)),
            1 => (0..8_usize).prop_map(Step::Truncate),
            2 => (0..8_usize).prop_map(Step::Drop),
            2 => (0..8_usize).prop_map(Step::Add),
            2 => (0..VIEWS.len()).prop_map(Step::Refresh),
        ],
        4..12,
    )
}

/// Name, clauses, query: each behind those that it reads.
const VIEWS: [(&str, &str, &str); 6] = [
    ("whole", "REFRESH ASYNC", "SELECT k, count(*) c, sum(v) s FROM t GROUP BY k"),
    ("weeks", "PARTITION BY d REFRESH MANUAL", "SELECT d, k, v FROM t WHERE v <> 0"),
    (
        "months",
        "PARTITION BY date_trunc('month', d) REFRESH MANUAL",
        "SELECT d, sum(v) s, count(*) c FROM t GROUP BY d",
    ),
    (
        "items",
        "PARTITION BY (m) REFRESH ASYNC",
        "SELECT date_trunc('month', d) m, k, max(v) v FROM t GROUP BY date_trunc('month', d), k",
    ),
    (
        "numbered",
        "PARTITION BY day REFRESH MANUAL",
        "SELECT x.d AS day, x.k, x.v, row_number() OVER (PARTITION BY x.d ORDER BY x.v, x.k) n FROM (SELECT DISTINCT * \
         FROM t) x LEFT JOIN other o ON x.k = o.k",
    ),
    ("above", "PARTITION BY d REFRESH MANUAL", "SELECT d, s * 2 s FROM months"),
];

fn partition(week: usize) -> String {
    format!("PARTITION w{week} VALUES [('{}'), ('{}'))", WEEKS[week], WEEKS[week + 1])
}

struct World {
    bench: Bench,
    /// Weeks whose partition is there.
    weeks: BTreeSet<usize>,
    primary: bool,
}

impl World {
    async fn new(primary: bool) -> Self {
        let mut bench = Bench::new().await;
        let weeks: Vec<String> = (0..8).map(partition).collect();
        let key = if primary { "PRIMARY KEY(d, k)" } else { "DUPLICATE KEY(d, k)" };
        bench
            .run(&format!(
                "CREATE TABLE t (d DATE NOT NULL, k INT NOT NULL, v INT) {key} PARTITION BY RANGE(d) ({})
                 DISTRIBUTED BY HASH(k) BUCKETS 2; CREATE TABLE other (k INT); INSERT INTO other VALUES (1), (2)",
                weeks.join(", ")
            ))
            .await;
        for (name, clauses, query) in VIEWS {
            bench.run(&format!("CREATE MATERIALIZED VIEW {name} {clauses} AS {query}")).await;
        }
        World { bench, weeks: (0..8).collect(), primary }
    }

    fn values(&self, rows: &[(usize, u32, i32, i32)]) -> Option<String> {
        let rows: Vec<String> = rows
            .iter()
            .filter(|(week, ..)| self.weeks.contains(week))
            .map(|(week, day, k, v)| format!("(date_add('{}', INTERVAL {day} DAY), {k}, {v})", WEEKS[*week]))
            .collect();
        (!rows.is_empty()).then(|| rows.join(", "))
    }

    async fn step(&mut self, step: &Step) {
        let sql = match step {
            Step::Insert(rows) => match self.values(rows) {
                Some(rows) => format!("INSERT INTO t VALUES {rows}"),
                None => return,
            },
            Step::Overwrite(rows) => match self.values(rows) {
                Some(rows) => format!("INSERT OVERWRITE t VALUES {rows}"),
                None => return,
            },
            Step::Delete(k) => format!("DELETE FROM t WHERE k = {k}"),
            Step::Update(k, v) if self.primary => format!("UPDATE t SET v = {v} WHERE k = {k}"),
            Step::Update(..) => return,
            Step::Truncate(week) if self.weeks.contains(week) => {
                format!("TRUNCATE TABLE t PARTITION (w{week})")
            }
            Step::Drop(week) if self.weeks.len() > 1 && self.weeks.remove(week) => {
                format!("ALTER TABLE t DROP PARTITION w{week}")
            }
            Step::Add(week) if self.weeks.insert(*week) => format!("ALTER TABLE t ADD {}", partition(*week)),
            Step::Truncate(_) | Step::Drop(_) | Step::Add(_) => return,
            Step::Refresh(view) => format!("REFRESH MATERIALIZED VIEW {}", VIEWS[*view].0),
        };
        self.bench.run_any(&sql).await;
    }

    async fn check(&mut self, name: &str, query: &str, steps: &[Step]) {
        let mut expected = self.bench.rows(query).await;
        let mut found = self.bench.rows(&format!("SELECT * FROM {name}")).await;
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{name} after {steps:?}");
    }
}

async fn check(primary: bool, steps: Vec<Step>) {
    let mut world = World::new(primary).await;
    for (at, step) in steps.iter().enumerate() {
        world.step(step).await;
        // Those that follow loads are up to date after every statement.
        for (name, clauses, query) in VIEWS {
            if clauses.ends_with("ASYNC") {
                world.check(name, query, &steps[..=at]).await;
            }
        }
    }
    for (name, _, query) in VIEWS {
        world.bench.run_any(&format!("REFRESH MATERIALIZED VIEW {name}")).await;
        world.check(name, query, &steps).await;
    }
    // Once more changes nothing; one row changes one partition of each.
    let mut before = Vec::new();
    for (name, ..) in VIEWS {
        before.push(versions(&world.bench, name).await);
        world.bench.run_any(&format!("REFRESH MATERIALIZED VIEW {name}")).await;
        assert_eq!(
            changed(&before[before.len() - 1], &versions(&world.bench, name).await),
            Vec::<String>::new()
        );
    }
    let week = *world.weeks.iter().next().unwrap();
    world.step(&Step::Insert(vec![(week, 0, 77, 1)])).await;
    for ((name, _, query), before) in VIEWS.into_iter().zip(before) {
        world.bench.run_any(&format!("REFRESH MATERIALIZED VIEW {name}")).await;
        world.check(name, query, &steps).await;
        let now = versions(&world.bench, name).await;
        assert_eq!(changed(&before, &now).len(), 1, "{name} after {steps:?}");
    }
}

#[tokio::test]
async fn after_any_changes_a_refreshed_view_is_its_query() {
    let mut runner = TestRunner::new(Config::default());
    for round in 0..8 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        check(round % 2 == 0, steps).await;
    }
}
