//! Values: types, text in and out, conversion at load.

pub(crate) mod convert;
pub(crate) mod parse;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod types;
