//! How values lie in Parquet files: as a cluster writes them, and as it reads them.

use crate::bench::Bench;
use parquet::basic::Compression;
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
    Int96, Int96Type,
};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::printer::print_schema;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// What a cluster unloads: decimals of a fixed length whatever their precision;
/// times as Hive wrote them, in 96 bits, and in microseconds.
const UNLOADED: &str = "message schema {
    optional int32 k;
    optional int32 d (DATE);
    optional int96 old;
    optional int64 at (TIMESTAMP(MICROS,false));
    optional fixed_len_byte_array(4) small (DECIMAL(9,2));
    optional fixed_len_byte_array(16) wide (DECIMAL(38,9));
    optional binary s (UTF8);
    optional group r (LIST) { repeated group list { optional int32 element; } }
}";

fn column<T: DataType>(group: &mut SerializedRowGroupWriter<'_, File>, values: &[T::T], levels: &[i16]) {
    let mut column = group.next_column().unwrap().unwrap();
    let repeated: Option<Vec<i16>> = (levels.len() > 2).then(|| vec![0, 1, 0]);
    column.typed::<T>().write_batch(values, Some(levels), repeated.as_deref()).unwrap();
    column.close().unwrap();
}

/// A row of values, and one of NULLs.
fn unload_by_hand(path: &Path) {
    let schema = Arc::new(parse_message_type(UNLOADED).unwrap());
    let mut file = SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::default()).unwrap();
    let mut group = file.next_row_group().unwrap();
    let one_of_two = &[1, 0];
    // 2024-01-01, counted from 1970 and from the beginning of the Julian calendar.
    let (day, julian, nanos) = (19_723, 2_460_311, 3_723_000_000_000u64);
    column::<Int32Type>(&mut group, &[7], one_of_two);
    column::<Int32Type>(&mut group, &[day], one_of_two);
    let mut old = Int96::new();
    old.set_data(nanos as u32, (nanos >> 32) as u32, julian);
    column::<Int96Type>(&mut group, &[old], one_of_two);
    column::<Int64Type>(&mut group, &[i64::from(day) * 86_400_000_000 + 3_723_000_004], one_of_two);
    let fixed = |bytes: &[u8]| FixedLenByteArray::from(bytes.to_vec());
    column::<FixedLenByteArrayType>(&mut group, &[fixed(&(-150i32).to_be_bytes())], one_of_two);
    let wide = 12_345_678_901_234_567_890_123_456_789i128;
    column::<FixedLenByteArrayType>(&mut group, &[fixed(&wide.to_be_bytes())], one_of_two);
    column::<ByteArrayType>(&mut group, &[ByteArray::from("汉")], one_of_two);
    column::<Int32Type>(&mut group, &[1, 2], &[3, 3, 0]);
    group.close().unwrap();
    file.close().unwrap();
}

#[tokio::test]
async fn what_a_cluster_unloads_is_read_and_loaded() {
    let mut bench = Bench::new().await;
    let path = bench.dir.path().join("unloaded.parquet");
    unload_by_hand(&path);
    let files = format!("FILES(\"path\" = \"file://{}\", \"format\" = \"parquet\")", path.display());
    let row = "7|2024-01-01|2024-01-01 01:02:03|2024-01-01 01:02:03.000004|-1.50|\
               12345678901234567890.123456789|汉|[1,2]";
    let both = [row.to_owned(), ["NULL"; 8].join("|")];
    assert_eq!(bench.rows(&format!("SELECT * FROM {files} ORDER BY k DESC")).await, both);
    let types = bench.rows(&format!("DESC {files}")).await;
    let types: Vec<&str> = types.iter().map(|line| line.split('|').nth(1).unwrap()).collect();
    let expected = ["int(11)", "date", "datetime", "datetime", "decimal(9, 2)", "decimal(38, 9)"];
    assert_eq!(types[..6], expected);
    bench
        .run(
            "CREATE TABLE t (k INT, d DATE, old DATETIME, at DATETIME, small DECIMAL(9, 2), wide DECIMAL(38, 9),
             s VARCHAR(9), r ARRAY<INT>) DUPLICATE KEY(k)",
        )
        .await;
    assert_eq!(bench.run(&format!("INSERT INTO t SELECT * FROM {files}")).await, 2);
    assert_eq!(bench.rows("SELECT * FROM t ORDER BY k DESC").await, both);
}

#[tokio::test]
async fn what_is_written_has_the_types_that_every_reader_knows() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (k INT, a TINYINT, b SMALLINT, c BIGINT, f FLOAT, g DOUBLE, o BOOLEAN, d DATE,
             at DATETIME, small DECIMAL(9, 2), wide DECIMAL(38, 9), s VARCHAR(9), j JSON, r ARRAY<INT>,
             m MAP<INT, VARCHAR(5)>, u STRUCT<x INT>) DUPLICATE KEY(k);
             INSERT INTO t (k) VALUES (1)",
        )
        .await;
    let mut seen = Vec::new();
    for compression in ["uncompressed", "gzip", "snappy", "zstd", "lz4"] {
        let out = bench.dir.path().join(compression);
        let files = format!(
            "\"path\" = \"file://{}/\", \"format\" = \"parquet\", \"compression\" = \"{compression}\"",
            out.display()
        );
        bench.run(&format!("INSERT INTO FILES({files}) SELECT * FROM t")).await;
        let path = std::fs::read_dir(&out).unwrap().next().unwrap().unwrap().path();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let used = reader.metadata().row_group(0).column(0).compression();
        assert_eq!(used == Compression::UNCOMPRESSED, compression == "uncompressed", "{used}");
        let mut text = Vec::new();
        print_schema(&mut text, reader.metadata().file_metadata().schema());
        seen.push(String::from_utf8(text).unwrap());
        let files = format!("FILES(\"path\" = \"file://{}/*\", \"format\" = \"parquet\")", out.display());
        assert_eq!(
            bench.rows(&format!("SELECT count(*), min(k) FROM {files}")).await,
            ["1|1"],
            "{compression}"
        );
    }
    seen.dedup();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0], WRITTEN);
}

const WRITTEN: &str = "message arrow_schema {
  OPTIONAL INT32 k;
  OPTIONAL INT32 a (INTEGER(8,true));
  OPTIONAL INT32 b (INTEGER(16,true));
  OPTIONAL INT64 c;
  OPTIONAL FLOAT f;
  OPTIONAL DOUBLE g;
  OPTIONAL BOOLEAN o;
  OPTIONAL INT32 d (DATE);
  OPTIONAL INT64 at (TIMESTAMP(MICROS,false));
  OPTIONAL INT32 small (DECIMAL(9,2));
  OPTIONAL FIXED_LEN_BYTE_ARRAY (16) wide (DECIMAL(38,9));
  OPTIONAL BYTE_ARRAY s (STRING);
  OPTIONAL BYTE_ARRAY j (STRING);
  OPTIONAL group r (LIST) {
    REPEATED group list {
      OPTIONAL INT32 element;
    }
  }
  OPTIONAL group m (MAP) {
    REPEATED group key_value {
      REQUIRED INT32 key;
      OPTIONAL BYTE_ARRAY value (STRING);
    }
  }
  OPTIONAL group u {
    OPTIONAL INT32 x;
  }
}
";
