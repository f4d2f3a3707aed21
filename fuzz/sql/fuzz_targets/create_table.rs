//! What the analysis of CREATE TABLE accepts can be made again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rockhold_sql::analyze::{Cluster, create_table};
use rockhold_sql::ast::Statement;
use rockhold_sql::{create_table_statements, parse_one, show_create_table};

fuzz_target!(|rest: &str| {
    let Ok(Statement::CreateTable(create)) = parse_one(&format!("CREATE TABLE t ({rest}")) else { return };
    let cluster = Cluster::default();
    let Ok(table) = create_table(&create, &cluster) else { return };
    let _ = show_create_table(&table.definition, &table.partitions);
    let text = create_table_statements(&table.definition, &table.partitions).swap_remove(0);
    match parse_one(&text) {
        Ok(Statement::CreateTable(again)) => {
            assert_eq!(create_table(&again, &cluster).as_ref(), Ok(&table), "made again as {text}");
        }
        other => panic!("{text}\n{other:?}"),
    }
});
