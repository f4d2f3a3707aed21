-- One partition, the others stay as they are.
RESTORE SNAPSHOT winter FROM local_repo
DATABASE nyc
ON (TABLE flights PARTITION (p201302))
PROPERTIES ("backup_timestamp" = "${TIMESTAMP}");

-- A table that is gone, and one that is there with wrong rows.
RESTORE SNAPSHOT winter FROM local_repo
DATABASE nyc
ON (TABLE weather, TABLE planes)
PROPERTIES ("backup_timestamp" = "${TIMESTAMP}");
