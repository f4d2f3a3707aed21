CREATE REPOSITORY local_repo
WITH BROKER
ON LOCATION "file://${DIR}/repository";

BACKUP DATABASE nyc SNAPSHOT winter TO local_repo;

SHOW SNAPSHOT ON local_repo;
