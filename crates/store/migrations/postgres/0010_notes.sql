-- What upkeep notes for the upkeep after it: how far retention has come, and where fettle's clock is.
CREATE TABLE notes (
    name  text PRIMARY KEY,
    value text NOT NULL
);

-- The last day of the audit is not counted back from a sample of a host: fettle writes one a minute, dated by its clock alone,
-- so a clock that is years ahead permitted everything within seconds.
CREATE INDEX events_newest ON events (at) WHERE event <> 'host_sampled';

CREATE OR REPLACE VIEW retention_bound AS
SELECT coalesce(
    greatest((SELECT max(planned_at) FROM actions), (SELECT max(at) FROM events WHERE event <> 'host_sampled'))
        - interval '24 hours',
    timestamptz '0001-01-01 00:00:00+00'
) AS cutoff;
