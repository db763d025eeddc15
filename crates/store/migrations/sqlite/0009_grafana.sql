-- What people and dashboards read besides. These views are a contract: tables may change, these columns do not.

-- What a person is asked now. `plan` is the hash that a yes must name. Instants in the document leave out zeros at their
-- end; here they have six digits, as everywhere.
CREATE VIEW fettle_proposals AS
SELECT id AS remediation_id, target, rule,
       (SELECT key FROM json_each(doc, '$.state.proposal.action')) AS action,
       doc ->> '$.state.proposal.rung' + 1 AS step,
       doc ->> '$.state.proposal.hash' AS plan,
       reason AS why,
       substr(rtrim(doc ->> '$.state.proposal.asked_at', 'Z')
              || iif(instr(doc ->> '$.state.proposal.asked_at', '.'), '', '.') || '000000', 1, 26) || 'Z' AS asked_at,
       substr(rtrim(doc ->> '$.state.until', 'Z')
              || iif(instr(doc ->> '$.state.until', '.'), '', '.') || '000000', 1, 26) || 'Z' AS until,
       alertname, severity
FROM remediations
WHERE state = 'awaiting_approval';

-- The storm as it was last found.
CREATE VIEW fettle_storm AS
SELECT since, last_at, targets FROM storm;
