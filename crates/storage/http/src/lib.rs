//! Files of web servers: `http://host/directory` and `https://…`, to be read.
//!
//! A location names a directory; a key is the rest of the address, taken as it
//! stands (`%20` for a blank). A query behind the location (`?signature=…`) is
//! sent with every request. What the contract of
//! [`Repository`](rockhold_core::Repository) asks for is done like this:
//!
//! | promise | means |
//! |---|---|
//! | facts about an object | `HEAD`; where the server refuses it, a `GET` of one byte |
//! | ranges (R7) | `Range`; a server that does not know it sends everything, and what was not asked for is passed over |
//! | reads on condition | `If-Match`, and the entity tag of the answer is compared; weak tags are none |
//! | everything that writes, and listing | `Unsupported`: a web server offers no such thing |
//!
//! Redirections are followed, ten at most and never from https to http. Bytes
//! are taken as they are stored: no encoding is accepted. User name and password
//! in a location are sent and never shown.

mod backend;
mod config;
mod deleter;
mod error;
mod factory;
mod lister;
mod reader;
mod writer;

pub use backend::HttpRepository;
pub use config::HttpConfig;
pub use factory::HttpFactory;
