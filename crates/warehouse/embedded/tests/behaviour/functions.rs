use crate::bench::Bench;
use rockhold_core::{DataPart, Digest, JobId, KindId, ObjectName, PinRequest, Warehouse};
use rockhold_warehouse_embedded::SessionOptions;
use std::fs;
use std::time::Duration;

async fn with_rows() -> Bench {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (a INT, b INT, s VARCHAR(20), d DATE) DUPLICATE KEY(a);
             INSERT INTO t VALUES (1, 10, 'x', '2024-01-31'), (2, 20, '7', '2024-02-01'), (NULL, 30, NULL, NULL)",
        )
        .await;
    bench
}

#[tokio::test]
async fn a_sql_function_is_its_expression() {
    let mut bench = with_rows().await;
    bench
        .run(
            "CREATE FUNCTION plus(X INT, y INT) RETURNS x + Y;
             CREATE FUNCTION label(v INT) RETURNS if(v IS NULL, 'none', concat('#', v));
             CREATE FUNCTION answer() RETURNS 42",
        )
        .await;
    assert_eq!(
        bench.rows("SELECT plus(a, b), label(a) FROM t ORDER BY b").await,
        ["11|#1", "22|#2", "NULL|none"]
    );
    let (names, rows) =
        bench.table("SELECT PLUS(1, 2), d.plus(a, 1) AS n, d.Answer() FROM t WHERE a = 2").await;
    assert_eq!(names, ["plus(1, 2)", "n", "d.answer()"]);
    assert_eq!(rows, [[Some("3".to_string()), Some("3".into()), Some("42".into())]]);
    // Wherever an expression stands.
    assert_eq!(bench.rows("SELECT a FROM t WHERE plus(a, b) > 20 ORDER BY plus(a, 0)").await, ["2"]);
    assert_eq!(
        bench.rows("SELECT label(a), sum(plus(a, b)) FROM t GROUP BY label(a) ORDER BY 1").await,
        ["#1|11", "#2|22", "none|NULL"]
    );
    assert_eq!(bench.rows("SELECT sum(plus(a, b)) OVER (ORDER BY b) FROM t WHERE a > 0").await, ["11", "33"]);
    bench.run("INSERT INTO t VALUES (plus(1, 2), answer(), label(NULL), NULL)").await;
    assert_eq!(bench.rows("SELECT a, b, s FROM t WHERE a = 3").await, ["3|42|none"]);
    assert_eq!(bench.run("DELETE FROM t WHERE label(a) = '#3'").await, 1);
    bench.run("CREATE TABLE pk (k INT, v INT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k); INSERT INTO pk VALUES (1, 1)").await;
    bench.run("UPDATE pk SET v = plus(v, answer()) WHERE plus(k, 0) = 1").await;
    assert_eq!(bench.rows("SELECT * FROM pk").await, ["1|43"]);
}

#[tokio::test]
async fn arguments_become_the_types_declared() {
    let mut bench = with_rows().await;
    bench
        .run(
            "CREATE FUNCTION twice(v INT) RETURNS v * 2;
             CREATE FUNCTION next_day(d DATE) RETURNS date_add(d, INTERVAL 1 DAY);
             CREATE FUNCTION tail(s VARCHAR) RETURNS right(s, 1)",
        )
        .await;
    // '7' is a number, 'x' is none and becomes NULL.
    assert_eq!(bench.rows("SELECT twice(s) FROM t ORDER BY b").await, ["NULL", "14", "NULL"]);
    assert_eq!(bench.rows("SELECT twice(3.0), twice('4'), twice(NULL)").await, ["6|8|NULL"]);
    assert_eq!(bench.rows("SELECT tail(b) FROM t WHERE a = 1").await, ["0"]);
    assert_eq!(bench.rows("SELECT next_day('2024-02-28') = '2024-02-29'").await, ["1"]);
    let error = bench.error("SELECT twice(1, 2)").await;
    assert!(error.message.contains("No matching function with signature: twice("), "{error}");
    let error = bench.error("SELECT twice([1])").await;
    assert!(error.message.contains("No matching function with signature: twice(array"), "{error}");
}

