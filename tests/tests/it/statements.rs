//! `docs/statements.md` says of every kind of statement whether it is
//! executed. The table is made here, by running a statement of each kind.
//! `ROCKHOLD_BLESS=1` writes it anew.

use crate::support::Place;
use std::collections::BTreeMap;

const CORPUS: [&str; 2] =
    [include_str!("../../../crates/sql/tests/language/corpus.sql"), include_str!("../../recorded/guide.sql")];

/// The fixed error of a statement that parses and that nothing executes.
const REFUSED: &str = "the embedded warehouse does not run";

#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_statements_says_what_is_executed() {
    let place = Place::new();
    let mut w = place.warehouse("w").await;
    let mut executed: BTreeMap<&'static str, bool> = BTreeMap::new();
    for statement in CORPUS.iter().flat_map(|text| rockhold::statements(text)) {
        let Ok(statement) = statement.parsed else { continue };
        // What a statement does here does not matter, only whether anything
        // takes it; statements that name files of the machine are left alone.
        if statement.to_string().contains("file://") {
            continue;
        }
        let kind = statement.kind();
        let refused = match w.session.execute(&statement).await {
            Ok(_) => false,
            Err(error) => error.message.contains(REFUSED),
        };
        *executed.entry(kind).or_default() |= !refused;
    }
    let table = rockhold_sql::statement_table(|kind| executed.get(kind).copied().unwrap_or(false));
    let text = format!(
        "# Statements\n\nEvery kind of statement that is parsed, and whether the embedded warehouse executes it. What it \
         refuses fails with one error, \"{REFUSED} … statements\", and changes nothing; nothing is ignored. Of a kind \
         that is executed some clauses may be refused: [sql-differences.md](sql-differences.md) names them. A test \
         makes this table and compares it.\n\n{table}"
    );
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/statements.md");
    if std::env::var_os("ROCKHOLD_BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == text, "docs/statements.md is not up to date; run this test with ROCKHOLD_BLESS=1");
}
