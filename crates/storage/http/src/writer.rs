//! Writing: a web server takes no files.

use rockhold_core::{Error, Key};

pub(crate) fn refused(operation: &'static str, key: &Key) -> Error {
    Error::unsupported("files of a web server can be read, not written; name a directory or a bucket")
        .during(operation)
        .at(key)
}
