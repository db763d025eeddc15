-- The role that Grafana reads fettle's database with. Run it with psql as a superuser or as the owner of the database with
-- CREATEROLE, as often as you like, before fettle's first start or after it:
--
--     GRAFANA_DB_PASSWORD_FILE=/run/secrets/grafana_db_password psql "$DATABASE_URL" -f grafana/readonly.sql
--
-- In the image of PostgreSQL it is an init script. Without a password file the role's password stays as it is: none at
-- first, so that nobody can log in with one.
--
-- The role sees the views fettle_* and no table: no notification's body, no lease, no document. It cannot write, and a query
-- that takes too long is ended. Views are granted by the function fettle_share_views, which fettle's migrations make: where
-- fettle has not been yet, they grant them themselves when it comes.
\set ON_ERROR_STOP on
\set is_readable `test -r "${GRAFANA_DB_PASSWORD_FILE:-/dev/null}" && echo true || echo false`
\if :is_readable
\else
    DO 'BEGIN RAISE EXCEPTION ''GRAFANA_DB_PASSWORD_FILE names a file that cannot be read''; END';
\endif
\set password `cat "${GRAFANA_DB_PASSWORD_FILE:-/dev/null}"`

BEGIN;
SELECT 'CREATE ROLE grafana LOGIN' WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'grafana') \gexec
ALTER ROLE grafana CONNECTION LIMIT 20;
ALTER ROLE grafana SET default_transaction_read_only = on;
ALTER ROLE grafana SET statement_timeout = '15s';
-- Compiling a dashboard's query takes longer than the query.
ALTER ROLE grafana SET jit = off;
ALTER ROLE grafana SET idle_in_transaction_session_timeout = '15s';
SELECT :'password' <> '' AS is_given \gset
\if :is_given
    ALTER ROLE grafana PASSWORD :'password';
\endif
SELECT 'DO ''BEGIN PERFORM fettle_share_views(); END''' FROM pg_proc
WHERE proname = 'fettle_share_views' AND pronamespace = current_schema()::regnamespace \gexec
COMMIT;
