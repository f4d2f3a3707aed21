//! The engine over the real warehouse directory and an in-memory repository.

mod kill;
mod support;
