//! Rules for names.

use super::Result;
use crate::SqlError;
use crate::error::Stage;

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A letter, or `_` and a letter or digit, then characters that `rest` accepts.
fn is_word_name(name: &str, longest: usize, rest: impl Fn(char) -> bool) -> bool {
    let mut chars = name.chars();
    let first = chars.next();
    let begins = match first {
        Some(c) if c.is_ascii_alphabetic() => true,
        Some('_') => chars.next().is_some_and(|c| c.is_ascii_alphanumeric()),
        _ => false,
    };
    begins && name.chars().count() <= longest && chars.all(rest)
}

fn bad(errno: u16, what: &str, name: &str) -> SqlError {
    SqlError::numbered(Stage::Analyze, errno, format!("Incorrect {what} name '{name}'"))
}

/// Repositories: 1 to 64 word characters.
///
/// # Errors
///
/// 5063.
pub fn check_repository(name: &str) -> Result<()> {
    if is_word_name(name, 64, is_word) { Ok(()) } else { Err(bad(5063, "repository", name)) }
}

/// Catalogs: 1 to 64 word characters.
///
/// # Errors
///
/// 5063.
pub fn check_catalog(name: &str) -> Result<()> {
    if is_word_name(name, 64, is_word) { Ok(()) } else { Err(bad(5063, "catalog", name)) }
}

/// Databases: 1 to 256 characters, behind the first also `-~!@#$%^&<>=+`.
///
/// # Errors
///
/// 1102.
pub fn check_database(name: &str) -> Result<()> {
    let rest = |c| is_word(c) || "-~!@#$%^&<>=+".contains(c);
    if is_word_name(name, 256, rest) { Ok(()) } else { Err(bad(1102, "database", name)) }
}

/// Tables, views, materialized views: 1 to 1024 characters, no NUL.
///
/// # Errors
///
/// 1103.
pub fn check_table(name: &str) -> Result<()> {
    if (1..=1024).contains(&name.chars().count()) && !name.contains('\0') {
        Ok(())
    } else {
        Err(bad(1103, "table", name))
    }
}

/// Partitions: 1 to 64 word characters, not beginning with `placeholder_`.
///
/// # Errors
///
/// 5063.
pub fn check_partition(name: &str) -> Result<()> {
    let reserved = name.get(..12).is_some_and(|start| start.eq_ignore_ascii_case("placeholder_"));
    if is_word_name(name, 64, is_word) && !reserved { Ok(()) } else { Err(bad(5063, "partition", name)) }
}

/// The columns that the warehouse adds to its files begin with this, in any
/// letter case: docs/repository-format.md §5.
const OWN_COLUMNS: &str = "__rh_";

/// Whether files could not tell a column of this name from those that the
/// warehouse adds to them.
pub fn is_own_column(name: &str) -> bool {
    name.get(..OWN_COLUMNS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN_COLUMNS))
}

/// Refuses names of [`is_own_column`], for columns that may have any other name.
///
/// # Errors
///
/// 1166.
pub fn refuse_own_column(name: &str) -> Result<()> {
    if !is_own_column(name) {
        return Ok(());
    }
    let why = format!("names that begin with {OWN_COLUMNS} are kept for the warehouse's own columns");
    Err(SqlError::numbered(Stage::Analyze, 1166, format!("Incorrect column name '{name}': {why}")))
}

/// Columns: 1 to 1024 characters, none of `=<>!*` and NUL, and not a name that
/// the warehouse uses itself.
///
/// # Errors
///
/// 1166.
pub fn check_column(name: &str) -> Result<()> {
    refuse_own_column(name)?;
    let reserved = ["__op", "__row", "___count___"].iter().any(|used| name.eq_ignore_ascii_case(used));
    let allowed =
        (1..=1024).contains(&name.chars().count()) && !name.contains(['=', '<', '>', '!', '*', '\0']);
    if allowed && !reserved { Ok(()) } else { Err(bad(1166, "column", name)) }
}

/// Snapshot labels: 1 to 128 word characters and `-`, as load labels. StarRocks
/// takes any label but the empty one and uses it as the name of a directory.
///
/// # Errors
///
/// 5082.
pub fn check_label(name: &str) -> Result<()> {
    let length = name.chars().count();
    if (1..=128).contains(&length) && name.chars().all(|c| is_word(c) || c == '-') {
        return Ok(());
    }
    Err(SqlError::numbered(Stage::Analyze, 5082, format!("Incorrect label name '{name}'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_their_kind() {
        assert!(check_repository("a_1").is_ok() && check_repository("_1").is_ok());
        for name in ["", "1a", "_", "__a", "a-b", "ä", &"a".repeat(65)] {
            assert_eq!(check_repository(name).unwrap_err().errno, 5063, "{name}");
        }
        assert!(check_database("a-b~c").is_ok());
        assert_eq!(
            check_database("2@3").unwrap_err().to_string(),
            "Getting analyzing error. Detail message: Incorrect database name '2@3'."
        );
        assert!(check_table("bad name! 表").is_ok() && check_table("").is_err());
        assert!(check_partition("p1").is_ok() && check_partition("Placeholder_1").is_err());
        assert!(check_column("a b").is_ok() && check_column("__OP").is_err() && check_column("a*").is_err());
        assert!(check_label("2024-01_x").is_ok() && check_label("a/b").is_err() && check_label("").is_err());
    }

    #[test]
    fn names_of_the_warehouses_own_columns_are_kept() {
        for name in ["__rh_op", "__rh_load", "__rh_row", "__RH_Op", "__rh_", "__rh_表"] {
            let error = check_column(name).unwrap_err();
            assert_eq!(error.errno, 1166, "{name}");
            assert!(error.message.starts_with(&format!("Incorrect column name '{name}'")), "{error}");
            assert!(refuse_own_column(name).is_err(), "{name}");
        }
        for name in ["__rh", "_rh_op", "x__rh_op", "rh_op", "__r表_op", "__"] {
            assert!(check_column(name).is_ok() && refuse_own_column(name).is_ok(), "{name}");
        }
        assert!(refuse_own_column("count(*)").is_ok());
    }
}
