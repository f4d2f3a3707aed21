USE nyc;

-- A view, and a view over it whose text has a comment and an alias.
CREATE VIEW delays (carrier COMMENT "two letters", flight_date, minutes) COMMENT "late departures"
AS SELECT carrier, flight_date, dep_delay FROM flights WHERE dep_delay > 0;

CREATE VIEW worst AS
SELECT a.name, d.minutes -- the longest first
FROM delays d JOIN `airlines` a ON d.carrier = a.carrier
WHERE d.minutes > 300;

-- A function in SQL, and one in Java whose archive travels with the snapshot.
CREATE FUNCTION km(miles INT) RETURNS miles * 1.609344;

CREATE FUNCTION nyc.shout(VARCHAR) RETURNS VARCHAR
PROPERTIES ("symbol" = "com.example.Shout", "type" = "StarrocksJar", "file" = "file://${ROOT}/examples/data/airlines.parquet");

-- In step with every load: a rollup of its table.
CREATE MATERIALIZED VIEW by_origin AS
SELECT origin, count(*) AS departures, sum(distance) AS miles FROM flights GROUP BY origin;

-- Refreshed partition by partition, and a view over it.
CREATE MATERIALIZED VIEW daily
PARTITION BY flight_date
DISTRIBUTED BY HASH (carrier) BUCKETS 2
REFRESH MANUAL
PROPERTIES ("replication_num" = "1")
AS SELECT flight_date, carrier, count(*) AS departures, sum(dep_delay) AS minutes
FROM flights GROUP BY flight_date, carrier;

CREATE MATERIALIZED VIEW carriers
DISTRIBUTED BY HASH (carrier) BUCKETS 1
REFRESH DEFERRED MANUAL
PROPERTIES ("replication_num" = "1")
AS SELECT carrier, sum(departures) AS departures, sum(minutes) AS minutes FROM daily GROUP BY carrier;

REFRESH MATERIALIZED VIEW daily WITH SYNC MODE;
REFRESH MATERIALIZED VIEW carriers WITH SYNC MODE;

-- External catalogs are no part of a database.
CREATE EXTERNAL CATALOG lake COMMENT "the lake" PROPERTIES (
  "type" = "hive",
  "hive.metastore.uris" = "thrift://127.0.0.1:9083",
  "aws.s3.access_key" = "an example",
  "aws.s3.secret_key" = "not a secret"
);
CREATE EXTERNAL CATALOG ledger PROPERTIES (
  "type" = "jdbc",
  "user" = "reader",
  "password" = "not a secret",
  "jdbc_uri" = "jdbc:postgresql://127.0.0.1:5432",
  "driver_url" = "file:///opt/postgresql.jar",
  "driver_class" = "org.postgresql.Driver"
);
