-- Reasons to hold still, each given by a person and ended once: by a person, or by its own time.
CREATE TABLE pauses (
    id       TEXT PRIMARY KEY NOT NULL,
    scope    TEXT NOT NULL CHECK (scope IN ('all', 'rule', 'target')),
    about    TEXT,
    reason   TEXT NOT NULL,
    by       TEXT NOT NULL,
    at       TEXT NOT NULL CHECK (at GLOB '????-??-??T??:??:??.??????Z'),
    until    TEXT CHECK (until GLOB '????-??-??T??:??:??.??????Z'),
    ended_at TEXT CHECK (ended_at GLOB '????-??-??T??:??:??.??????Z'),
    ended_by TEXT,
    CHECK ((scope = 'all') = (about IS NULL)),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
) STRICT;
CREATE INDEX pauses_standing ON pauses (id) WHERE ended_at IS NULL;

-- The circuit breaker of each rule that was ever opened or reset. Verdicts from before `closed_at` count no more.
CREATE TABLE breakers (
    rule      TEXT PRIMARY KEY NOT NULL,
    at        TEXT NOT NULL CHECK (at GLOB '????-??-??T??:??:??.??????Z'),
    opened_at TEXT CHECK (opened_at GLOB '????-??-??T??:??:??.??????Z'),
    probe     TEXT,
    closed_at TEXT CHECK (closed_at GLOB '????-??-??T??:??:??.??????Z'),
    by        TEXT,
    CHECK (probe IS NULL OR opened_at IS NOT NULL)
) STRICT;

-- The storm as it was last found: one row, or none while there never was one.
CREATE TABLE storm (
    id      INTEGER PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    since   TEXT NOT NULL CHECK (since GLOB '????-??-??T??:??:??.??????Z'),
    last_at TEXT NOT NULL CHECK (last_at GLOB '????-??-??T??:??:??.??????Z'),
    targets INTEGER NOT NULL
) STRICT;

-- What scaling lent and how it comes back. `id` is the scaling effect's audit row, `doc` is the loan itself; the columns
-- beside it are what is searched by.
CREATE TABLE loans (
    id             TEXT PRIMARY KEY NOT NULL,
    remediation_id TEXT NOT NULL REFERENCES remediations,
    rule           TEXT NOT NULL,
    target         TEXT NOT NULL,
    target_key     TEXT NOT NULL,
    keys           TEXT NOT NULL CHECK (json_valid(keys)),
    state          TEXT NOT NULL CHECK (state IN ('lent', 'returning', 'returned', 'superseded', 'void')),
    reason         TEXT,
    opened_at      TEXT NOT NULL CHECK (opened_at GLOB '????-??-??T??:??:??.??????Z'),
    closed_at      TEXT CHECK (closed_at GLOB '????-??-??T??:??:??.??????Z'),
    due_at         TEXT CHECK (due_at GLOB '????-??-??T??:??:??.??????Z'),
    lease_owner    TEXT,
    lease_until    TEXT CHECK (lease_until GLOB '????-??-??T??:??:??.??????Z'),
    version        INTEGER NOT NULL DEFAULT 1,
    doc            TEXT NOT NULL CHECK (json_valid(doc)),
    -- As with remediations: closed is closed, and open is never forgotten.
    CHECK ((state IN ('lent', 'returning')) = (closed_at IS NULL)),
    CHECK ((closed_at IS NULL) = (due_at IS NOT NULL)),
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL)),
    CHECK (closed_at IS NULL OR lease_owner IS NULL)
) STRICT;
-- Claims, and the few that are open.
CREATE INDEX loans_due ON loans (due_at) WHERE closed_at IS NULL;
-- Exclusion, and how many effects are under way.
CREATE INDEX loans_returning ON loans (id) WHERE state = 'returning';
-- When was it brought back?
CREATE INDEX loans_returned ON loans (target, rule, closed_at) WHERE state = 'returned';
CREATE INDEX loans_remediation ON loans (remediation_id);

-- What people answered. Appended, never changed.
CREATE TABLE answers (
    id             TEXT PRIMARY KEY NOT NULL,
    remediation_id TEXT NOT NULL REFERENCES remediations,
    kind           TEXT NOT NULL CHECK (kind IN ('approve', 'reject', 'cancel')),
    plan           TEXT,
    asked_at       TEXT CHECK (asked_at GLOB '????-??-??T??:??:??.??????Z'),
    by             TEXT NOT NULL,
    at             TEXT NOT NULL CHECK (at GLOB '????-??-??T??:??:??.??????Z'),
    CHECK ((kind = 'cancel') = (asked_at IS NULL)),
    CHECK (kind = 'cancel' OR plan IS NOT NULL)
) STRICT;
-- A proposal is answered once.
CREATE UNIQUE INDEX answers_one_per_proposal ON answers (remediation_id, plan, asked_at) WHERE kind <> 'cancel';
CREATE INDEX answers_remediation ON answers (remediation_id, at);

