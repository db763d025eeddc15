-- What was received, as it came. Written once; never updated.
CREATE TABLE notifications (
    id          TEXT PRIMARY KEY NOT NULL,
    received_at TEXT NOT NULL CHECK (received_at GLOB '????-??-??T??:??:??.??????Z'),
    sender      TEXT NOT NULL,
    receiver    TEXT NOT NULL,
    group_key   TEXT NOT NULL,
    status      TEXT NOT NULL CHECK (status IN ('firing', 'resolved')),
    alerts      INTEGER NOT NULL,
    truncated   INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    body        BLOB NOT NULL
) STRICT;

CREATE INDEX notifications_received_at ON notifications (received_at);

-- Which notifications are still to be taken in. A table of its own, so that the wide row is never rewritten.
-- No foreign key: both rows are written by one transaction.
CREATE TABLE pending (
    id          TEXT PRIMARY KEY NOT NULL,
    received_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
