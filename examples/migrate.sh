#!/usr/bin/env bash
# Moves public data from one warehouse to another through a repository: loads,
# backs up, restores into an empty directory, and compares the answers.
#
# LOCATION says where the repository lies, PROPERTIES what CREATE REPOSITORY
# needs to get there, as in the manual:
#
#   LOCATION=s3://bucket/backups \
#   PROPERTIES='"aws.s3.endpoint" = "http://127.0.0.1:9000", "aws.s3.access_key" = "…", "aws.s3.secret_key" = "…"' \
#   examples/migrate.sh
#
# Without them it is a directory. Set ROCKHOLD to the path of a built program
# to skip the build, and ROCKHOLD_EXAMPLE_DIR to write elsewhere than in
# target/migrate.
set -euo pipefail
name=migrate
. "$(dirname "$0")/lib.sh"

location=${LOCATION:-file://$dir/repository}
properties=${PROPERTIES:+PROPERTIES ($PROPERTIES)}
repository="WITH BROKER ON LOCATION \"$location\" $properties"

run source examples/quickstart/load.sql
answers source examples/quickstart/questions.sql before
# The statements hold credentials: by standard input, as others see arguments.
echo "CREATE REPOSITORY demo $repository; BACKUP DATABASE nyc SNAPSHOT winter TO demo; SHOW BACKUP FROM nyc" |
    sql source --format vertical -
timestamp=$(timestamp_of source demo winter)
echo "CREATE READ ONLY REPOSITORY demo $repository;
RESTORE SNAPSHOT winter FROM demo DATABASE nyc PROPERTIES (\"backup_timestamp\" = \"$timestamp\");
SHOW RESTORE FROM nyc" | sql target --format vertical -
answers target examples/quickstart/questions.sql after
match before after "the answers in the second warehouse are those of the first"
