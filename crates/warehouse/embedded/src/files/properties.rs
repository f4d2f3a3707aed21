//! The arguments of FILES.
//!
//! A property is one of FILES's own, or the storage vendor's. One of FILES's
//! own that has no meaning where it stands is refused: to pass it by would
//! read or write something else than was asked for, and nobody would notice.

use rockhold_core::is_slip;
use rockhold_sql::SqlError;

/// What a call of FILES is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Reading,
    Writing,
}

/// Where a property has a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum With {
    Nothing,
    AnyFormat,
    Csv,
    Parquet,
}

/// FILES's own properties: where they are taken in reading and in writing.
/// Those with a meaning in neither are StarRocks's only.
const OWN: &[(&str, With, With)] = &[
    ("path", With::AnyFormat, With::AnyFormat),
    ("format", With::AnyFormat, With::AnyFormat),
    ("compression", With::AnyFormat, With::AnyFormat),
    ("schema", With::Nothing, With::Nothing),
    ("fill_mismatch_column_with", With::AnyFormat, With::Nothing),
    ("columns_from_path", With::AnyFormat, With::Nothing),
    ("list_files_only", With::AnyFormat, With::Nothing),
    ("list_recursively", With::AnyFormat, With::Nothing),
    // Parquet says its types, and every footer is read: there they change nothing.
    ("auto_detect_sample_files", With::AnyFormat, With::Nothing),
    ("auto_detect_sample_rows", With::AnyFormat, With::Nothing),
    ("auto_detect_types", With::AnyFormat, With::Nothing),
    ("csv.column_separator", With::Csv, With::Csv),
    ("csv.row_delimiter", With::Csv, With::Csv),
    ("csv.enclose", With::Csv, With::Csv),
    ("csv.escape", With::Csv, With::Csv),
    ("csv.skip_header", With::Csv, With::Nothing),
    ("csv.trim_space", With::Csv, With::Nothing),
    ("single", With::Nothing, With::AnyFormat),
    ("partition_by", With::Nothing, With::AnyFormat),
    ("target_max_file_size", With::Nothing, With::AnyFormat),
    ("parquet.version", With::Nothing, With::Parquet),
    ("parquet.use_legacy_encoding", With::Nothing, With::Parquet),
];

/// What the names of FILES's own properties begin with, and no vendor's do.
const OWN_PREFIXES: &[&str] = &["csv.", "parquet.", "auto_detect_"];

/// `"key" = "value"` pairs; the last of equal keys counts.
#[derive(Debug, Clone)]
pub(crate) struct Properties(Vec<(String, String)>);

impl Properties {
    pub(crate) fn new(pairs: &[(String, String)]) -> Self {
        Self(pairs.to_vec())
    }

    /// Refuses properties that would be passed by.
    ///
    /// # Errors
    /// One has no meaning in this direction or for this format, is not
    /// supported, or is almost one of FILES's own.
    pub(crate) fn check(&self, direction: Direction) -> Result<(), SqlError> {
        // A list of files needs no format, so none is held against the others.
        let format = match self.flag("list_files_only", false)? {
            true => None,
            false => self.get("format").map(str::to_ascii_lowercase),
        };
        self.0.iter().try_for_each(|(key, _)| check_key(key, direction, format.as_deref()))
    }

    /// The properties for the storage vendor: credentials, endpoints.
    pub(crate) fn of_storage(&self) -> Vec<(String, String)> {
        let own = |key: &str| OWN.iter().any(|(name, _, _)| *name == key);
        self.0.iter().filter(|(key, _)| !own(key)).cloned().collect()
    }

    /// A line for each property that only a store would read.
    pub(crate) fn idle_here(&self) -> Vec<String> {
        let line = |(key, _): (String, String)| {
            format!("the property \"{}\" has no effect on file://", key.escape_debug())
        };
        self.of_storage().into_iter().map(line).collect()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// A property that must be given.
    ///
    /// # Errors
    /// It is not.
    pub(crate) fn require(&self, key: &str) -> Result<&str, SqlError> {
        match self.get(key) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(SqlError::analyze(format!("FILES needs the property \"{key}\""))),
        }
    }

