//! The rockhold command.
fn main() {}
