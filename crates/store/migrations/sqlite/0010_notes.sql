-- What upkeep notes for the upkeep after it: how far retention has come, and where fettle's clock is.
CREATE TABLE notes (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The last day of the audit is not counted back from a sample of a host: fettle writes one a minute, dated by its clock alone,
-- so a clock that is years ahead permitted everything within seconds.
CREATE INDEX events_newest ON events (at) WHERE event <> 'host_sampled';

DROP VIEW retention_bound;
CREATE VIEW retention_bound AS
SELECT coalesce(
    strftime('%Y-%m-%dT%H:%M:%S', substr(newest, 1, 19), '-1 day') || substr(newest, 20),
    '0001-01-01T00:00:00.000000Z'
) AS cutoff
FROM (
    SELECT max(at) AS newest
    FROM (SELECT max(planned_at) AS at FROM actions UNION ALL SELECT max(at) FROM events WHERE event <> 'host_sampled')
);
