//! Deleting: a web server keeps its files.

use rockhold_core::{Error, Key};

pub(crate) fn refused(operation: &'static str, key: &Key) -> Error {
    Error::unsupported("files of a web server can be read, not deleted").during(operation).at(key)
}
