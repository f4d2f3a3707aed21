//! Printing and parsing are inverse.

use proptest::prelude::*;
use rockhold_sql::analyze::{self, Cluster};
use rockhold_sql::ast::Statement;
use rockhold_sql::{Parser, create_table_statements, parse_one, tokenize};

use crate::corpus::statements;

fn assert_round_trip(sql: &str) {
    for parsed in Parser::new().parse(sql) {
        let Ok(statement) = parsed.statement else { continue };
        let printed = statement.to_string();
        match parse_one(&printed) {
            Ok(again) => assert_eq!(again, statement, "\n{sql}\nprinted as\n{printed}"),
            Err(error) => panic!("{sql}\nprinted as\n{printed}\nis refused: {error}"),
        }
        assert_analysis(&statement);
    }
}

/// What analysis accepts can be made again; nothing makes it panic.
fn assert_analysis(statement: &Statement) {
    let cluster = Cluster::default();
    match statement {
        Statement::CreateTable(create) => {
            let Ok(table) = analyze::create_table(create, &cluster) else { return };
            let text = &create_table_statements(&table.definition, &table.partitions)[0];
            let again = match parse_one(text) {
                Ok(Statement::CreateTable(again)) => analyze::create_table(&again, &cluster),
                other => panic!("{text}\n{other:?}"),
            };
            assert_eq!(again.as_ref(), Ok(&table), "\n{statement}\nmade again as\n{text}");
        }
        Statement::Backup(backup) => {
            let _ = (analyze::check_backup_names(backup), analyze::backup_options(backup));
        }
        Statement::Restore(restore) => {
            let _ = (analyze::check_restore_items(restore), analyze::restore_options(restore));
        }
        Statement::ShowSnapshots(show) => {
            let _ = analyze::snapshot_filter(show);
        }
        _ => {}
    }
}

#[test]
fn what_parses_prints_as_text_that_parses_to_the_same() {
    for statement in statements() {
        assert_round_trip(statement);
    }
}

proptest! {
    // Long runs: PROPTEST_CASES=100000.

    /// Tokens dropped, doubled, swapped, or taken from another statement: most
    /// results are refused; those that parse still round-trip, and none panics.
    #[test]
    fn mutated_statements_are_refused_or_round_trip(
        index in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        edits in prop::collection::vec((0_u8..4, any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4),
    ) {
        let all = statements();
        let texts = |sql: &str| -> Vec<String> {
            let mut tokens = tokenize(sql);
            tokens.pop();
            tokens.iter().map(|token| token.span.text(sql).to_string()).collect()
        };
        let mut tokens = texts(&all[index.index(all.len())]);
        let donor = texts(&all[other.index(all.len())]);
        for (edit, at, from) in edits {
            if tokens.is_empty() {
                break;
            }
            let at = at.index(tokens.len());
            match edit {
                0 => { tokens.remove(at); }
                1 => { let token = tokens[at].clone(); tokens.insert(at, token); }
                2 => { let last = tokens.len() - 1; tokens.swap(at, from.index(last + 1)); }
                _ => { if !donor.is_empty() { tokens[at] = donor[from.index(donor.len())].clone(); } }
            }
        }
        assert_round_trip(&tokens.join(" "));
    }

    /// Any text at all: no panic, and every statement lies inside the text.
    #[test]
    fn any_text_is_read_without_panic(text in "\\PC{0,60}|[a-z0-9 ;`'\"$/*().,\\-=<>\\[\\]\\\\\n\u{3000}]{0,80}") {
        for parsed in Parser::new().parse(&text) {
            prop_assert!(parsed.span.end <= text.len() && parsed.span.start <= parsed.span.end);
            if let Err(error) = parsed.statement {
                let _ = error.place(&text);
            }
        }
    }
}
