-- Retention does not reach the last day of the audit, whoever asks: budgets and cooldowns are counted from these rows, and
-- whoever could delete fresh ones could have everything done once more. The database does not know the longest budget
-- window (the service sees to that); a day is the least that its configuration takes for the audit.
--
-- Counted back from the newest row that cannot be deleted, not from a clock: a clock that jumps ahead deletes nothing, and
-- whoever forges a newer row leaves it in the audit for good. Without any row nothing may go.
--
-- The fraction is put back as it was: strftime knows milliseconds only, and rounds.
CREATE VIEW retention_bound AS
SELECT coalesce(
    strftime('%Y-%m-%dT%H:%M:%S', substr(newest, 1, 19), '-1 day') || substr(newest, 20),
    '0001-01-01T00:00:00.000000Z'
) AS cutoff
FROM (SELECT max(at) AS newest FROM (SELECT max(planned_at) AS at FROM actions UNION ALL SELECT max(at) FROM events));

-- Another way of writing an instant would compare as text with a day that it does not mean.
CREATE TRIGGER retention_bound_insert BEFORE INSERT ON retention
WHEN NEW.cutoff NOT GLOB '????-??-??T??:??:??.??????Z' OR NEW.cutoff > (SELECT cutoff FROM retention_bound)
BEGIN SELECT RAISE(ABORT, 'retention does not reach the last day of the audit'); END;
CREATE TRIGGER retention_bound_update BEFORE UPDATE ON retention
WHEN NEW.cutoff NOT GLOB '????-??-??T??:??:??.??????Z' OR NEW.cutoff > (SELECT cutoff FROM retention_bound)
BEGIN SELECT RAISE(ABORT, 'retention does not reach the last day of the audit'); END;
