-- A year and more of a busy fettle: 1,000,000 audit rows, one each 34 seconds up to now, in 100,000 remediations; and of
-- everything else at least a row in the last day. Ids are counted, so that rows find each other without a join.
SET synchronous_commit = off;
-- Nothing refers to what is not there; to check that again and again would take most of the time.
SET session_replication_role = replica;
SET maintenance_work_mem = '256MB';

-- Indexes are made once at the end, exactly as they were.
CREATE TEMPORARY TABLE later AS
SELECT indexname, indexdef FROM pg_indexes
WHERE schemaname = 'public' AND tablename IN ('actions', 'verdicts', 'events') AND indexname NOT LIKE '%_pkey';
DO $$ DECLARE it text; BEGIN
    FOR it IN SELECT indexname FROM later LOOP EXECUTE 'DROP INDEX ' || it; END LOOP;
END $$;

INSERT INTO remediations (id, opened_at, closed_at, due_at, actions, state, outcome, reason, rule, target, target_key, host,
                          alertname, severity, fingerprint, doc)
SELECT lpad(to_hex(n), 32, '0')::uuid, opened_at,
       CASE WHEN open THEN NULL ELSE opened_at + interval '1 minute' END,
       CASE WHEN open THEN now() + interval '1 minute' END,
       10,
       CASE WHEN NOT open THEN 'closed' WHEN n % 2 = 0 THEN 'awaiting_approval' ELSE 'blocked' END,
       CASE WHEN NOT open THEN (ARRAY['fixed', 'fixed', 'fixed', 'unconfirmed', 'escalated', 'refused', 'cleared'])[1 + n % 7] END,
       CASE WHEN n % 2 = 0 THEN 'the rule asks for it' ELSE 'budget' END,
       'rule-' || n % 50, 'container:node-' || n % 3 || '/t' || n % 120, 'key-' || n % 120, 'node-' || n % 3,
       'ServiceDown', 'critical',
       md5(n::text),
       CASE WHEN open THEN jsonb_build_object('state', jsonb_build_object(
           'state', 'awaiting_approval', 'until', to_char(now() AT TIME ZONE 'UTC' + interval '5 minutes', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
           'proposal', jsonb_build_object(
               'hash', md5(n::text), 'rung', 0, 'action', jsonb_build_object('restart', jsonb_build_object('grace', 10)), 'why', 'the rule asks for it',
               'asked_at', to_char(opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')))) ELSE '{}' END
FROM (SELECT n, now() - n * interval '340 seconds' AS opened_at, n <= 20 AS open FROM generate_series(1, 100000) n) it;

INSERT INTO actions (id, remediation_id, rule, action, target, target_key, host, mode, result, reason, actor, alertname, fingerprint,
                     severity, labels, planned_at, started_at, finished_at, attempt, step, detail, error, spends)
SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(r), 32, '0')::uuid, 'rule-' || r % 50,
       (ARRAY['restart', 'restart', 'scale_down', 'clean_logs'])[1 + n % 4], 'container:node-' || r % 3 || '/t' || r % 120,
       'key-' || r % 120, 'node-' || r % 3, 'act', result, CASE WHEN result = 'refused' THEN (ARRAY['no_target', 'not_enabled', 'protected'])[1 + n % 3] END,
       'fettle', 'ServiceDown', md5(r::text), 'critical', '{"alertname": "ServiceDown"}', at,
       CASE WHEN result <> 'refused' THEN at END, CASE WHEN result <> 'refused' THEN at + n % 9000 * interval '1 millisecond' END,
       1 + n % 3, 1, '{"seen": "exited (1)"}', CASE WHEN result = 'failed' THEN 'docker unreachable' END, result <> 'refused'
FROM (SELECT n, 1 + (n - 1) / 10 AS r, now() - n * interval '34 seconds' AS at,
             (ARRAY['succeeded', 'succeeded', 'succeeded', 'failed', 'refused'])[1 + n % 5] AS result
      FROM generate_series(1, 1000000) n) it;

INSERT INTO verdicts (action_id, at, verdict, reason)
SELECT lpad(to_hex(n), 32, '0')::uuid, now() - n * interval '34 seconds' + interval '20 seconds',
       (ARRAY['fixed', 'fixed', 'fixed', 'still_firing', 'not_fixed', 'unconfirmed', 'regressed'])[1 + n % 7], 'seen'
FROM generate_series(1000000, 1, -1) n WHERE n % 5 < 3;

INSERT INTO events (id, at, event, severity, details, cpu, ram, disk)
SELECT lpad(to_hex(n), 32, '0')::uuid, now() - n * interval '1 minute',
       CASE WHEN n % 20 = 0 THEN 'escalated' ELSE 'host_sampled' END, CASE WHEN n % 20 = 0 THEN 'critical' ELSE 'info' END,
       '{"rule": "rule-1", "target": "container:node-1/t1"}', n % 100, 40, 50
FROM generate_series(1, 100000) n;

INSERT INTO notifications (id, received_at, sender, receiver, group_key, status, alerts, truncated, bytes, body)
SELECT lpad(to_hex(n), 32, '0')::uuid, now() - n * interval '34 seconds', 'alertmanager', 'fettle', '{}:{}', 'firing', 1, 0, 1500, 'x'
FROM generate_series(100000, 1, -1) n;

INSERT INTO loans (id, remediation_id, rule, target, target_key, keys, state, opened_at, closed_at, due_at, doc)
SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n), 32, '0')::uuid, 'rule-' || n % 50, 'compose:node-' || n % 3 || '/shop/t' || n, 'key-' || n,
       ARRAY['key-' || n], CASE WHEN n <= 5 THEN 'lent' ELSE 'returned' END, now() - n * interval '1 hour',
       CASE WHEN n > 5 THEN now() END, CASE WHEN n <= 5 THEN now() + interval '1 minute' END, '{}'
FROM generate_series(1, 2000) n;

INSERT INTO pauses (id, scope, about, reason, by, at)
VALUES (gen_random_uuid(), 'rule', 'rule-7', 'moving the database', 'oncall', now() - interval '1 hour');

INSERT INTO storm (since, last_at, targets) VALUES (now() - interval '2 hours', now() - interval '1 hour', 7);

DO $$ DECLARE it text; BEGIN
    FOR it IN SELECT indexdef FROM later LOOP EXECUTE it; END LOOP;
END $$;
ANALYZE;
