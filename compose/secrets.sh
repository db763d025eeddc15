#!/bin/sh
# Makes the secrets of the stack, each once, each into the volume of whoever reads it and readable for nobody else.
#
#   secrets.sh make   what is missing; what is there is left alone, so this runs at every start
#   secrets.sh show   what people need: the passwords of the page and of Grafana
#
# To use secrets of your own, put them into the files before, or instead: then `make` copies them to whoever shares them.
# To replace one, delete its file (in both volumes, where two share it) and start the stack again; a password that
# PostgreSQL knows already is changed there first.
set -eu
umask 077
root=${SECRETS:-/secrets}

# random: 32 bytes, in digits that need no quoting anywhere.
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

# give FILE OWNER VALUE: unless the file holds something already.
give() {
    if [ ! -s "$root/$1" ]; then
        printf '%s' "$3" > "$root/$1.new"
        mv "$root/$1.new" "$root/$1"
    fi
    chown "$2" "$root/$1"
    chmod 0400 "$root/$1"
}

# Who runs as whom in the images.
fettle=65532:65532 nobody=65534:65534 postgres=70:70 grafana=472:0

make() {
    give fettle/admin_token "$fettle" "$(random)"

    give fettle/sender_token "$fettle" "$(random)"
    give alertmanager/fettle_sender_token "$nobody" "$(cat "$root/fettle/sender_token")"

    give fettle/metrics_token "$fettle" "$(random)"
    give prometheus/fettle_metrics_token "$nobody" "$(cat "$root/fettle/metrics_token")"

    give postgres/postgres_password "$postgres" "$(random)"
    give postgres/fettle_db_password "$postgres" "$(random)"
    give fettle/database "$fettle" "postgres://fettle:$(cat "$root/postgres/fettle_db_password")@postgres:5432/fettle"
    give postgres/grafana_db_password "$postgres" "$(random)"
    give grafana/grafana_db_password "$grafana" "$(cat "$root/postgres/grafana_db_password")"
    give postgres/exporter_db_password "$postgres" "$(random)"
    give exporter/exporter_db_password "$nobody" "$(cat "$root/postgres/exporter_db_password")"

    give grafana/admin_password "$grafana" "$(random)"

    # The folders are their readers', so that they may look into them.
    chown "$fettle" "$root/fettle"
    chown "$nobody" "$root/alertmanager" "$root/prometheus" "$root/exporter"
    chown "$postgres" "$root/postgres"
    chown "$grafana" "$root/grafana"
}

show() {
    echo "fettle   http://localhost:9876   token:    $(cat "$root/fettle/admin_token")"
    echo "Grafana  http://localhost:3000   admin:    $(cat "$root/grafana/admin_password")"
}

case ${1:-make} in
    make) make ;;
    show) show ;;
    *) echo "secrets.sh make|show" >&2; exit 2 ;;
esac