#[tokio::test]
async fn types_and_number_of_arguments_choose_the_function() {
    let mut bench = with_rows().await;
    bench
        .run(
            "CREATE FUNCTION kind(v INT) RETURNS concat('int ', v);
             CREATE FUNCTION kind(v VARCHAR) RETURNS concat('text ', v);
             CREATE FUNCTION kind(v INT, w INT) RETURNS concat('two ', kind(v), kind(w));
             CREATE FUNCTION kind() RETURNS kind(0, 0)",
        )
        .await;
    assert_eq!(
        bench.rows("SELECT kind(a), kind(s), kind(a, b), kind() FROM t WHERE a = 1").await,
        ["int 1|text x|two int 1int 10|two int 0int 0"]
    );
    assert_eq!(bench.rows("SHOW FUNCTIONS").await, ["kind"]);
    assert_eq!(
        bench.rows("SHOW FULL FUNCTIONS").await,
        [
            "kind()||Scalar|NULL|{\"expression\":\"kind(0, 0)\"}",
            "kind(INT)||Scalar|NULL|{\"expression\":\"concat('int ', v)\"}",
            "kind(INT,INT)||Scalar|NULL|{\"expression\":\"concat('two ', kind(v), kind(w))\"}",
            "kind(VARCHAR)||Scalar|NULL|{\"expression\":\"concat('text ', v)\"}"
        ]
    );
    bench.run("DROP FUNCTION kind(VARCHAR)").await;
    assert_eq!(bench.rows("SELECT kind(s) FROM t WHERE b = 20").await, ["int 7"]);
    bench.run("DROP FUNCTION kind()").await;
    assert!(bench.error("SELECT kind()").await.message.contains("No matching function"));
}

#[tokio::test]
async fn functions_are_found_in_their_database_then_among_the_global_ones() {
    let mut bench = with_rows().await;
    bench
        .run(
            "CREATE FUNCTION f(v INT) RETURNS v + 1;
             CREATE GLOBAL FUNCTION g(v INT) RETURNS v + 100;
             CREATE GLOBAL FUNCTION f(v INT) RETURNS v + 200;
             CREATE FUNCTION h(v INT) RETURNS f(g(v));
             CREATE VIEW seen AS SELECT a, f(a) AS fa, h(a) AS ha FROM t WHERE a > 0;
             CREATE DATABASE e; USE e; CREATE FUNCTION f(v INT) RETURNS v + 10",
        )
        .await;
    // Inside a view and inside a function, f is still that of d.
    assert_eq!(bench.rows("SELECT f(1), d.f(1), g(1), d.h(1)").await, ["11|2|101|102"]);
    assert_eq!(bench.rows("SELECT * FROM d.seen ORDER BY a").await, ["1|2|102", "2|3|103"]);
    bench.run("DROP FUNCTION f(INT)").await;
    assert_eq!(bench.rows("SELECT f(1)").await, ["201"]);
    assert_eq!(bench.rows("SHOW GLOBAL FUNCTIONS").await, ["f", "g"]);
    assert!(bench.rows("SHOW FUNCTIONS").await.is_empty());
    assert_eq!(bench.error("DROP FUNCTION g(INT)").await.errno, 1305);
    bench.run("DROP GLOBAL FUNCTION f(INT)").await;
    assert!(bench.error("SELECT f(1)").await.message.contains("No matching function with signature: f"));
    assert!(bench.error("SELECT d.nosuch(1)").await.message.contains("d.nosuch"));
    // Dropping a database leaves global functions alone, and takes its own along.
    bench.run("DROP DATABASE d").await;
    assert_eq!(bench.rows("SELECT g(1)").await, ["101"]);
    assert!(bench.error("SELECT d.f(1)").await.message.contains("No matching function"));
    bench.run("CREATE DATABASE d").await;
    assert!(bench.rows("SHOW FUNCTIONS FROM d").await.is_empty());
}

#[tokio::test]
async fn a_function_that_exists_wins_over_one_of_that_name_without_its_database() {
    let mut bench = Bench::new().await;
    bench.run("CREATE FUNCTION upper(s VARCHAR) RETURNS concat(s, '!')").await;
    assert_eq!(bench.rows("SELECT upper('a'), d.upper('a')").await, ["A|a!"]);
    assert!(bench.rows("SHOW BUILTIN FUNCTIONS LIKE 'upper'").await == ["upper"]);
}

