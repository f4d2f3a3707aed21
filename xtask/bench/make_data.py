#!/usr/bin/env python3
"""Writes the Parquet files that `cargo xtask bench` loads.

    make_data.py large|small|long DIRECTORY PARTITIONS PERCENT

Each file is named after its first partition. Random columns come from a hash
of the row number, so the same call writes the same rows.
"""

import sys

import duckdb

# large: 128 partitions; a row has 32 random BIGINT (256 bytes), which stay as long, and
# 256 bytes of text that Parquet compresses to nearly nothing: 20 MiB a partition as
# stored, a little more than its random bytes. long: the rows of 50 of these in each
# partition. small: 200 short rows a partition.
LARGE_ROWS, LARGE_RANDOM, LONG_TIMES = 65_536, 32, 50
SMALL_ROWS, SMALL_AT_ONCE = 200, 100


def large(directory: str, partitions: int, percent: int, times: int = 1) -> None:
    rows = LARGE_ROWS * times * percent // 100
    text = "left(repeat(concat('order ', i % 1000, ' shipped; '), 20), 256)"
    for p in range(partitions):
        random = ", ".join(
            f"(hash(i, {p * LARGE_RANDOM + c}) >> 1)::BIGINT AS r{c}" for c in range(LARGE_RANDOM)
        )
        write(f"SELECT {p}::INT AS p, i AS id, {random}, {text} AS v FROM range({rows}) t(i)", directory, p)


def long(directory: str, partitions: int, percent: int) -> None:
    large(directory, partitions, percent, LONG_TIMES)


def small(directory: str, partitions: int, _percent: int) -> None:
    for first in range(0, partitions, SMALL_AT_ONCE):
        last = min(first + SMALL_AT_ONCE, partitions)
        write(
            f"SELECT p::INT AS p, i AS id, concat('value ', hash(p, i)) AS v "
            f"FROM range({first}, {last}) a(p), range({SMALL_ROWS}) b(i)",
            directory,
            first,
        )


def write(query: str, directory: str, name: int) -> None:
    duckdb.sql(f"COPY ({query}) TO '{directory}/{name}.parquet' (FORMAT parquet)")


if __name__ == "__main__":
    shape, directory, partitions, percent = sys.argv[1:]
    {"large": large, "small": small, "long": long}[shape](directory, int(partitions), int(percent))
