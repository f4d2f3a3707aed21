//! The shape of CSV files: what separates and encloses their values.

use super::properties::Properties;
use csv::{ReaderBuilder, Terminator, Trim};
use rockhold_sql::SqlError;

/// What stands for NULL, enclosed or not: StarRocks reads it so.
pub(crate) const NULL: &str = "\\N";

/// What separates and encloses values. All different from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    separator: u8,
    delimiter: u8,
    quote: Option<u8>,
    /// What makes a quote inside a value; without it the quote is doubled.
    escape: Option<u8>,
}

impl Dialect {
    /// The dialect of the properties `csv.…`.
    ///
    /// # Errors
    /// One has more than a byte, two are equal, or one needs another.
    pub(crate) fn new(properties: &Properties) -> Result<Self, SqlError> {
        let optional = |key: &str| match properties.get(key) {
            None | Some("") => Ok(None),
            Some(_) => properties.byte(key, b'"').map(Some),
        };
        let separator = properties.byte("csv.column_separator", b'\t')?;
        let delimiter = properties.byte("csv.row_delimiter", b'\n')?;
        let (quote, escape) = (optional("csv.enclose")?, optional("csv.escape")?);
        // A quote that escapes itself is doubled.
        let dialect =
            Self { separator, delimiter, quote, escape: escape.filter(|byte| Some(*byte) != quote) };
        if quote.is_none() && escape.is_some() {
            return Err(SqlError::analyze(
                "\"csv.escape\" needs \"csv.enclose\": here it works inside enclosed values only",
            ));
        }
        dialect.check()
    }

    fn check(self) -> Result<Self, SqlError> {
        let named = [
            ("csv.column_separator", Some(self.separator)),
            ("csv.row_delimiter", Some(self.delimiter)),
            ("csv.enclose", self.quote),
            ("csv.escape", self.escape),
        ];
        let mut seen: Vec<(&str, u8)> = Vec::new();
        for (name, byte) in named {
            let Some(byte) = byte else { continue };
            if let Some((other, _)) = seen.iter().find(|(_, known)| *known == byte) {
                return Err(SqlError::analyze(format!(
                    "\"{other}\" and \"{name}\" are the same byte; give them different ones"
                )));
            }
            seen.push((name, byte));
        }
        Ok(self)
    }

    /// A reader of such files.
    pub(crate) fn reader(&self, trim: bool) -> ReaderBuilder {
        let mut builder = ReaderBuilder::new();
        builder
            .has_headers(false)
            .flexible(true)
            .delimiter(self.separator)
            .quoting(self.quote.is_some())
            .escape(self.escape)
            .double_quote(self.escape.is_none())
            .trim(if trim { Trim::All } else { Trim::None });
        if let Some(quote) = self.quote {
            builder.quote(quote);
        }
        if self.delimiter != b'\n' {
            builder.terminator(Terminator::Any(self.delimiter));
        }
        builder
    }

    /// Appends a row of named values; `None` is NULL.
    ///
    /// # Errors
    /// A value would be read back as something else; the text names its column.
    pub(crate) fn write<'a>(
        &self,
        values: impl ExactSizeIterator<Item = (&'a str, Option<String>)>,
        line: &mut Vec<u8>,
    ) -> Result<(), String> {
        let alone = values.len() == 1;
        for (at, (name, value)) in values.enumerate() {
            if at > 0 {
                line.push(self.separator);
            }
            match value {
                None => line.extend_from_slice(NULL.as_bytes()),
                Some(text) => self
                    .value(&text, at == 0, alone, line)
                    .map_err(|why| format!("column '{name}': a value {why}"))?,
            }
        }
        line.push(self.delimiter);
        Ok(())
    }

    fn value(&self, text: &str, first: bool, alone: bool, line: &mut Vec<u8>) -> Result<(), String> {
        if text == NULL {
            return Err(format!("is the text {NULL}, which csv files know as NULL; write parquet"));
        }
        let Some(problem) = self.problem(text, first, alone) else {
            line.extend_from_slice(text.as_bytes());
            return Ok(());
        };
        let Some(quote) = self.quote else {
            return Err(format!("{problem} and could not be read back; set \"csv.enclose\""));
        };
        let escape = self.escape.unwrap_or(quote);
        line.push(quote);
        for byte in text.bytes() {
            if byte == quote || byte == escape {
                line.push(escape);
            }
            line.push(byte);
        }
        line.push(quote);
        Ok(())
    }