#[tokio::test]
async fn a_function_is_replaced_and_dropped() {
    let mut bench = with_rows().await;
    bench
        .run("CREATE FUNCTION f(v INT) RETURNS v + 1; CREATE VIEW w AS SELECT f(a) AS x FROM t WHERE a = 1")
        .await;
    assert!(bench.error("CREATE FUNCTION F(w INT) RETURNS 0").await.message.contains("already exists"));
    bench.run("CREATE FUNCTION IF NOT EXISTS f(v INT) RETURNS 0").await;
    assert_eq!(bench.rows("SELECT x FROM w").await, ["2"]);
    bench.run("CREATE OR REPLACE FUNCTION f(v INT) RETURNS v * 50").await;
    assert_eq!(bench.rows("SELECT x FROM w").await, ["50"]);
    bench.run("DROP FUNCTION f(INT); DROP FUNCTION IF EXISTS f(INT)").await;
    assert_eq!(bench.error("DROP FUNCTION f(INT)").await.errno, 1305);
    let error = bench.error("SELECT x FROM w").await;
    assert_eq!(error.errno, 1356);
    assert!(error.message.contains("f"), "{error}");
}

#[tokio::test]
async fn a_function_that_could_not_be_called_is_refused() {
    let mut bench = with_rows().await;
    bench.run("CREATE FUNCTION a(v INT) RETURNS v; CREATE FUNCTION b(v INT) RETURNS a(v)").await;
    for (sql, text) in [
        ("CREATE FUNCTION x(v INT) RETURNS x(v)", "No matching function with signature: x"),
        ("CREATE OR REPLACE FUNCTION a(v INT) RETURNS b(v)", "calls itself"),
        ("CREATE FUNCTION x(v INT) RETURNS nosuch(v)", "nosuch"),
        ("CREATE FUNCTION x(v INT) RETURNS w", "Cannot find argument w"),
        ("CREATE FUNCTION x(v INT) RETURNS sum(v)", "contains an aggregate"),
        ("CREATE FUNCTION x(v INT) RETURNS row_number() OVER (ORDER BY v)", "contains a window function"),
        ("CREATE FUNCTION x(v INT) RETURNS (SELECT max(a) FROM t)", "subquery"),
        ("CREATE FUNCTION x(v INT, V INT) RETURNS v", "Duplicate argument"),
        ("CREATE FUNCTION nosuch.x(v INT) RETURNS v", "nosuch"),
        ("CREATE GLOBAL FUNCTION d.x(v INT) RETURNS v", "qualified"),
    ] {
        let error = bench.error(sql).await;
        assert!(error.message.contains(text), "{sql}: {error}");
    }
    assert_eq!(bench.rows("SHOW FUNCTIONS").await, ["a", "b"]);
    assert_eq!(bench.rows("SELECT b(1)").await, ["1"]);
    // What a snapshot or an older definition brings may still be a circle.
    bench.run("CREATE FUNCTION n0(v INT) RETURNS v + 1").await;
    for level in 1..40 {
        let sql = format!("CREATE FUNCTION n{level}(v INT) RETURNS n{}(v) + 1", level - 1);
        if level < 32 {
            bench.run(&sql).await;
        } else {
            assert!(bench.error(&sql).await.message.contains("deeper than 32"));
            break;
        }
    }
    assert_eq!(bench.rows("SELECT n31(0)").await, ["32"]);
}

#[tokio::test]
async fn a_volatile_argument_is_evaluated_once() {
    let mut bench = with_rows().await;
    bench.run("CREATE FUNCTION same(v DOUBLE) RETURNS v = v; CREATE FUNCTION dice() RETURNS rand()").await;
    assert_eq!(bench.rows("SELECT count(*) FROM t WHERE same(rand())").await, ["3"]);
    assert_eq!(bench.rows("SELECT count(DISTINCT dice()) FROM t").await, ["3"]);
}

fn jar(bench: &Bench, bytes: &[u8]) -> String {
    let path = bench.dir.path().join("Udf.jar");
    fs::write(&path, bytes).unwrap();
    format!("file://{}", path.display())
}

/// The file that a backup of the function would take along: extension and bytes.
async fn artifact(bench: &Bench, name: &str) -> Option<(String, Vec<u8>)> {
    let store = bench.session.store();
    let job = JobId::random().unwrap();
    let request = PinRequest::new(KindId::FUNCTION, ObjectName::new("d", name));
    let cut = store.pin(job, vec![request]).await.ok()?;
    let partitions = cut.partitions(0, None, 10).await.unwrap();
    assert!(partitions.iter().all(|partition| partition.name == "artifact"));
    let partition = partitions.first()?;
    let files = cut.files(partition, None, 10).await.unwrap();
    assert_eq!((files.len(), files[0].rows, files[0].bucket), (1, 0, 0));
    let DataPart::LocalFile { path, digest, len } = &files[0].part else { panic!("a local file") };
    let bytes = fs::read(path).unwrap();
    assert_eq!((Digest::of(&bytes), bytes.len() as u64), (*digest, *len));
    store.release(job).await.unwrap();
    Some((files[0].extension.clone(), bytes))
}

