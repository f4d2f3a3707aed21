//! The embedded warehouse's directory
