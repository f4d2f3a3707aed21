//! The engine over the real warehouse directory and an in-memory repository.

mod change;
mod damage;
mod jobs;
mod kill;
mod process;
mod support;
