//! Every statement of the StarRocks 3.4 guide parses as it stands there.

use rockhold_sql::{Parser, parse_one};

use crate::corpus::GUIDE;

fn named() -> Vec<(&'static str, &'static str)> {
    GUIDE
        .split("-- name: ")
        .skip(1)
        .map(|entry| entry.split_once('\n').unwrap())
        .map(|(name, statement)| (name.trim(), statement.trim()))
        .collect()
}

#[test]
fn the_guide_has_all_its_statements_and_each_parses() {
    assert_eq!(named().len(), 57);
    for (name, statement) in named() {
        if let Err(error) = parse_one(statement) {
            panic!("{name}: {error}\n{}", error.place(statement).unwrap_or_default());
        }
    }
}

#[test]
fn the_guide_parses_as_one_script() {
    let parser = Parser::new();
    assert_eq!(parser.parse(GUIDE).filter(|parsed| parsed.statement.is_ok()).count(), 57);
}
