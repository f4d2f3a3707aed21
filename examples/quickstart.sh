#!/usr/bin/env bash
# Loads public data, asks questions, backs up, loses data, restores, and
# compares the answers. Everything it writes is in target/quickstart.
# Set ROCKHOLD to the path of a built program to skip the build.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
dir=$(cd "$target" && pwd)/quickstart
rm -rf "$dir"
mkdir -p "$dir"

if [ -n "${ROCKHOLD:-}" ]; then
    rockhold=("$ROCKHOLD")
else
    cargo build --bin rockhold
    rockhold=(cargo run --quiet --bin rockhold --)
fi

# sql OPTION…: runs statements against the warehouse of this example.
sql() {
    "${rockhold[@]}" sql --data "$dir/warehouse" "$@"
}

# run NAME: shows and runs examples/quickstart/NAME.sql.
run() {
    printf '\n== examples/quickstart/%s.sql\n' "$1"
    sed -e "s|\${ROOT}|$PWD|g" -e "s|\${DIR}|$dir|g" -e "s|\${TIMESTAMP}|${timestamp:-}|g" "examples/quickstart/$1.sql" | sql -
}

# answers NAME: keeps the answers to the questions in a file and shows them.
answers() {
    printf '\n== examples/quickstart/questions.sql, %s\n' "$1"
    sql --file examples/quickstart/questions.sql | tee "$dir/$1.txt"
}

run load
answers before
run backup
timestamp=$(sql --format csv --execute "SHOW SNAPSHOT ON local_repo WHERE SNAPSHOT = 'winter'" | tail -n 1 | cut -d, -f2)
run loss
if answers lost 2>&1; then
    echo "the loss went unnoticed: nyc.weather should be gone" >&2
    exit 1
fi
run restore
answers after

echo
if cmp "$dir/before.txt" "$dir/after.txt"; then
    echo "MATCH: the answers after the restore are those before the loss"
else
    echo "MISMATCH: compare $dir/before.txt with $dir/after.txt" >&2
    exit 1
fi
