-- What people and dashboards read besides. These views are a contract: tables may change, these columns do not.

-- What a person is asked now. `plan` is the hash that a yes must name.
CREATE VIEW fettle_proposals AS
SELECT id AS remediation_id, target, rule,
       (SELECT name FROM jsonb_object_keys(doc #> '{state,proposal,action}') AS name) AS action,
       (doc #>> '{state,proposal,rung}')::bigint + 1 AS step,
       doc #>> '{state,proposal,hash}' AS plan,
       reason AS why,
       (doc #>> '{state,proposal,asked_at}')::timestamptz AS asked_at,
       (doc #>> '{state,until}')::timestamptz AS until,
       alertname, severity
FROM remediations
WHERE state = 'awaiting_approval';

-- The storm as it was last found.
CREATE VIEW fettle_storm AS
SELECT since, last_at, targets FROM storm;

-- The role `grafana` may read the views, and nothing else. It is made by grafana/readonly.sql, before fettle's first start or
-- after it: so whoever comes second calls this. A later migration that makes a view calls it again.
CREATE FUNCTION fettle_share_views() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    shared regclass;
BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'grafana') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO grafana', current_schema());
        FOR shared IN
            SELECT oid FROM pg_class
            WHERE relkind = 'v' AND relname LIKE 'fettle\_%' AND relnamespace = current_schema()::regnamespace
        LOOP
            EXECUTE format('GRANT SELECT ON %s TO grafana', shared);
        END LOOP;
    END IF;
END $$;

SELECT fettle_share_views();
