//! Java's hash of a text, and the order in which its hash map lists keys.
//!
//! StarRocks prints some properties in the order of such a map, and tools
//! compare the text of SHOW CREATE word by word.

/// The hash of a text.
pub(crate) fn hash(text: &str) -> u32 {
    text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

/// The order of a map that began empty and took `keys` one after the other.
pub(crate) fn map_order(keys: &mut [&str]) {
    let mut buckets = 16_usize;
    // A map of three quarters its buckets doubles them.
    while keys.len() > buckets / 4 * 3 {
        buckets *= 2;
    }
    sort(keys, buckets);
}

/// The order of a copy of such a map.
pub(crate) fn copied_map_order(keys: &mut [&str]) {
    map_order(keys);
    let buckets = (keys.len() * 4 / 3 + 1).next_power_of_two();
    sort(keys, buckets);
}

/// Keys of one bucket stay in their order.
fn sort(keys: &mut [&str], buckets: usize) {
    keys.sort_by_key(|key| {
        let hash = hash(key);
        usize::try_from(hash ^ (hash >> 16)).unwrap_or(usize::MAX) & (buckets - 1)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_as_a_frontend_printed_them() {
        let mut keys = ["type", "iceberg.catalog.type", "hive.metastore.uris", "aws.s3.secret_key"];
        copied_map_order(&mut keys);
        assert_eq!(keys, ["aws.s3.secret_key", "hive.metastore.uris", "type", "iceberg.catalog.type"]);
        let mut two = ["hive.metastore.uris", "type"];
        copied_map_order(&mut two);
        assert_eq!(two, ["type", "hive.metastore.uris"]);
        map_order(&mut two);
        assert_eq!(two, ["hive.metastore.uris", "type"]);
    }
}
