-- One row per action or final refusal. Opened before the act; its result is set once; the rest is refused below.
CREATE TABLE actions (
    id             TEXT PRIMARY KEY NOT NULL,
    remediation_id TEXT NOT NULL REFERENCES remediations,
    rule           TEXT NOT NULL,
    action         TEXT NOT NULL,
    target         TEXT NOT NULL,
    target_key     TEXT,
    host           TEXT NOT NULL,
    mode           TEXT NOT NULL CHECK (mode IN ('observe', 'propose', 'act')),
    result         TEXT CHECK (result IN ('succeeded', 'failed', 'unknown', 'refused', 'observed', 'expired')),
    reason         TEXT,
    actor          TEXT NOT NULL,
    alertname      TEXT NOT NULL,
    fingerprint    TEXT NOT NULL,
    severity       TEXT,
    labels         TEXT NOT NULL CHECK (json_valid(labels)),
    planned_at     TEXT NOT NULL CHECK (planned_at GLOB '????-??-??T??:??:??.??????Z'),
    started_at     TEXT CHECK (started_at GLOB '????-??-??T??:??:??.??????Z'),
    finished_at    TEXT CHECK (finished_at GLOB '????-??-??T??:??:??.??????Z'),
    attempt        INTEGER NOT NULL,
    step           INTEGER NOT NULL,
    detail         TEXT NOT NULL CHECK (json_valid(detail)),
    error          TEXT,
    spends         INTEGER NOT NULL CHECK (spends IN (0, 1))
) STRICT;

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
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    action_id TEXT NOT NULL REFERENCES actions,
    at        TEXT NOT NULL CHECK (at GLOB '????-??-??T??:??:??.??????Z'),
    verdict   TEXT NOT NULL CHECK (verdict IN ('fixed', 'unconfirmed', 'still_firing', 'not_fixed', 'cleared',
                                               'unknown', 'superseded', 'regressed')),
    reason    TEXT NOT NULL
) STRICT;
CREATE INDEX verdicts_action ON verdicts (action_id, seq);

-- The story of a remediation, step by step.
CREATE TABLE transitions (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    remediation_id TEXT NOT NULL REFERENCES remediations,
    at             TEXT NOT NULL CHECK (at GLOB '????-??-??T??:??:??.??????Z'),
    state          TEXT NOT NULL,
    what           TEXT NOT NULL,
    detail         TEXT NOT NULL CHECK (json_valid(detail))
) STRICT;
CREATE INDEX transitions_remediation ON transitions (remediation_id, seq);

-- What belongs to no single action.
CREATE TABLE events (
    id       TEXT PRIMARY KEY NOT NULL,
    at       TEXT NOT NULL CHECK (at GLOB '????-??-??T??:??:??.??????Z'),
    event    TEXT NOT NULL,
    severity TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    details  TEXT NOT NULL CHECK (json_valid(details)),
    cpu      REAL,
    ram      REAL,
    disk     REAL
) STRICT;
CREATE INDEX events_at ON events (at);

-- What retention may delete: rows from before `cutoff`, in the transaction that wrote the row here and removes it at its
-- end. Outside of such a transaction this table is empty.
CREATE TABLE retention (
    cutoff TEXT NOT NULL
) STRICT;

-- The one change that an audit row ever sees: its result, once.
CREATE TRIGGER actions_keep BEFORE UPDATE ON actions
WHEN NOT (
    OLD.result IS NULL AND NEW.result IS NOT NULL AND NEW.finished_at IS NOT NULL AND (OLD.spends OR NOT NEW.spends)
    AND NEW.id IS OLD.id AND NEW.remediation_id IS OLD.remediation_id AND NEW.rule IS OLD.rule
    AND NEW.action IS OLD.action AND NEW.target IS OLD.target AND NEW.target_key IS OLD.target_key
    AND NEW.host IS OLD.host AND NEW.mode IS OLD.mode AND NEW.actor IS OLD.actor AND NEW.alertname IS OLD.alertname
    AND NEW.fingerprint IS OLD.fingerprint AND NEW.severity IS OLD.severity AND NEW.labels IS OLD.labels
    AND NEW.planned_at IS OLD.planned_at AND NEW.attempt IS OLD.attempt AND NEW.step IS OLD.step
)
BEGIN SELECT RAISE(ABORT, 'an audit row gets its result once and is not changed otherwise'); END;

CREATE TRIGGER verdicts_keep BEFORE UPDATE ON verdicts
BEGIN SELECT RAISE(ABORT, 'verdicts is append-only: UPDATE refused'); END;
CREATE TRIGGER transitions_keep BEFORE UPDATE ON transitions
BEGIN SELECT RAISE(ABORT, 'transitions is append-only: UPDATE refused'); END;
CREATE TRIGGER events_keep BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events is append-only: UPDATE refused'); END;

-- REPLACE deletes without asking the triggers below.
CREATE TRIGGER actions_once BEFORE INSERT ON actions WHEN EXISTS (SELECT 1 FROM actions WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'an audit row is not replaced'); END;
CREATE TRIGGER events_once BEFORE INSERT ON events WHEN EXISTS (SELECT 1 FROM events WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'an event is not replaced'); END;
CREATE TRIGGER verdicts_once BEFORE INSERT ON verdicts WHEN EXISTS (SELECT 1 FROM verdicts WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'a verdict is not replaced'); END;
CREATE TRIGGER transitions_once BEFORE INSERT ON transitions WHEN EXISTS (SELECT 1 FROM transitions WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'a transition is not replaced'); END;

CREATE TRIGGER actions_retain BEFORE DELETE ON actions
WHEN NOT EXISTS (SELECT 1 FROM retention WHERE OLD.planned_at < cutoff)
BEGIN SELECT RAISE(ABORT, 'actions is append-only: DELETE refused'); END;
CREATE TRIGGER events_retain BEFORE DELETE ON events
WHEN NOT EXISTS (SELECT 1 FROM retention WHERE OLD.at < cutoff)
BEGIN SELECT RAISE(ABORT, 'events is append-only: DELETE refused'); END;
CREATE TRIGGER verdicts_retain BEFORE DELETE ON verdicts
WHEN NOT EXISTS (SELECT 1 FROM retention, actions WHERE actions.id = OLD.action_id AND actions.planned_at < cutoff)
BEGIN SELECT RAISE(ABORT, 'verdicts is append-only: DELETE refused'); END;
CREATE TRIGGER transitions_retain BEFORE DELETE ON transitions
WHEN NOT EXISTS (SELECT 1 FROM retention, remediations
                 WHERE remediations.id = OLD.remediation_id AND remediations.closed_at < cutoff)
BEGIN SELECT RAISE(ABORT, 'transitions is append-only: DELETE refused'); END;