    /// The names of a comma-separated list.
    pub(crate) fn names(&self, key: &str) -> Vec<&str> {
        let names = self.get(key).unwrap_or_default().split(',').map(str::trim);
        names.filter(|name| !name.is_empty()).collect()
    }

    /// A switch.
    ///
    /// # Errors
    /// Neither `true` nor `false`.
    pub(crate) fn flag(&self, key: &str, default: bool) -> Result<bool, SqlError> {
        match self.get(key).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(SqlError::analyze(format!("\"{key}\" = \"{other}\": use true or false"))),
        }
    }

    /// Whether a column that a file lacks is NULL there; else it is an error.
    ///
    /// # Errors
    /// Neither `none` nor `null`.
    pub(crate) fn fills_mismatch(&self) -> Result<bool, SqlError> {
        let key = "fill_mismatch_column_with";
        match self.get(key).map(str::to_ascii_lowercase).as_deref() {
            None | Some("none") => Ok(false),
            Some("null") => Ok(true),
            Some(other) => Err(SqlError::analyze(format!("\"{key}\" = \"{other}\": use none or null"))),
        }
    }

    /// A number.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn number(&self, key: &str, default: u64) -> Result<u64, SqlError> {
        match self.get(key) {
            None => Ok(default),
            Some(text) => text
                .trim()
                .parse()
                .map_err(|_| SqlError::analyze(format!("\"{key}\" = \"{text}\": use a number"))),
        }
    }

    /// A separator of one byte: itself, `\t`, `\n`, or `\x01`.
    ///
    /// # Errors
    /// It has more than one byte.
    pub(crate) fn byte(&self, key: &str, default: u8) -> Result<u8, SqlError> {
        let Some(text) = self.get(key) else { return Ok(default) };
        let byte = match text {
            "\\t" => Some(b'\t'),
            "\\n" => Some(b'\n'),
            "\\r" => Some(b'\r'),
            "\\\\" => Some(b'\\'),
            _ => match text.strip_prefix("\\x").or_else(|| text.strip_prefix("0x")) {
                Some(hex) => u8::from_str_radix(hex, 16).ok(),
                None => match text.as_bytes() {
                    [byte] => Some(*byte),
                    _ => None,
                },
            },
        };
        byte.ok_or_else(|| {
            SqlError::analyze(format!("\"{key}\" = \"{text}\": the embedded warehouse takes one byte here"))
        })
    }
}

fn check_key(key: &str, direction: Direction, format: Option<&str>) -> Result<(), SqlError> {
    let Some((_, reading, writing)) = OWN.iter().find(|(name, _, _)| *name == key) else {
        return check_foreign(key);
    };
    let taken = match direction {
        Direction::Reading => *reading,
        Direction::Writing => *writing,
    };
    let wrong = match taken {
        With::AnyFormat => return Ok(()),
        With::Csv if matches!(format, None | Some("csv")) => return Ok(()),
        With::Parquet if matches!(format, None | Some("parquet")) => return Ok(()),
        With::Csv => "is for \"format\" = \"csv\"; leave it out",
        With::Parquet => "is for \"format\" = \"parquet\"; leave it out",
        With::Nothing if *reading == *writing => "is not supported by the embedded warehouse; leave it out",
        With::Nothing if direction == Direction::Reading => "is for INSERT INTO FILES; leave it out",
        With::Nothing => "is for reading files; leave it out",
    };
    Err(SqlError::analyze(format!("the property \"{key}\" {wrong}")))
}

/// A key that is none of FILES's own: the vendor's, or a slip.
fn check_foreign(key: &str) -> Result<(), SqlError> {
    let shown = key.escape_debug();
    if let Some(meant) = meant(key) {
        return Err(SqlError::analyze(format!(
            "FILES has no property \"{shown}\"; did you mean \"{meant}\"?"
        )));
    }
    let lower = key.to_ascii_lowercase();
    let Some(prefix) = OWN_PREFIXES.iter().find(|prefix| lower.starts_with(**prefix)) else {
        return Ok(());
    };
    let known: Vec<&str> = names().filter(|name| name.starts_with(*prefix)).collect();
    Err(SqlError::analyze(format!("FILES has no property \"{shown}\"; it has {}", known.join(", "))))
}