-- What is to be said through Alertmanager: each alert of fettle's own as it stands, and what of it was delivered. Without a
-- remediation: the nil id.
CREATE TABLE announcements (
    id                TEXT PRIMARY KEY NOT NULL,
    name              TEXT NOT NULL CHECK (name IN ('FettleWorking', 'FettleGaveUp', 'FettlePipelineSilent')),
    remediation_id    TEXT NOT NULL,
    labels            TEXT NOT NULL CHECK (json_valid(labels)),
    annotations       TEXT NOT NULL CHECK (json_valid(annotations)),
    starts_at         TEXT NOT NULL CHECK (starts_at GLOB '????-??-??T??:??:??.??????Z'),
    at                TEXT NOT NULL CHECK (at GLOB '????-??-??T??:??:??.??????Z'),
    until             TEXT NOT NULL CHECK (until GLOB '????-??-??T??:??:??.??????Z'),
    version           INTEGER NOT NULL DEFAULT 1,
    delivered_version INTEGER NOT NULL DEFAULT 0,
    delivered_at      TEXT CHECK (delivered_at GLOB '????-??-??T??:??:??.??????Z'),
    ended             INTEGER NOT NULL DEFAULT 0 CHECK (ended IN (0, 1)),
    lease_owner       TEXT,
    lease_until       TEXT CHECK (lease_until GLOB '????-??-??T??:??:??.??????Z'),
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL))
) STRICT;
CREATE UNIQUE INDEX announcements_standing ON announcements (name, remediation_id) WHERE NOT ended;
CREATE INDEX announcements_remediation ON announcements (remediation_id);

-- Is so much wrong at once? Those refused by name alone never count, so a flood of them costs nothing here.
CREATE INDEX remediations_recent ON remediations (opened_at) WHERE outcome IS NOT 'refused';
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
CREATE TRIGGER pauses_keep BEFORE UPDATE ON pauses
WHEN NOT (
    OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND NEW.id IS OLD.id AND NEW.scope IS OLD.scope
    AND NEW.about IS OLD.about AND NEW.reason IS OLD.reason AND NEW.by IS OLD.by AND NEW.at IS OLD.at
    AND NEW.until IS OLD.until
)
BEGIN SELECT RAISE(ABORT, 'a pause is ended once and is not changed otherwise'); END;
CREATE TRIGGER answers_keep BEFORE UPDATE ON answers
BEGIN SELECT RAISE(ABORT, 'answers is append-only: UPDATE refused'); END;

-- REPLACE deletes without asking the triggers below.
CREATE TRIGGER pauses_once BEFORE INSERT ON pauses WHEN EXISTS (SELECT 1 FROM pauses WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'a pause is not replaced'); END;
CREATE TRIGGER answers_once BEFORE INSERT ON answers
WHEN EXISTS (
    SELECT 1 FROM answers
    WHERE id = NEW.id OR (remediation_id = NEW.remediation_id AND plan = NEW.plan AND asked_at = NEW.asked_at
                          AND kind <> 'cancel' AND NEW.kind <> 'cancel')
)
BEGIN SELECT RAISE(ABORT, 'an answer is not replaced'); END;

CREATE TRIGGER pauses_retain BEFORE DELETE ON pauses
WHEN NOT EXISTS (
    SELECT 1 FROM retention WHERE min(coalesce(OLD.ended_at, OLD.until), coalesce(OLD.until, OLD.ended_at)) < cutoff
)
BEGIN SELECT RAISE(ABORT, 'pauses is append-only: DELETE refused'); END;
CREATE TRIGGER loans_retain BEFORE DELETE ON loans
WHEN NOT EXISTS (SELECT 1 FROM retention WHERE OLD.closed_at < cutoff)
BEGIN SELECT RAISE(ABORT, 'loans is append-only: DELETE refused'); END;
CREATE TRIGGER answers_retain BEFORE DELETE ON answers
WHEN NOT EXISTS (SELECT 1 FROM retention, remediations
                 WHERE remediations.id = OLD.remediation_id AND remediations.closed_at < cutoff)
BEGIN SELECT RAISE(ABORT, 'answers is append-only: DELETE refused'); END;

-- What people and dashboards read. These views are a contract: tables may change, these columns do not.
CREATE VIEW fettle_pauses AS
SELECT id, scope, about, reason, by, at, until, ended_at, ended_by FROM pauses;

CREATE VIEW fettle_breakers AS
SELECT rule, opened_at, probe, closed_at, by FROM breakers;

CREATE VIEW fettle_loans AS
SELECT id, remediation_id, rule, target, state, reason, opened_at, closed_at, due_at FROM loans;
