-- Departures in February, by airport.
SELECT origin, COUNT(*) AS departures, SUM(distance) AS miles
FROM nyc.flights
WHERE flight_date >= '2013-02-01' AND flight_date < '2013-03-01'
GROUP BY origin
ORDER BY origin;

-- The airlines with the longest delays.
SELECT a.name, COUNT(*) AS departures, ROUND(AVG(f.dep_delay), 1) AS minutes
FROM nyc.flights f JOIN nyc.airlines a ON f.carrier = a.carrier
GROUP BY a.name
HAVING COUNT(*) >= 1000
ORDER BY minutes DESC, a.name
LIMIT 5;

-- Seats that left, by manufacturer.
SELECT p.manufacturer, COUNT(*) AS departures, SUM(p.seats) AS seats
FROM nyc.flights f JOIN nyc.planes p ON f.tailnum = p.tailnum
GROUP BY p.manufacturer
ORDER BY seats DESC, p.manufacturer
LIMIT 5;

-- Hours of storm at each airport.
SELECT origin, COUNT(*) AS hours, MAX(wind_gust) AS strongest_gust, MIN(visib) AS worst_visibility
FROM nyc.weather
WHERE wind_gust >= 35
GROUP BY origin
ORDER BY origin;
