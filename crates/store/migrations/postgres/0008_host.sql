-- Samples of hosts are events too, one a minute: what people list, and what charts draw, are indexed apart. The views and the
-- order of ids stay as they are.
CREATE INDEX events_told ON events (id) WHERE event <> 'host_sampled';
CREATE INDEX events_severity ON events (severity, id) WHERE event <> 'host_sampled';
CREATE INDEX events_sampled ON events (at, id) WHERE event = 'host_sampled';
