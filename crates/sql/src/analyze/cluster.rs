//! What analysis must know of the warehouse.

/// Facts and settings of the warehouse that a statement's meaning depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Ids of the backends that are alive; a table cannot have more replicas.
    pub backends: Vec<u64>,
    /// `replication_num` of tables that give none.
    pub default_replication_num: u32,
    /// Time zone of dynamic partitions that give none.
    pub time_zone: String,
    /// Most partitions that one START … END … EVERY may make.
    pub max_batch_partitions: usize,
    /// GIN and VECTOR indexes are allowed.
    pub experimental_indexes: bool,
}

impl Default for Cluster {
    /// StarRocks's defaults for a cluster of three backends.
    fn default() -> Self {
        Cluster {
            backends: vec![10001, 10002, 10003],
            default_replication_num: 3,
            time_zone: "Etc/UTC".to_string(),
            max_batch_partitions: 4096,
            experimental_indexes: false,
        }
    }
}
