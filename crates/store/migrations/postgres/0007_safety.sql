-- Reasons to hold still, each given by a person and ended once: by a person, or by its own time.
CREATE TABLE pauses (
    id       uuid PRIMARY KEY,
    scope    text NOT NULL CHECK (scope IN ('all', 'rule', 'target')),
    about    text,
    reason   text NOT NULL,
    by       text NOT NULL,
    at       timestamptz NOT NULL,
    until    timestamptz,
    ended_at timestamptz,
    ended_by text,
    CHECK ((scope = 'all') = (about IS NULL)),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE INDEX pauses_standing ON pauses (id) WHERE ended_at IS NULL;

-- The circuit breaker of each rule that was ever opened or reset. Verdicts from before `closed_at` count no more.
CREATE TABLE breakers (
    rule      text PRIMARY KEY,
    at        timestamptz NOT NULL,
    opened_at timestamptz,
    probe     uuid,
    closed_at timestamptz,
    by        text,
    CHECK (probe IS NULL OR opened_at IS NOT NULL)
);

-- The storm as it was last found: one row, or none while there never was one.
CREATE TABLE storm (
    id      smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    since   timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    targets bigint NOT NULL
);

-- What scaling lent and how it comes back. `id` is the scaling effect's audit row, `doc` is the loan itself; the columns
-- beside it are what is searched by.
CREATE TABLE loans (
    id             uuid PRIMARY KEY,
    remediation_id uuid NOT NULL REFERENCES remediations,
    rule           text NOT NULL,
    target         text NOT NULL,
    target_key     text NOT NULL,
    keys           text[] NOT NULL,
    state          text NOT NULL CHECK (state IN ('lent', 'returning', 'returned', 'superseded', 'void')),
    reason         text,
    opened_at      timestamptz NOT NULL,
    closed_at      timestamptz,
    due_at         timestamptz,
    lease_owner    uuid,
    lease_until    timestamptz,
    version        bigint NOT NULL DEFAULT 1,
    doc            jsonb NOT NULL,
    -- As with remediations: closed is closed, and open is never forgotten.
    CHECK ((state IN ('lent', 'returning')) = (closed_at IS NULL)),
    CHECK ((closed_at IS NULL) = (due_at IS NOT NULL)),
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL)),
    CHECK (closed_at IS NULL OR lease_owner IS NULL)
);
-- Claims, and the few that are open.
CREATE INDEX loans_due ON loans (due_at) WHERE closed_at IS NULL;
-- Exclusion, and how many effects are under way.
CREATE INDEX loans_returning ON loans (id) WHERE state = 'returning';
-- When was it brought back?
CREATE INDEX loans_returned ON loans (target, rule, closed_at) WHERE state = 'returned';
CREATE INDEX loans_remediation ON loans (remediation_id);

-- What people answered. Appended, never changed.
CREATE TABLE answers (
    id             uuid PRIMARY KEY,
    remediation_id uuid NOT NULL REFERENCES remediations,
    kind           text NOT NULL CHECK (kind IN ('approve', 'reject', 'cancel')),
    plan           text,
    asked_at       timestamptz,
    by             text NOT NULL,
    at             timestamptz NOT NULL,
    CHECK ((kind = 'cancel') = (asked_at IS NULL)),
    CHECK (kind = 'cancel' OR plan IS NOT NULL)
);
-- A proposal is answered once.
CREATE UNIQUE INDEX answers_one_per_proposal ON answers (remediation_id, plan, asked_at) WHERE kind <> 'cancel';
CREATE INDEX answers_remediation ON answers (remediation_id, at);

-- What is to be said through Alertmanager: each alert of fettle's own as it stands, and what of it was delivered. Without a
-- remediation: the nil id.
CREATE TABLE announcements (
    id                uuid PRIMARY KEY,
    name              text NOT NULL CHECK (name IN ('FettleWorking', 'FettleGaveUp', 'FettlePipelineSilent')),
    remediation_id    uuid NOT NULL,
    labels            jsonb NOT NULL,
    annotations       jsonb NOT NULL,
    starts_at         timestamptz NOT NULL,
    at                timestamptz NOT NULL,
    until             timestamptz NOT NULL,
    version           bigint NOT NULL DEFAULT 1,
    delivered_version bigint NOT NULL DEFAULT 0,
    delivered_at      timestamptz,
    ended             boolean NOT NULL DEFAULT false,
    lease_owner       uuid,
    lease_until       timestamptz,
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL))
);
CREATE UNIQUE INDEX announcements_standing ON announcements (name, remediation_id) WHERE NOT ended;
CREATE INDEX announcements_remediation ON announcements (remediation_id);

