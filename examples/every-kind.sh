#!/usr/bin/env bash
# A database with every kind of object over public data: tables, views, a
# synchronous and two asynchronous materialized views, functions; and external
# catalogs beside it. Backs up everything, restores it under another name into
# an empty directory, loads again, and compares every answer. Everything it
# writes is in target/every-kind.
set -euo pipefail
name=every-kind
. "$(dirname "$0")/lib.sh"

part=examples/every-kind
run source examples/quickstart/load.sql
run source $part/objects.sql
answers source $part/questions.sql before
run source $part/backup.sql
timestamp=$(timestamp_of source local_repo everything)
catalogs=$(timestamp_of source local_repo catalogs)
"${rockhold[@]}" key export --data "$dir/source" --output "$dir/exported.key"

sql target --execute "CREATE READ ONLY REPOSITORY local_repo WITH BROKER ON LOCATION \"file://$dir/repository\""
"${rockhold[@]}" key import "$dir/exported.key" --data "$dir/target"
run target $part/restore.sql
timestamp=$catalogs run target $part/restore-catalogs.sql
# The same questions of the database under its new name.
sed 's/nyc\./copy./g' $part/questions.sql >"$dir/questions-of-copy.sql"
answers target "$dir/questions-of-copy.sql" after
match before after "every kind of object gives the same answers under its new name"

# The restored objects live: the same load on both sides gives the same answers again.
statements $part/more.sql | sql source -
statements $part/more.sql | sed 's/nyc\./copy./g' | sql target -
answers source $part/questions.sql before-more
answers target "$dir/questions-of-copy.sql" after-more
match before-more after-more "and after the same load they agree again"
if cmp -s "$dir/before.txt" "$dir/before-more.txt"; then
    echo "the second load changed no answer: the comparison proves nothing" >&2
    exit 1
fi
