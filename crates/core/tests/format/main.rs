//! The repository format, by behaviour.

mod hostile;
mod labels;
mod races;
mod root;
mod small_files;
mod support;
mod tree;
