//! The arguments of FILES.

use rockhold_sql::SqlError;

/// `"key" = "value"` pairs; the last of equal keys counts.
#[derive(Debug, Clone)]
pub(crate) struct Properties(Vec<(String, String)>);

/// What FILES itself reads; everything else is the storage vendor's.
const OWN: &[&str] = &[
    "path",
    "format",
    "compression",
    "single",
    "partition_by",
    "target_max_file_size",
    "fill_mismatch_column_with",
    "columns_from_path",
    "list_files_only",
    "list_recursively",
    "schema",
];

/// What the names of further own properties begin with.
const OWN_PREFIXES: &[&str] = &["csv.", "parquet.", "auto_detect_"];

impl Properties {
    /// The properties for the storage vendor: credentials, endpoints.
    pub(crate) fn of_storage(&self) -> Vec<(String, String)> {
        let own = |key: &str| OWN.contains(&key) || OWN_PREFIXES.iter().any(|prefix| key.starts_with(prefix));
        self.0.iter().filter(|(key, _)| !own(key)).cloned().collect()
    }

    pub(crate) fn new(pairs: &[(String, String)]) -> Self {
        Self(pairs.to_vec())
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
