-- What people and dashboards read. These views are a contract: tables may change, these columns do not.
CREATE VIEW fettle_audit AS
SELECT id, planned_at AS at, remediation_id, rule, action, target, host, mode, result, reason,
       (SELECT v.verdict FROM verdicts v WHERE v.action_id = actions.id ORDER BY v.seq DESC LIMIT 1) AS verdict,
       actor, alertname, fingerprint, severity, labels, planned_at, started_at, finished_at,
       (extract(epoch FROM finished_at - started_at) * 1000)::bigint AS duration_ms,
       attempt, step, detail, error
FROM actions;

CREATE VIEW fettle_verdicts AS
SELECT action_id, at, verdict, reason FROM verdicts;

CREATE VIEW fettle_remediations AS
SELECT id, target, rule, state, outcome, reason, opened_at, closed_at, actions, alertname, severity FROM remediations;

CREATE VIEW fettle_notifications AS
SELECT id, received_at, sender, receiver, group_key, status, alerts, truncated, bytes FROM notifications;

CREATE VIEW fettle_events AS
SELECT id, at, event, severity, details, cpu, ram, disk FROM events;
