-- How the runs of containers ended, as the follower of each Docker daemon saw it: Docker itself forgets it.
CREATE TABLE docker_watches (
    daemon      text PRIMARY KEY,
    lease_owner uuid,
    lease_until timestamptz,
    watch       jsonb NOT NULL
);

-- The newest few ended runs of one container; ended_at is that of the last one.
CREATE TABLE container_runs (
    container text PRIMARY KEY,
    daemon    text NOT NULL,
    ended_at  timestamptz NOT NULL,
    runs      jsonb NOT NULL
);
CREATE INDEX container_runs_newest ON container_runs (daemon, ended_at);
