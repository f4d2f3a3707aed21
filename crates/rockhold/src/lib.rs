//! Backup and restore for StarRocks warehouses
