#!/bin/sh
# Who may do what in the stack's PostgreSQL; run once by its image, before it serves. fettle owns its database, the exporter
# sees statistics. Grafana's role is made by grafana/readonly.sql after this.
set -eu
secret() { cat "${SECRETS:-/run/secrets}/$1"; }

psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set=fettle="$(secret fettle_db_password)" --set=exporter="$(secret exporter_db_password)" <<'SQL'
CREATE ROLE fettle LOGIN PASSWORD :'fettle';
ALTER DATABASE :"DBNAME" OWNER TO fettle;
CREATE ROLE exporter LOGIN PASSWORD :'exporter' CONNECTION LIMIT 5;
-- What it asks for is small; a statement or a transaction that does not end must not stay.
ALTER ROLE exporter SET statement_timeout = '15s';
ALTER ROLE exporter SET idle_in_transaction_session_timeout = '15s';
GRANT pg_monitor TO exporter;
SQL
