EXPLAIN RESTORE SNAPSHOT everything FROM local_repo
DATABASE nyc AS copy
PROPERTIES ("backup_timestamp" = "${TIMESTAMP}", "replication_num" = "1");

RESTORE SNAPSHOT everything FROM local_repo
DATABASE nyc AS copy
PROPERTIES ("backup_timestamp" = "${TIMESTAMP}", "replication_num" = "1");

SHOW TABLES FROM copy;
SHOW FULL FUNCTIONS FROM copy;
