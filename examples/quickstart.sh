#!/usr/bin/env bash
# Loads public data, asks questions, backs up, loses data, restores, and
# compares the answers. Everything it writes is in target/quickstart.
# Set ROCKHOLD to the path of a built program to skip the build.
set -euo pipefail
name=quickstart
. "$(dirname "$0")/lib.sh"

part=examples/quickstart
run warehouse $part/load.sql
answers warehouse $part/questions.sql before
run warehouse $part/backup.sql
timestamp=$(timestamp_of warehouse local_repo winter)
run warehouse $part/loss.sql
if answers warehouse $part/questions.sql lost 2>&1; then
    echo "the loss went unnoticed: nyc.weather should be gone" >&2
    exit 1
fi
run warehouse $part/restore.sql
answers warehouse $part/questions.sql after
match before after "the answers after the restore are those before the loss"
