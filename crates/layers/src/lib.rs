//! Repository decorators
