//! Tables in snapshots
