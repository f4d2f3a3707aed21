-- Three accidents.
DROP TABLE nyc.weather;
TRUNCATE TABLE nyc.flights PARTITION (p201302);
UPDATE nyc.planes SET seats = 0 WHERE engines = 2;
