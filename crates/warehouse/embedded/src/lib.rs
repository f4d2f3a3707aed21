//! SQL over the embedded warehouse
