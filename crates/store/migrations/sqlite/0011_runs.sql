-- How the runs of containers ended, as the follower of each Docker daemon saw it: Docker itself forgets it.
CREATE TABLE docker_watches (
    daemon      TEXT PRIMARY KEY,
    lease_owner TEXT,
    lease_until TEXT,
    watch       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest few ended runs of one container; ended_at is that of the last one.
CREATE TABLE container_runs (
    container TEXT PRIMARY KEY,
    daemon    TEXT NOT NULL,
    ended_at  TEXT NOT NULL,
    runs      TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX container_runs_newest ON container_runs (daemon, ended_at);
