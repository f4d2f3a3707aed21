//! Variables: enough of them for the clients that ask.

use super::super::session::Session;
use rockhold_core::Outcome;
use rockhold_sql::ast::{Set, SetItem, SetScope, SetValue};
use rockhold_sql::{SqlError, Stage};
use sqlparser::ast::{Expr, UnaryOperator, Value, ValueWithSpan};
use std::collections::BTreeMap;

/// The variables of a new session, by lower-case name.
pub(crate) fn defaults(zone: &str, version: &str) -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> = [
        ("auto_increment_increment", "1"),
        ("autocommit", "1"),
        ("character_set_client", "utf8"),
        ("character_set_connection", "utf8"),
        ("character_set_database", "utf8"),
        ("character_set_results", "utf8"),
        ("character_set_server", "utf8"),
        ("collation_connection", "utf8_general_ci"),
        ("collation_database", "utf8_general_ci"),
        ("collation_server", "utf8_general_ci"),
        ("default_authentication_plugin", "mysql_native_password"),
        ("default_storage_engine", "InnoDB"),
        ("enable_insert_strict", "true"),
        ("foreign_key_checks", "1"),
        ("init_connect", ""),
        ("insert_max_filter_ratio", "0"),
        ("insert_timeout", "14400"),
        ("interactive_timeout", "3600"),
        ("license", "Apache License 2.0"),
        ("lower_case_table_names", "0"),
        ("max_allowed_packet", "33554432"),
        ("net_buffer_length", "16384"),
        ("net_read_timeout", "60"),
        ("net_write_timeout", "60"),
        ("parallel_fragment_exec_instance_num", "1"),
        ("performance_schema", "0"),
        ("pipeline_dop", "0"),
        ("query_cache_size", "1048576"),
        ("query_cache_type", "0"),
        ("query_mem_limit", "0"),
        ("query_timeout", "300"),
        ("sql_auto_is_null", "0"),
        ("sql_mode", "ONLY_FULL_GROUP_BY"),
        ("sql_safe_updates", "0"),
        ("sql_select_limit", "9223372036854775807"),
        ("tx_isolation", "REPEATABLE-READ"),
        ("transaction_isolation", "REPEATABLE-READ"),
        ("transaction_read_only", "0"),
        ("tx_read_only", "0"),
        ("version", "8.0.33"),
        ("wait_timeout", "28800"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    variables.insert("time_zone".into(), zone.to_owned());
    variables.insert("system_time_zone".into(), zone.to_owned());
    variables.insert("version_comment".into(), version.to_owned());
    variables
}

/// `SET …`. Names, character sets and transactions are accepted without effect.
pub(super) async fn set(session: &mut Session, statement: &Set) -> Result<Outcome, SqlError> {
    for item in &statement.items {
        match item {
            SetItem::Variable { scope, name, value } => {
                let lower = name.as_str().trim_start_matches('@').to_ascii_lowercase();
                let bare = ["session.", "global.", "local."]
                    .iter()
                    .find_map(|scope| lower.strip_prefix(scope))
                    .unwrap_or(&lower);
                let key = if *scope == SetScope::User { format!("@{bare}") } else { bare.to_owned() };
                if *scope != SetScope::User && !session.variables.contains_key(&key) {
                    return Err(SqlError::numbered(
                        Stage::Analyze,
                        super::super::error::number::UNKNOWN_VARIABLE,
                        format!("Unknown system variable '{bare}'"),
                    ));
                }
                if key == "time_zone" && value_text(value).as_deref() != Some(session.store.time_zone()) {
                    return Err(SqlError::analyze(format!(
                        "the time zone of a warehouse is fixed when it is made: {}",
                        session.store.time_zone()
                    )));
                }
                match value_text(value) {
                    Some(text) => session.variables.insert(key, text),
                    None => session.variables.remove(&key).filter(|_| *scope == SetScope::User),
                };
            }
            SetItem::Catalog(name) => super::catalog::require_default(session, name.as_str()).await?,
            SetItem::Names { .. } | SetItem::Other(_) => {}
        }
    }
    Ok(Outcome::done())
}

/// The text of a literal value or a bare word.
fn value_text(value: &SetValue) -> Option<String> {
    let SetValue::Expression(expression) = value else { return None };
    fn text(expr: &Expr) -> Option<String> {
        match expr {
            Expr::Value(ValueWithSpan { value, .. }) => match value {
                Value::Null => None,
                Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Some(text.clone()),
                Value::Number(text, _) => Some(text.clone()),
                Value::Boolean(value) => Some(value.to_string()),
                other => Some(other.to_string()),
            },
            Expr::Identifier(word) => Some(word.value.clone()),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => Some(format!("-{}", text(expr)?)),
            other => Some(other.to_string()),
        }
    }
    text(&expression.expr)
}
