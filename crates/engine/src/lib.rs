//! Jobs: backup, restore, progress
