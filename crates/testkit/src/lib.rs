//! Conformance suites
