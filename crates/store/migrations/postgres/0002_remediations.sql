-- The whole effort for one target. `doc` is the remediation itself; the columns beside it are what is searched by.
CREATE TABLE remediations (
    id          uuid PRIMARY KEY,
    opened_at   timestamptz NOT NULL,
    closed_at   timestamptz,
    due_at      timestamptz,
    lease_until timestamptz,
    lease_owner uuid,
    version     bigint NOT NULL DEFAULT 1,
    wakes       bigint NOT NULL DEFAULT 0,
    actions     bigint NOT NULL,
    state       text NOT NULL CHECK (state IN ('held', 'blocked', 'awaiting_approval', 'running', 'verifying',
                                                      'closed')),
    outcome     text CHECK (outcome IN ('fixed', 'unconfirmed', 'cleared', 'observed', 'cancelled', 'rejected',
                                        'refused', 'expired', 'superseded', 'escalated')),
    reason      text,
    rule        text NOT NULL,
    target      text NOT NULL,
    target_key  text,
    host        text NOT NULL,
    alertname   text NOT NULL,
    severity    text,
    fingerprint text NOT NULL,
    doc         jsonb NOT NULL,
    -- Closed is closed: it has an outcome, an end, and nothing more to do. Open is never forgotten: it is due some time.
    CHECK ((state = 'closed') = (outcome IS NOT NULL)),
    CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
    CHECK ((state = 'closed') = (due_at IS NULL)),
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL)),
    CHECK (state <> 'closed' OR lease_owner IS NULL)
) WITH (fillfactor = 80);

-- One open remediation per target.
CREATE UNIQUE INDEX remediations_one_open_per_target ON remediations (target) WHERE state <> 'closed';
-- Claims, and the list of what is open.
CREATE INDEX remediations_due ON remediations (due_at) WHERE state <> 'closed';
-- Exclusion by what was resolved, and how many effects are under way.
CREATE INDEX remediations_at_work ON remediations (target_key) WHERE state IN ('running', 'verifying');
-- Did it come back?
CREATE INDEX remediations_fixed ON remediations (target, rule, closed_at) WHERE outcome = 'fixed';
-- Lists, newest first.
CREATE INDEX remediations_rule ON remediations (rule, id);
CREATE INDEX remediations_target ON remediations (target, id);
-- Retention.
CREATE INDEX remediations_closed_at ON remediations (closed_at) WHERE state = 'closed';
