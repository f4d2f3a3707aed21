//! The statements that the tests share.

use std::sync::LazyLock;

use rockhold_sql::Parser;

/// Statements of every kind, `;` between them.
pub(crate) const CORPUS: &str = include_str!("corpus.sql");

/// The guide's statements.
pub(crate) const GUIDE: &str = include_str!("../../../../tests/recorded/guide.sql");

/// The corpus, the guide and everything a real frontend was asked.
pub(crate) fn statements() -> &'static [String] {
    static STATEMENTS: LazyLock<Vec<String>> = LazyLock::new(read);
    &STATEMENTS
}

fn read() -> Vec<String> {
    let mut all: Vec<String> = [CORPUS, GUIDE].into_iter().flat_map(split).collect();
    for recorded in [
        include_str!("../../../../tests/recorded/errors.jsonl"),
        include_str!("../../../../tests/recorded/show-create.jsonl"),
        include_str!("../../../../tests/recorded/jobs.jsonl"),
    ] {
        for line in recorded.lines() {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            all.push(entry["sql"].as_str().unwrap().to_string());
            if let Some(text) = entry["show_create"].as_str() {
                all.push(text.to_string());
            }
        }
    }
    all
}

fn split(text: &str) -> Vec<String> {
    Parser::new().parse(text).map(|parsed| parsed.span.text(text).to_string()).collect()
}

#[test]
fn every_statement_of_the_corpus_parses() {
    let refused: Vec<String> = Parser::new()
        .parse(CORPUS)
        .filter_map(|parsed| {
            let error = parsed.statement.err()?;
            Some(format!("{}\n{error}", error.place(CORPUS).unwrap_or_default()))
        })
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n\n"));
}

#[test]
fn every_kind_of_statement_is_in_the_corpus() {
    let mut missing: Vec<&str> = rockhold_sql::STATEMENT_KINDS.to_vec();
    for statement in statements() {
        for parsed in Parser::new().parse(statement) {
            if let Ok(statement) = parsed.statement {
                let kind = statement.kind();
                assert!(rockhold_sql::STATEMENT_KINDS.contains(&kind), "{kind} is no listed kind");
                missing.retain(|missing| *missing != kind);
            }
        }
    }
    assert!(missing.is_empty(), "no statement of kind {missing:?}");
}
