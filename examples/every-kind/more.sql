INSERT INTO nyc.flights (flight_date, carrier, flight, origin, dest, dep_delay, distance)
VALUES ('2013-03-15', 'UA', 1, 'EWR', 'SFO', 400, 2565), ('2013-02-14', 'DL', 2, 'JFK', 'ATL', 20, 760);
REFRESH MATERIALIZED VIEW nyc.daily WITH SYNC MODE;
REFRESH MATERIALIZED VIEW nyc.carriers WITH SYNC MODE;
