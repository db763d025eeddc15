-- Retention does not reach the last day of the audit, whoever asks: budgets and cooldowns are counted from these rows, and
-- whoever could delete fresh ones could have everything done once more. The database does not know the longest budget
-- window (the service sees to that); a day is the least that its configuration takes for the audit.
--
-- Counted back from the newest row that cannot be deleted, not from a clock: a clock that jumps ahead deletes nothing, and
-- whoever forges a newer row leaves it in the audit for good. Without any row nothing may go.
CREATE VIEW retention_bound AS
SELECT coalesce(
    greatest((SELECT max(planned_at) FROM actions), (SELECT max(at) FROM events)) - interval '24 hours',
    timestamptz '0001-01-01 00:00:00+00'
) AS cutoff;

CREATE FUNCTION fettle_bound_retention() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.cutoff > (SELECT cutoff FROM retention_bound) THEN
        RAISE EXCEPTION 'retention does not reach the last day of the audit' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER bound BEFORE INSERT OR UPDATE ON retention FOR EACH ROW EXECUTE FUNCTION fettle_bound_retention();
