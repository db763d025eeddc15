-- One row per action or final refusal. Opened before the act; its result is set once; the rest is refused below.
CREATE TABLE actions (
    id             uuid PRIMARY KEY,
    remediation_id uuid NOT NULL REFERENCES remediations,
    rule           text NOT NULL,
    action         text NOT NULL,
    target         text NOT NULL,
    target_key     text,
    host           text NOT NULL,
    mode           text NOT NULL CHECK (mode IN ('observe', 'propose', 'act')),
    result         text CHECK (result IN ('succeeded', 'failed', 'unknown', 'refused', 'observed', 'expired')),
    reason         text,
    actor          text NOT NULL,
    alertname      text NOT NULL,
    fingerprint    text NOT NULL,
    severity       text,
    labels         jsonb NOT NULL,
    planned_at     timestamptz NOT NULL,
    started_at     timestamptz,
    finished_at    timestamptz,
    attempt        bigint NOT NULL,
    step           bigint NOT NULL,
    detail         jsonb NOT NULL,
    error          text,
    spends         boolean NOT NULL
);

CREATE INDEX actions_remediation ON actions (remediation_id);
-- Budgets and cooldown: by rule, by target (a rule's are few of its rows), by key, all. `observe` has a ledger of its own.
CREATE INDEX actions_spent_rule ON actions (rule, mode, planned_at) WHERE spends;
CREATE INDEX actions_spent_target ON actions (target, mode, planned_at) WHERE spends;
CREATE INDEX actions_spent_key ON actions (target_key, mode, planned_at) WHERE spends;
CREATE INDEX actions_spent ON actions (mode, planned_at) WHERE spends;
-- Dashboards ask by time.
CREATE INDEX actions_planned_at ON actions (planned_at);

-- Did it help? Appended, never changed; the latest counts.
CREATE TABLE verdicts (
    seq       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action_id uuid NOT NULL REFERENCES actions,
    at        timestamptz NOT NULL,
    verdict   text NOT NULL CHECK (verdict IN ('fixed', 'unconfirmed', 'still_firing', 'not_fixed', 'cleared',
                                               'unknown', 'superseded', 'regressed')),
    reason    text NOT NULL
);
CREATE INDEX verdicts_action ON verdicts (action_id, seq);

-- The story of a remediation, step by step.
CREATE TABLE transitions (
    seq            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    remediation_id uuid NOT NULL REFERENCES remediations,
    at             timestamptz NOT NULL,
    state          text NOT NULL,
    what           text NOT NULL,
    detail         jsonb NOT NULL
);
CREATE INDEX transitions_remediation ON transitions (remediation_id, seq);

-- What belongs to no single action.
CREATE TABLE events (
    id       uuid PRIMARY KEY,
    at       timestamptz NOT NULL,
    event    text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    details  jsonb NOT NULL,
    cpu      double precision,
    ram      double precision,
    disk     double precision
);
CREATE INDEX events_at ON events (at);

-- What retention may delete: rows from before `cutoff`, in the transaction that wrote the row here and removes it at its
-- end. Outside of such a transaction this table is empty.
CREATE TABLE retention (
    cutoff timestamptz NOT NULL,
    xact   xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE FUNCTION fettle_is_past_retention(at timestamptz) RETURNS boolean STABLE LANGUAGE sql AS $$
    SELECT EXISTS (SELECT 1 FROM retention WHERE at < cutoff AND xact = pg_current_xact_id())
$$;

CREATE FUNCTION fettle_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;

-- The one change that an audit row ever sees: its result, once. Columns added later are covered as they come.
CREATE FUNCTION fettle_keep_actions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    open CONSTANT text[] := '{result,reason,started_at,finished_at,error,detail,spends}';
BEGIN
    IF OLD.result IS NULL AND NEW.result IS NOT NULL AND NEW.finished_at IS NOT NULL
        AND (OLD.spends OR NOT NEW.spends) AND to_jsonb(OLD) - open = to_jsonb(NEW) - open
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'an audit row gets its result once and is not changed otherwise' USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION fettle_retain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    since timestamptz;
BEGIN
    CASE TG_TABLE_NAME
        WHEN 'actions' THEN since := OLD.planned_at;
        WHEN 'events' THEN since := OLD.at;
        WHEN 'verdicts' THEN SELECT planned_at INTO since FROM actions WHERE id = OLD.action_id;
        WHEN 'transitions' THEN SELECT closed_at INTO since FROM remediations WHERE id = OLD.remediation_id;
    END CASE;
    IF fettle_is_past_retention(since) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER keep BEFORE UPDATE ON actions FOR EACH ROW EXECUTE FUNCTION fettle_keep_actions();
CREATE TRIGGER keep BEFORE UPDATE ON verdicts FOR EACH ROW EXECUTE FUNCTION fettle_refuse_change();
CREATE TRIGGER keep BEFORE UPDATE ON transitions FOR EACH ROW EXECUTE FUNCTION fettle_refuse_change();
CREATE TRIGGER keep BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION fettle_refuse_change();

CREATE TRIGGER retain BEFORE DELETE ON actions FOR EACH ROW EXECUTE FUNCTION fettle_retain();
CREATE TRIGGER retain BEFORE DELETE ON verdicts FOR EACH ROW EXECUTE FUNCTION fettle_retain();
CREATE TRIGGER retain BEFORE DELETE ON transitions FOR EACH ROW EXECUTE FUNCTION fettle_retain();
CREATE TRIGGER retain BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION fettle_retain();

CREATE TRIGGER keep_all BEFORE TRUNCATE ON actions FOR EACH STATEMENT EXECUTE FUNCTION fettle_refuse_change();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON verdicts FOR EACH STATEMENT EXECUTE FUNCTION fettle_refuse_change();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON transitions FOR EACH STATEMENT EXECUTE FUNCTION fettle_refuse_change();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION fettle_refuse_change();
