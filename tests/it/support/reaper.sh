# Ends a shared test server: `stop` at once, `watch` when no owner lives any more. Used by server.rs, which says why.
# Arguments: verb, the server's folder, the stem of its locks, shell text that asks process $pid to quit in good order,
# and `shared` or `private` (nobody else will come: the locks go too).
# Only ever signals the pid in DIR/pid, after checking that its command line names DIR.
set -u
verb=$1 dir=$2 locks=$3 quit=$4 sharing=$5

ours() { grep -qsF -- "$dir" "/proc/$pid/cmdline"; }

stop() {
    pid=$(cat "$dir/pid" 2>/dev/null) || pid=
    if [ -n "$pid" ] && ours; then
        eval "$quit"
        tries=0
        while ours && [ "$tries" -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
        if ours; then kill -KILL "$pid"; fi
        while ours; do sleep 0.1; done
    fi
    rm -rf -- "$dir"
}

# True while one of the files PID-STARTTIME names a living process.
owned() {
    for owner in "$locks.owners"/*; do
        [ -e "$owner" ] || continue
        name=${owner##*/}
        if read -r stat 2>/dev/null <"/proc/${name%-*}/stat"; then
            set -- ${stat##*) }
            [ "${20}" = "${name#*-}" ] && return 0
        fi
        rm -f -- "$owner"
    done
    return 1
}

if [ "$verb" = stop ]; then
    stop
    exit
fi
exec 8>"$locks.reaper"
flock -n 8 || exit 0
while :; do
    while owned; do sleep 0.5; done
    exec 9>"$locks.lock"
    flock 9
    owned || break
    exec 9>&-
done
stop
if [ "$sharing" = private ]; then rm -rf -- "$locks".*; fi
