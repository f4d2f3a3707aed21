//! Which bucket a row belongs to.
//!
//! Part of the format, recorded as [`BUCKET_HASH`]: the bucket of a row of a
//! hash-distributed table is `xxh64(bytes, seed 0) mod buckets`, where `bytes`
//! are the row's distribution columns one after another:
//!
//! | value | bytes |
//! |---|---|
//! | NULL | `00` |
//! | BOOLEAN, TINYINT … LARGEINT | `01`, then the number as 16 bytes, little endian, two's complement |
//! | DATE | `02`, then days since 1970-01-01 as 4 bytes, little endian |
//! | DATETIME | `03`, then microseconds since 1970-01-01 00:00:00 as 8 bytes, little endian |
//! | CHAR, VARCHAR | `04`, then the length in bytes as 4 bytes, little endian, then UTF-8 |
//! | DECIMAL | `05`, then the scale as one byte, then the unscaled number as 32 bytes, little endian |
//!
//! Rows of a randomly distributed table go to bucket
//! `(row / 8192) mod buckets`, `row` being their position in the load: any
//! other choice is as good, nothing ever relies on it.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal128Type, Decimal256Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use rockhold_sql::SqlError;

/// The recorded id of the bucket function. A changed function gets a new id.
pub const BUCKET_HASH: &str = "xxh64/1";

/// Rows of one load that stay together in a random distribution.
pub(crate) const RANDOM_BLOCK: u64 = 8192;

