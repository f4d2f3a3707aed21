#!/usr/bin/env python3
"""Prints the rows of one table of a snapshot, using DuckDB and nothing of Rockhold.

    rows.py REPOSITORY LABEL DATABASE.TABLE

REPOSITORY is the folder __rockhold_repository_<name>. TABLE may be an
asynchronous materialized view. The rows come as CSV, sorted. This is what
docs/repository-format.md says, as a program: the header, the entries, the
files, and one query per key model.
"""

import csv
import json
import os
import sys

import duckdb

KINDS = ("table", "materialized_view")


def header(repository, label):
    """The snapshot document of the last attempt under a label."""
    attempts = os.path.join(repository, "labels", label)
    last = str(max(int(n) for n in os.listdir(attempts)))
    with open(os.path.join(attempts, last, "outcome"), encoding="utf-8") as file:
        return json.loads(file.readline())["result"]["committed"]


def entries(repository, children):
    """The entries of one level: inline, or in pages of zstd-compressed JSON lines."""
    if "inline" in children:
        yield from children["inline"]
        return
    for page in children["pages"]:
        path = os.path.join(repository, page["key"])
        query = "SELECT json FROM read_ndjson_objects(?, compression='zstd')"
        for (line,) in duckdb.execute(query, [path]).fetchall():
            yield json.loads(line)


def document(repository, entry):
    """The definition of an object."""
    place = entry["document"]
    return place["inline"] if "inline" in place else next(entries(repository, {"pages": [place["page"]]}))


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def query_for(definition, source):
    """The query that turns raw files into rows, by key model."""
    model = definition.get("key_model", "duplicate")  # a materialized view names none
    names = [c["name"] for c in definition["columns"]]
    columns = ", ".join(quoted(n) for n in names)
    if model == "duplicate":
        return f"SELECT {columns} FROM {source}"
    keys = ", ".join(quoted(k) for k in definition["key_columns"])
    if model in ("unique", "primary"):
        return (
            f"SELECT {columns} FROM {source} QUALIFY row_number() OVER "
            f"(PARTITION BY {keys} ORDER BY __rh_load DESC, __rh_row DESC) = 1 AND __rh_op = 0"
        )
    order = "ORDER BY (__rh_load, __rh_row)"
    fold = {
        "sum": "sum({c})",
        "min": "min({c})",
        "max": "max({c})",
        "replace": "last({c} " + order + ")",
        "replace_if_not_null": "last({c} " + order + ") FILTER (WHERE {c} IS NOT NULL)",
    }
    values = ", ".join(
        quoted(c["name"]) if c.get("key") else fold[c["aggregation"]].format(c=quoted(c["name"])) + " AS " + quoted(c["name"])
        for c in definition["columns"]
    )
    return f"SELECT {values} FROM {source} WHERE __rh_op = 0 GROUP BY {keys}"


def rows(repository, label, database, table):
    snapshot = header(repository, label)
    for entry in entries(repository, snapshot["objects"]):
        name = entry["name"]
        if (name["database"], name["name"]) != (database, table) or entry["kind"] not in KINDS:
            continue
        definition = document(repository, entry)["body"]
        files = [
            os.path.join(repository, file["key"])
            for partition in entries(repository, entry.get("partitions", {"inline": []}))
            for file in entries(repository, partition["files"])
            if "rollup" not in file  # rows of a synchronous materialized view
        ]
        if not files:
            return []
        listed = ", ".join("'" + f.replace("'", "''") + "'" for f in files)
        query = query_for(definition, f"read_parquet([{listed}])")
        casts = ", ".join(f"CAST({quoted(c['name'])} AS VARCHAR)" for c in definition["columns"])
        return sorted(duckdb.execute(f"SELECT {casts} FROM ({query})").fetchall(), key=str)
    raise SystemExit(f"{database}.{table} is not in snapshot {label}")


def main():
    if len(sys.argv) != 4 or "." not in sys.argv[3]:
        raise SystemExit(__doc__)
    repository, label, name = sys.argv[1:]
    database, table = name.split(".", 1)
    writer = csv.writer(sys.stdout)
    for row in rows(repository, label, database, table):
        writer.writerow("NULL" if value is None else value for value in row)


main()