-- Is so much wrong at once? Those refused by name alone never count, so a flood of them costs nothing here.
CREATE INDEX remediations_recent ON remediations (opened_at) WHERE outcome IS DISTINCT FROM 'refused';
-- Alerts by name: the heartbeat, and those that say that the cause is elsewhere. A name never changes.
CREATE INDEX alerts_alertname ON alerts (alertname);
-- Effects under way: a dependent is acted on under the key of what it depends on.
CREATE INDEX actions_under_way ON actions (target_key) WHERE result IS NULL;
-- What a breaker counts, newest first.
CREATE INDEX verdicts_unproven ON verdicts (at) WHERE verdict NOT IN ('fixed', 'cleared', 'superseded');

-- Verdicts that proved nothing of a rule since its breaker was last closed. What was only observed says nothing, and a
-- dependent shares the verdict of the target it depends on: only the target's own counts. What is judged is looked up for
-- each of the few verdicts of late, never the other way round.
CREATE VIEW unproven AS
SELECT v.at, (
        SELECT a.rule FROM actions a JOIN remediations r ON r.id = a.remediation_id
        WHERE a.id = v.action_id AND a.mode <> 'observe' AND a.target = r.target
          AND NOT EXISTS (SELECT 1 FROM breakers b WHERE b.rule = a.rule AND b.closed_at >= v.at)
    ) AS rule
FROM verdicts v
WHERE v.verdict NOT IN ('fixed', 'cleared', 'superseded');

-- The one change that a pause sees: its end, once.
CREATE FUNCTION fettle_keep_pauses() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    open CONSTANT text[] := '{ended_at,ended_by}';
BEGIN
    IF OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND to_jsonb(OLD) - open = to_jsonb(NEW) - open THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a pause is ended once and is not changed otherwise' USING ERRCODE = 'restrict_violation';
END $$;

CREATE OR REPLACE FUNCTION fettle_retain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    since timestamptz;
BEGIN
    CASE TG_TABLE_NAME
        WHEN 'actions' THEN since := OLD.planned_at;
        WHEN 'events' THEN since := OLD.at;
        WHEN 'verdicts' THEN SELECT planned_at INTO since FROM actions WHERE id = OLD.action_id;
        WHEN 'transitions', 'answers' THEN
            SELECT closed_at INTO since FROM remediations WHERE id = OLD.remediation_id;
        WHEN 'loans' THEN since := OLD.closed_at;
        WHEN 'pauses' THEN since := least(OLD.ended_at, OLD.until);
    END CASE;
    IF fettle_is_past_retention(since) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER keep BEFORE UPDATE ON pauses FOR EACH ROW EXECUTE FUNCTION fettle_keep_pauses();
CREATE TRIGGER keep BEFORE UPDATE ON answers FOR EACH ROW EXECUTE FUNCTION fettle_refuse_change();

CREATE TRIGGER retain BEFORE DELETE ON pauses FOR EACH ROW EXECUTE FUNCTION fettle_retain();
CREATE TRIGGER retain BEFORE DELETE ON loans FOR EACH ROW EXECUTE FUNCTION fettle_retain();
CREATE TRIGGER retain BEFORE DELETE ON answers FOR EACH ROW EXECUTE FUNCTION fettle_retain();

CREATE TRIGGER keep_all BEFORE TRUNCATE ON pauses FOR EACH STATEMENT EXECUTE FUNCTION fettle_refuse_change();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON loans FOR EACH STATEMENT EXECUTE FUNCTION fettle_refuse_change();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON answers FOR EACH STATEMENT EXECUTE FUNCTION fettle_refuse_change();

-- What people and dashboards read. These views are a contract: tables may change, these columns do not.
CREATE VIEW fettle_pauses AS
SELECT id, scope, about, reason, by, at, until, ended_at, ended_by FROM pauses;

CREATE VIEW fettle_breakers AS
SELECT rule, opened_at, probe, closed_at, by FROM breakers;

CREATE VIEW fettle_loans AS
SELECT id, remediation_id, rule, target, state, reason, opened_at, closed_at, due_at FROM loans;