/// Appends the bytes of one value.
pub(crate) fn append_value(bytes: &mut Vec<u8>, array: &ArrayRef, row: usize) -> Result<(), SqlError> {
    if array.is_null(row) {
        bytes.push(0);
        return Ok(());
    }
    let mut integer = |value: i128| {
        bytes.push(1);
        bytes.extend_from_slice(&value.to_le_bytes());
    };
    match array.data_type() {
        ArrowType::Boolean => integer(i128::from(array.as_boolean().value(row))),
        ArrowType::Int8 => integer(i128::from(array.as_primitive::<Int8Type>().value(row))),
        ArrowType::Int16 => integer(i128::from(array.as_primitive::<Int16Type>().value(row))),
        ArrowType::Int32 => integer(i128::from(array.as_primitive::<Int32Type>().value(row))),
        ArrowType::Int64 => integer(i128::from(array.as_primitive::<Int64Type>().value(row))),
        ArrowType::Decimal256(super::super::value::types::LARGEINT_DIGITS, 0) => {
            integer(array.as_primitive::<Decimal256Type>().value(row).as_i128());
        }
        ArrowType::Date32 => {
            bytes.push(2);
            bytes.extend_from_slice(&array.as_primitive::<Date32Type>().value(row).to_le_bytes());
        }
        ArrowType::Timestamp(..) => {
            bytes.push(3);
            let value = array.as_primitive::<TimestampMicrosecondType>().value(row);
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        ArrowType::Utf8 => {
            let text = array.as_string::<i32>().value(row);
            bytes.push(4);
            bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        ArrowType::Decimal128(_, scale) => {
            bytes.push(5);
            bytes.extend_from_slice(&scale.to_le_bytes());
            let value = array.as_primitive::<Decimal128Type>().value(row);
            bytes.extend_from_slice(&arrow::datatypes::i256::from_i128(value).to_le_bytes());
        }
        ArrowType::Decimal256(_, scale) => {
            bytes.push(5);
            bytes.extend_from_slice(&scale.to_le_bytes());
            bytes.extend_from_slice(&array.as_primitive::<Decimal256Type>().value(row).to_le_bytes());
        }
        other => {
            let name = super::super::value::types::from_arrow(other).base_name();
            return Err(SqlError::execute(format!("a column of type {name} cannot distribute rows")));
        }
    }
    Ok(())
}

/// The bucket of a row whose distribution columns have these bytes.
pub(crate) fn bucket_of(bytes: &[u8], buckets: u32) -> u32 {
    let buckets = u64::from(buckets.max(1));
    u32::try_from(xxh64(bytes) % buckets).unwrap_or(0)
}

const PRIME: [u64; 5] = [
    0x9E37_79B1_85EB_CA87,
    0xC2B2_AE3D_27D4_EB4F,
    0x1656_67B1_9E37_79F9,
    0x85EB_CA77_C2B2_AE63,
    0x27D4_EB2F_1656_67C5,
];

/// XXH64 with seed 0.
fn xxh64(bytes: &[u8]) -> u64 {
    let word = |at: &[u8]| at.iter().take(8).rev().fold(0u64, |value, byte| (value << 8) | u64::from(*byte));
    let round = |state: u64, input: u64| {
        state.wrapping_add(input.wrapping_mul(PRIME[1])).rotate_left(31).wrapping_mul(PRIME[0])
    };
    let mut rest = bytes;
    let mut hash = if bytes.len() >= 32 {
        let mut lanes = [PRIME[0].wrapping_add(PRIME[1]), PRIME[1], 0, 0u64.wrapping_sub(PRIME[0])];
        while let Some((block, behind)) = rest.split_at_checked(32) {
            for (lane, input) in lanes.iter_mut().zip(block.chunks_exact(8)) {
                *lane = round(*lane, word(input));
            }
            rest = behind;
        }
        let mut hash = lanes[0]
            .rotate_left(1)
            .wrapping_add(lanes[1].rotate_left(7))
            .wrapping_add(lanes[2].rotate_left(12))
            .wrapping_add(lanes[3].rotate_left(18));
        for lane in lanes {
            hash = (hash ^ round(0, lane)).wrapping_mul(PRIME[0]).wrapping_add(PRIME[3]);
        }
        hash
    } else {
        PRIME[4]
    };
    hash = hash.wrapping_add(u64::try_from(bytes.len()).unwrap_or(0));
    while let Some((block, behind)) = rest.split_at_checked(8) {
        hash = (hash ^ round(0, word(block))).rotate_left(27).wrapping_mul(PRIME[0]).wrapping_add(PRIME[3]);
        rest = behind;
    }
    if let Some((block, behind)) = rest.split_at_checked(4) {
        hash = (hash ^ word(block).wrapping_mul(PRIME[0]))
            .rotate_left(23)
            .wrapping_mul(PRIME[1])
            .wrapping_add(PRIME[2]);
        rest = behind;
    }
    for byte in rest {
        hash = (hash ^ u64::from(*byte).wrapping_mul(PRIME[4])).rotate_left(11).wrapping_mul(PRIME[0]);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(PRIME[1]);
    hash = (hash ^ (hash >> 29)).wrapping_mul(PRIME[2]);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Date32Array, Decimal128Array, Int32Array, Int64Array, StringArray};
    use std::sync::Arc;

    #[test]
    fn the_hash_is_xxh64() {
        // Published test vectors.
        assert_eq!(xxh64(b""), 0xEF46_DB37_51D8_E999);
        assert_eq!(xxh64(b"a"), 0xD24E_C4F1_A98C_6E5B);
        assert_eq!(xxh64(b"abc"), 0x44BC_2CF5_AD77_0999);
        assert_eq!(xxh64(b"Nobody inspects the spammish repetition"), 0xFBCE_A83C_8A37_8BF1);
    }

    /// These numbers are the format: files written years ago depend on them.
    #[test]
    fn buckets_never_move() {
        let bytes = |arrays: Vec<ArrayRef>, row: usize| {
            let mut bytes = Vec::new();
            for array in &arrays {
                append_value(&mut bytes, array, row).unwrap();
            }
            bytes
        };
        let ints: ArrayRef = Arc::new(Int32Array::from(vec![Some(0), Some(1), Some(-1), Some(42), None]));
        let bigs: ArrayRef = Arc::new(Int64Array::from(vec![Some(0), Some(1), Some(-1), Some(42), None]));
        let of = |array: &ArrayRef| -> Vec<u32> {
            (0..5).map(|row| bucket_of(&bytes(vec![array.clone()], row), 16)).collect()
        };
        // A wider integer type keeps its rows where they are.
        assert_eq!(of(&ints), of(&bigs));
        let mixed: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec!["alpha", "", "汉字"])),
            Arc::new(Date32Array::from(vec![0, 19_000, -1])),
            Arc::new(Decimal128Array::from(vec![1, -250, 0]).with_precision_and_scale(10, 2).unwrap()),
        ];
        let mixed: Vec<u32> = (0..3).map(|row| bucket_of(&bytes(mixed.clone(), row), 1000)).collect();
        assert_eq!(of(&ints), [9, 13, 10, 14, 8]);
        assert_eq!(mixed, [716, 371, 162]);
    }
}