#[tokio::test]
async fn java_and_python_functions_are_kept_with_their_file_and_not_run() {
    let mut bench = with_rows().await;
    let file = jar(&bench, b"jar one");
    let create = |file: &str, more: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION echo(INT) RETURNS INT
               PROPERTIES (\"symbol\" = \"Echo\", \"type\" = \"StarrocksJar\", \"file\" = \"{file}\"{more})"
        )
    };
    bench.run(&create(&file, "")).await;
    assert_eq!(artifact(&bench, "echo(INT)").await, Some(("jar".to_string(), b"jar one".to_vec())));
    // The property stays what was written; the digest is MD5 as StarRocks has it.
    let shown = bench.rows("SHOW FULL FUNCTIONS").await;
    assert_eq!(
        shown,
        [format!(
            "echo(INT)|INT|Scalar|NULL|{{\"symbol\":\"Echo\",\"type\":\"StarrocksJar\",\"file\":\"{file}\",\"md5\":\"0b3ee3d1d3b9b5c5f9b2d2fdbb7e2c8d\"}}"
        )
        .replace("0b3ee3d1d3b9b5c5f9b2d2fdbb7e2c8d", &bench.value("SELECT md5('jar one')").await)]
    );
    let error = bench.error("SELECT echo(1)").await;
    assert!(error.message.contains("function d.echo(INT) is kept and not run here"), "{error}");
    assert!(error.message.contains("StarrocksJar"), "{error}");

    // The file that was read stays, whatever happens to the place it came from.
    fs::write(bench.dir.path().join("Udf.jar"), b"other").unwrap();
    assert_eq!(artifact(&bench, "echo(INT)").await.unwrap().1, b"jar one");
    let error = bench.error(&create(&file, ", \"md5\" = \"00000000000000000000000000000000\"")).await;
    assert!(error.message.contains("md5"), "{error}");
    assert_eq!(artifact(&bench, "echo(INT)").await.unwrap().1, b"jar one");
    bench.run(&create(&file, "")).await;
    assert_eq!(artifact(&bench, "echo(INT)").await.unwrap().1, b"other");

    bench
        .run(
            "CREATE FUNCTION py(INT) RETURNS INT type = 'Python' symbol = 'f' file = 'inline'
               AS $$\ndef f(x):\n    return x\n$$",
        )
        .await;
    assert!(bench.error("SELECT py(1)").await.message.contains("Python"));
    assert_eq!(artifact(&bench, "py(INT)").await, None);
    bench.run("CREATE FUNCTION calls(v INT) RETURNS if(v > 0, v, 0)").await;
    assert!(bench.error("CREATE FUNCTION c2(v INT) RETURNS echo(v)").await.message.contains("not run here"));
    bench.run("DROP FUNCTION echo(INT)").await;
    assert_eq!(artifact(&bench, "echo(INT)").await, None);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_a_warning_not_an_error() {
    let mut options = SessionOptions::default();
    options.artifact_limit = 10;
    options.artifact_timeout = Duration::from_secs(5);
    let mut bench = Bench::with_options(options).await;
    let large = jar(&bench, b"more than ten bytes");
    let missing = large.replace("Udf.jar", "nosuch.jar");
    for (name, file, why) in [
        ("f1", large.as_str(), "more than 10 bytes"),
        ("f2", missing.as_str(), "No such file"),
        ("f3", "nosuch://h/x.jar", "no nosuch://"),
        ("f4", "http://127.0.0.1:1/x.jar", "no http://"),
    ] {
        let info = bench
            .info(&format!(
                "CREATE FUNCTION {name}(INT) RETURNS INT PROPERTIES ('symbol' = 'E', 'type' = 'StarrocksJar', 'file' = '{file}')"
            ))
            .await;
        assert!(info.contains(why) && info.contains("snapshots will not hold it"), "{info}");
        assert_eq!(artifact(&bench, &format!("{name}(INT)")).await, None);
    }
    assert_eq!(bench.rows("SHOW FUNCTIONS").await, ["f1", "f2", "f3", "f4"]);
    // Nothing of what was begun is left behind.
    bench.session.store().reclaim().await.unwrap();
    let staging = bench.dir.path().join("warehouse/staging");
    assert!(!staging.exists() || fs::read_dir(staging).unwrap().next().is_none());
}
