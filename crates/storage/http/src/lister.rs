//! Listing: a web server does not say which files it has.

use rockhold_core::{Error, Key};

pub(crate) fn refused(prefix: Option<&Key>, location: &str) -> Error {
    let at = prefix.map_or_else(|| location.to_owned(), |prefix| format!("{location}/{prefix}"));
    Error::unsupported(
        "a web server does not list its files; write out the address of each, without wildcards",
    )
    .during("list")
    .at(at)
}
