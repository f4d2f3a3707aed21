//! The statement language: what parses, what prints, what is refused and how.

mod corpus;
mod guide;
mod refused;
mod round_trip;