    /// Why a value must be enclosed. `first` in its row, or `alone` in it.
    fn problem(&self, text: &str, first: bool, alone: bool) -> Option<&'static str> {
        let has = |byte: u8| text.as_bytes().contains(&byte);
        if has(self.separator) {
            Some("has the column separator in it")
        } else if has(self.delimiter) {
            Some("has the row delimiter in it")
        } else if self.delimiter == b'\n' && has(b'\r') {
            // Lines may end in either, or in both.
            Some("has a line end in it")
        } else if self.quote.is_some_and(has) || self.escape.is_some_and(has) {
            Some("has an enclosing or escaping byte in it")
        } else if alone && text.is_empty() {
            // Readers pass empty lines by.
            Some("is empty and alone in its row")
        } else if first && text.starts_with('\u{feff}') {
            // Readers take it off the beginning of a file.
            Some("begins with a byte order mark")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dialect(pairs: &[(&str, &str)]) -> Result<Dialect, String> {
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Dialect::new(&Properties::new(&pairs)).map_err(|error| error.message)
    }

    /// Rows as they are written, and what is read of that.
    fn round(dialect: &Dialect, rows: &[Vec<Option<String>>]) -> Result<Vec<Vec<Option<String>>>, String> {
        let mut text = Vec::new();
        for row in rows {
            dialect.write(row.iter().map(|value| ("c", value.clone())), &mut text)?;
        }
        let mut reader = dialect.reader(false).from_reader(&text[..]);
        let read = |value: &str| (value != NULL).then(|| value.to_owned());
        Ok(reader.records().map(|record| record.unwrap().iter().map(read).collect()).collect())
    }

    fn row(values: &[&str]) -> Vec<Option<String>> {
        values.iter().map(|value| (*value != "NULL").then(|| (*value).to_owned())).collect()
    }

    #[test]
    fn nasty_values_come_back_when_they_are_enclosed() {
        let nasty = [
            row(&["a,b", "say \"x\"", "two\nlines"]),
            row(&["\"", "\"\"", "\\"]),
            row(&["\\\"", "a\\", "\r"]),
            row(&["", "", ""]),
            row(&["NULL", "NULL", "NULL"]),
            row(&["\u{feff}mark", " blanks ", "\t"]),
            row(&["汉字,é", "\\n", "\\\\N"]),
        ];
        for escape in [None, Some("\\\\"), Some("\"")] {
            let mut pairs = vec![("csv.column_separator", ","), ("csv.enclose", "\"")];
            pairs.extend(escape.map(|escape| ("csv.escape", escape)));
            let dialect = dialect(&pairs).unwrap();
            assert_eq!(round(&dialect, &nasty).unwrap(), nasty, "{escape:?}");
            // The first row of a file, and rows of one value, are read in their own way.
            for row in &nasty {
                let alone = std::slice::from_ref(row);
                assert_eq!(round(&dialect, alone).unwrap(), alone, "{escape:?}");
                for value in row {
                    let alone = [vec![value.clone()], vec![value.clone()]];
                    assert_eq!(round(&dialect, &alone).unwrap(), alone, "{escape:?}");
                }
            }
        }
    }

    #[test]
    fn what_would_not_come_back_is_refused_with_its_column() {
        let plain = dialect(&[("csv.column_separator", ",")]).unwrap();
        let refused = |dialect: &Dialect, values: &[&str]| {
            let values = row(values).into_iter().map(|value| ("c", value)).collect::<Vec<_>>();
            dialect.write(values.into_iter(), &mut Vec::new()).unwrap_err()
        };
        for (value, why) in [
            ("a,b", "the column separator"),
            ("a\nb", "the row delimiter"),
            ("a\rb", "a line end"),
            ("\u{feff}a", "byte order mark"),
            ("", "is empty"),
        ] {
            let error = refused(&plain, &[value]);
            assert!(error.contains(why) && error.contains("column 'c'"), "{value:?}: {error}");
            assert!(error.ends_with("set \"csv.enclose\""), "{value:?}: {error}");
        }
        let enclosed = dialect(&[("csv.enclose", "'")]).unwrap();
        for dialect in [&plain, &enclosed] {
            let error = refused(dialect, &["a", "\\N"]);
            assert!(error.contains("know as NULL"), "{error}");
        }
        // Nothing of this is special without an enclosing byte.
        assert_eq!(round(&plain, &[row(&["\"a", "'b\\", ""])]).unwrap(), [row(&["\"a", "'b\\", ""])]);
    }

    #[test]
    fn bytes_that_cannot_be_told_apart_are_refused() {
        for (pairs, wanted) in [
            (vec![("csv.column_separator", "|"), ("csv.enclose", "|")], "are the same byte"),
            (vec![("csv.row_delimiter", "\\t")], "\"csv.column_separator\" and \"csv.row_delimiter\""),
            (vec![("csv.enclose", "\""), ("csv.escape", "\\n")], "\"csv.row_delimiter\" and \"csv.escape\""),
            (vec![("csv.escape", "\\\\")], "needs \"csv.enclose\""),
            (vec![("csv.enclose", "ab")], "takes one byte"),
        ] {
            let error = dialect(&pairs).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_rows_come_back_when_they_are_enclosed(
            rows in prop::collection::vec(
                prop::collection::vec(prop::option::of("[a,;'\"\\\\\n\r\t \u{feff}N]{0,5}"), 3), 0..8),
            escape in prop::option::of(Just("\\\\")),
            delimiter in prop::sample::select(vec!["\\n", ";", "\\r"]),
        ) {
            let mut pairs = vec![("csv.column_separator", ","), ("csv.enclose", "\"")];
            pairs.push(("csv.row_delimiter", delimiter));
            pairs.extend(escape.map(|escape| ("csv.escape", escape)));
            let dialect = dialect(&pairs).unwrap();
            match round(&dialect, &rows) {
                Ok(read) => prop_assert_eq!(read, rows),
                Err(error) => prop_assert!(error.contains("know as NULL"), "{}", error),
            }
        }
    }
}
