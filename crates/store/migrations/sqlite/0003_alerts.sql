-- What is known of each alert. A repeat moves two instants; no index covers a column that changes.
CREATE TABLE alerts (
    evidence_at  TEXT NOT NULL CHECK (evidence_at GLOB '????-??-??T??:??:??.??????Z'),
    heard_at     TEXT NOT NULL CHECK (heard_at GLOB '????-??-??T??:??:??.??????Z'),
    starts_at    TEXT NOT NULL,
    first_at     TEXT NOT NULL,
    episode      INTEGER NOT NULL CHECK (episode >= 1),
    firing       INTEGER NOT NULL CHECK (firing IN (0, 1)),
    ended_at     TEXT,
    end_heard_at TEXT,
    fingerprint  TEXT PRIMARY KEY NOT NULL,
    alertname    TEXT NOT NULL,
    severity     TEXT,
    labels       TEXT NOT NULL CHECK (json_valid(labels))
) STRICT;

-- What became of an alert, for each rule that selected it.
CREATE TABLE candidates (
    fingerprint    TEXT NOT NULL REFERENCES alerts ON DELETE CASCADE,
    rule           TEXT NOT NULL,
    episode        INTEGER NOT NULL,
    target         TEXT NOT NULL,
    standing       TEXT NOT NULL CHECK (standing IN ('attached', 'spent', 'free', 'waiting')),
    -- Retention removes the remediation before the alert that still fires.
    remediation_id TEXT REFERENCES remediations ON DELETE SET NULL,
    PRIMARY KEY (fingerprint, rule)
) STRICT;

CREATE INDEX candidates_remediation ON candidates (remediation_id);
CREATE INDEX candidates_waiting ON candidates (target) WHERE standing = 'waiting';
