-- What was received, as it came. Written once; never updated.
CREATE TABLE notifications (
    id          uuid PRIMARY KEY,
    received_at timestamptz NOT NULL,
    sender      text NOT NULL,
    receiver    text NOT NULL,
    group_key   text NOT NULL,
    status      text NOT NULL CHECK (status IN ('firing', 'resolved')),
    alerts      bigint NOT NULL,
    truncated   bigint NOT NULL,
    bytes       bigint NOT NULL,
    body        bytea NOT NULL
);

-- Bodies are read back whole and soon; compressing them would cost more than it saves.
ALTER TABLE notifications ALTER COLUMN body SET STORAGE EXTERNAL;

-- Rows arrive in the order of time, so a block range is enough: it costs next to nothing on the hottest path.
CREATE INDEX notifications_received_at ON notifications USING brin (received_at) WITH (pages_per_range = 16);

-- Which notifications are still to be taken in. A table of its own, so that the wide row is never rewritten.
-- No foreign key: one statement writes both rows, and a check per row would be paid on the hottest path.
CREATE TABLE pending (
    id          uuid PRIMARY KEY,
    received_at timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
