//! The statement language
