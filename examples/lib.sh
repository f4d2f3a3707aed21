# For the scripts of this folder: builds the program, unless ROCKHOLD names
# one, and runs statements. The caller has set `name`; everything is written
# to target/$name.

cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
dir=${ROCKHOLD_EXAMPLE_DIR:-$(cd "$target" && pwd)/$name}
rm -rf "$dir"
mkdir -p "$dir"

if [ -n "${ROCKHOLD:-}" ]; then
    rockhold=("$ROCKHOLD")
else
    cargo build --bin rockhold
    rockhold=(cargo run --quiet --bin rockhold --)
fi

# sql WAREHOUSE OPTION…: runs statements against a warehouse of this example.
sql() {
    local warehouse=$1
    shift
    "${rockhold[@]}" sql --data "$dir/$warehouse" "$@"
}

# statements FILE: the statements of a file with its ${…} filled in.
statements() {
    sed -e "s|\${ROOT}|$PWD|g" -e "s|\${DIR}|$dir|g" -e "s|\${TIMESTAMP}|${timestamp:-}|g" "$1"
}

# run WAREHOUSE FILE: shows the name of a file and runs its statements.
run() {
    printf '\n== %s\n' "$2"
    statements "$2" | sql "$1" -
}

# answers WAREHOUSE FILE NAME: keeps the answers to questions in a file and shows them.
answers() {
    printf '\n== %s, %s\n' "$2" "$3"
    statements "$2" | sql "$1" - | tee "$dir/$3.txt"
}

# timestamp_of WAREHOUSE REPOSITORY LABEL: the timestamp that RESTORE asks for.
timestamp_of() {
    sql "$1" --format csv --execute "SHOW SNAPSHOT ON $2 WHERE SNAPSHOT = '$3'" | tail -n 1 | cut -d, -f2
}

# match BEFORE AFTER WHAT: compares two files of answers.
match() {
    echo
    if cmp "$dir/$1.txt" "$dir/$2.txt"; then
        echo "MATCH: $3"
    else
        echo "MISMATCH: compare $dir/$1.txt with $dir/$2.txt" >&2
        exit 1
    fi
}
