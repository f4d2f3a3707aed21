-- Four tables of public data (examples/data/SOURCE.md).
CREATE DATABASE nyc;

-- One partition a month, made by a START … END … EVERY clause: p201301, p201302, p201303.
CREATE TABLE nyc.flights (
  flight_date DATE NOT NULL,
  carrier VARCHAR(2) NOT NULL,
  flight INT NOT NULL,
  origin VARCHAR(3) NOT NULL,
  dest VARCHAR(3) NOT NULL,
  tailnum VARCHAR(6),
  sched_dep_time INT COMMENT "local time, hhmm",
  dep_time INT,
  dep_delay INT COMMENT "minutes",
  sched_arr_time INT,
  arr_time INT,
  arr_delay INT,
  air_time INT,
  distance INT COMMENT "miles"
)
DUPLICATE KEY (flight_date, carrier, flight)
COMMENT "departures from New York City"
PARTITION BY RANGE (flight_date) (
  START ("2013-01-01") END ("2013-04-01") EVERY (INTERVAL 1 MONTH)
)
DISTRIBUTED BY HASH (carrier, flight) BUCKETS 4
PROPERTIES ("replication_num" = "1");

-- One partition for each airport.
CREATE TABLE nyc.weather (
  origin VARCHAR(3) NOT NULL,
  observed_at DATETIME NOT NULL COMMENT "UTC",
  temp DOUBLE,
  dewp DOUBLE,
  humid DOUBLE,
  wind_dir INT,
  wind_speed DOUBLE,
  wind_gust DOUBLE,
  precip DOUBLE,
  pressure DOUBLE,
  visib DOUBLE
)
DUPLICATE KEY (origin, observed_at)
PARTITION BY LIST (origin) (
  PARTITION p_ewr VALUES IN ("EWR"),
  PARTITION p_jfk VALUES IN ("JFK"),
  PARTITION p_lga VALUES IN ("LGA")
)
DISTRIBUTED BY HASH (observed_at) BUCKETS 2
PROPERTIES ("replication_num" = "1");

-- Rows can be updated by their key.
CREATE TABLE nyc.planes (
  tailnum VARCHAR(6) NOT NULL,
  built INT,
  type VARCHAR(32),
  manufacturer VARCHAR(64),
  model VARCHAR(32),
  engines INT,
  seats INT,
  engine VARCHAR(32)
)
PRIMARY KEY (tailnum)
DISTRIBUTED BY HASH (tailnum) BUCKETS 2
PROPERTIES ("replication_num" = "1");

CREATE TABLE nyc.airlines (
  carrier VARCHAR(2) NOT NULL,
  name VARCHAR(64)
)
PRIMARY KEY (carrier)
DISTRIBUTED BY HASH (carrier) BUCKETS 1
PROPERTIES ("replication_num" = "1");

INSERT INTO nyc.flights
SELECT * FROM FILES ("path" = "file://${ROOT}/examples/data/flights.parquet", "format" = "parquet");

INSERT INTO nyc.weather
SELECT * FROM FILES ("path" = "file://${ROOT}/examples/data/weather.parquet", "format" = "parquet");

INSERT INTO nyc.planes
SELECT * FROM FILES ("path" = "file://${ROOT}/examples/data/planes.parquet", "format" = "parquet");

INSERT INTO nyc.airlines
SELECT * FROM FILES ("path" = "file://${ROOT}/examples/data/airlines.parquet", "format" = "parquet");
