CREATE REPOSITORY local_repo
WITH BROKER
ON LOCATION "file://${DIR}/repository";

EXPLAIN BACKUP DATABASE nyc SNAPSHOT everything TO local_repo;

BACKUP DATABASE nyc SNAPSHOT everything TO local_repo;

BACKUP ALL EXTERNAL CATALOGS SNAPSHOT catalogs TO local_repo;

SHOW SNAPSHOT ON local_repo;