fn names() -> impl Iterator<Item = &'static str> {
    OWN.iter().map(|(name, _, _)| *name)
}

/// The property that was meant by a key that is almost one, or lacks its prefix.
fn meant(key: &str) -> Option<&'static str> {
    let bare = |name: &str| name.split_once('.').map(|(_, bare)| bare.to_owned());
    let without = |name: &&str| bare(name).is_some_and(|bare| bare == key || is_slip(key, &bare));
    names().find(|name| is_slip(key, name)).or_else(|| names().find(without))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(pairs: &[(&str, &str)], direction: Direction) -> Result<(), String> {
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Properties::new(&pairs).check(direction).map_err(|error| error.message)
    }

    #[test]
    fn a_slip_is_refused_with_the_property_that_was_meant() {
        for (slip, meant) in [
            ("Path", "path"),
            ("fomat", "format"),
            ("partitoin_yb", "partition_by"),
            ("csv.colum_separator", "csv.column_separator"),
            ("csv_column_separator", "csv.column_separator"),
            ("columnSeparator", "csv.column_separator"),
            ("skip_header", "csv.skip_header"),
            ("fill_missmatch_column_with", "fill_mismatch_column_with"),
            ("target-max-file-size", "target_max_file_size"),
            ("auto_detect_type", "auto_detect_types"),
        ] {
            let error = checked(&[(slip, "x")], Direction::Reading).unwrap_err();
            assert_eq!(error, format!("FILES has no property \"{slip}\"; did you mean \"{meant}\"?"));
        }
        let error = checked(&[("parquet.page_size", "1")], Direction::Writing).unwrap_err();
        assert!(error.ends_with("it has parquet.version, parquet.use_legacy_encoding"), "{error}");
    }

    #[test]
    fn the_properties_of_vendors_are_theirs() {
        for key in [
            "aws.s3.access_key",
            "aws.s3.endpoint",
            "fs.s3a.path.style.access",
            "fs.oss.endpoint",
            "gcp.gcs.endpoint",
            "username",
            "password",
            "kerberos_principal",
            "hadoop.security.authentication",
            "dfs.replication",
            "max_upload_rate",
            "rockhold.tls.ca_file",
        ] {
            for direction in [Direction::Reading, Direction::Writing] {
                assert_eq!(checked(&[(key, "x")], direction), Ok(()), "{key}");
            }
            let properties = Properties::new(&[("path".into(), "x".into()), (key.into(), "y".into())]);
            assert_eq!(properties.of_storage(), [(key.to_owned(), "y".to_owned())]);
        }
    }

    #[test]
    fn a_property_without_meaning_where_it_stands_is_refused() {
        use Direction::{Reading, Writing};
        for (direction, format, key, wanted) in [
            (Reading, "csv", "partition_by", "is for INSERT INTO FILES"),
            (Writing, "csv", "csv.skip_header", "is for reading files"),
            (Writing, "parquet", "columns_from_path", "is for reading files"),
            (Reading, "parquet", "csv.enclose", "is for \"format\" = \"csv\""),
            (Writing, "CSV", "parquet.version", "is for \"format\" = \"parquet\""),
            (Reading, "csv", "schema", "is not supported by the embedded warehouse"),
            (Writing, "csv", "schema", "is not supported by the embedded warehouse"),
        ] {
            let error = checked(&[("format", format), (key, "x")], direction).unwrap_err();
            assert!(error.contains(&format!("\"{key}\" {wanted}")), "{error}");
        }
        assert_eq!(checked(&[("format", "CSV"), ("csv.enclose", "x")], Writing), Ok(()));
        assert_eq!(checked(&[("format", "parquet"), ("auto_detect_types", "true")], Reading), Ok(()));
        // A list of files has no format.
        let list = [("format", "parquet"), ("csv.enclose", "x"), ("list_files_only", "true")];
        assert_eq!(checked(&list, Reading), Ok(()));
    }
}
