-- What is known of each alert. A repeat moves two instants: no index covers a column that changes, and pages keep room,
-- so that it is a heap-only update; what is fixed stands last, so that the log of it is short.
CREATE TABLE alerts (
    evidence_at  timestamptz NOT NULL,
    heard_at     timestamptz NOT NULL,
    starts_at    timestamptz NOT NULL,
    first_at     timestamptz NOT NULL,
    episode      bigint NOT NULL CHECK (episode >= 1),
    firing       boolean NOT NULL,
    ended_at     timestamptz,
    end_heard_at timestamptz,
    fingerprint  text COLLATE "C" PRIMARY KEY,
    alertname    text NOT NULL,
    severity     text,
    labels       jsonb NOT NULL
) WITH (fillfactor = 60);

-- What became of an alert, for each rule that selected it.
CREATE TABLE candidates (
    fingerprint    text COLLATE "C" NOT NULL REFERENCES alerts ON DELETE CASCADE,
    rule           text NOT NULL,
    episode        bigint NOT NULL,
    target         text NOT NULL,
    standing       text NOT NULL CHECK (standing IN ('attached', 'spent', 'free', 'waiting')),
    -- Retention removes the remediation before the alert that still fires.
    remediation_id uuid REFERENCES remediations ON DELETE SET NULL,
    PRIMARY KEY (fingerprint, rule)
);

CREATE INDEX candidates_remediation ON candidates (remediation_id);
CREATE INDEX candidates_waiting ON candidates (target) WHERE standing = 'waiting';
