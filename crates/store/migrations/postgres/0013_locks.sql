-- What the processes of fettle lock and leave as signs of life. Rows, not advisory locks: any role that may connect can hold
-- an advisory key, but only a role that may write here can lock a row here.

-- Whose turn it is: `admission` is locked by the one transaction that reads the ledger and stores an intent.
CREATE TABLE turns (
    name text PRIMARY KEY
);
INSERT INTO turns (name) VALUES ('admission');

-- Each process by its session in the server, which ends when the process is killed. `seen_at` by the server's clock covers
-- sessions that outlast their process: a pooler keeps them, and so does a network that swallows packets.
CREATE TABLE processes (
    owner      uuid PRIMARY KEY,
    pid        integer NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL
);
