#!/usr/bin/env bash
#
# A worker that is killed while it holds the zone's lock: where it only read,
# nothing is lost; where it wrote, the zone is started afresh, one alert says
# so, and all of it is collected again.  A debugger stops the worker there: the
# module holds nothing for this test.

set -eu

net=127.75
port=10285
# shellcheck source=t/lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"

start_standin -nodes 20 -pods 10
start_nginx 2 10s 8m 512

api=/apis/metrics.k8s.io/v1beta1

await 40 has_items nodes 20
await 40 has_items pods 200

# trap PLACE PID: the worker is killed when it comes to that place, which it
# does with the lock held; the debugger is left in the background
trap_worker() {
    : > "$run/gdb.$2"
    timeout 90 gdb -nx -batch -p "$2" \
        -ex 'handle all nostop noprint pass' \
        -ex "break ngx_http_k8s_metrics_$1" -ex 'echo armed\n' \
        -ex continue -ex kill > "$run/gdb.$2" 2>&1 &
    debuggers+=($!)
    await 30 grep -q '^armed' "$run/gdb.$2"
}

# killed_in N PLACE COMMAND...: one of N workers is killed there; the command
# is repeated until that is so
killed_in() {
    local place=$2 p pids i
    pids=$(worker | head -n "$1")
    shift 2

    debuggers=()
    for p in $pids; do
        trap_worker "$place" "$p"
    done

    victim=
    for ((i = 0; i < 300; i++)); do
        for p in $pids; do
            ! grep -q "Breakpoint 1\(\.[0-9]*\)*, ngx" \
                "$run/gdb.$p" || victim=$p
        done
        [ -z "$victim" ] || break
        "$@" > /dev/null 2>&1 || true
        sleep 0.1
    done

    # what did not come there is let go
    for p in "${debuggers[@]}"; do
        wait_or_end "$p"
    done

    [ -n "$victim" ] || tail -n 5 "$run"/gdb.* | sed "s/^/# /"
    [ -n "$victim" ] && await 5 gone "$victim"
}

# gone PID: ended, and reaped by the master
gone() {
    ! kill -0 "$1" 2> /dev/null
}

wait_or_end() {
    local i
    for ((i = 0; i < 20; i++)); do
        kill -0 "$1" 2> /dev/null || break
        sleep 0.1
    done
    kill "$1" 2> /dev/null || true
    wait "$1" 2> /dev/null || true
}

two_workers() {
    [ "$(worker | wc -l)" = 2 ]
}

resets() {
    count_logged 'zone "metrics": the zone was started afresh'
}

own_alerts() {
    grep -E '\[(alert|emerg|crit)\]' "$run/error.log" \
        | grep -cvE 'exited on signal 9|was locked by|was started afresh' \
        || true
}

list() {
    ask $api/pods -o /dev/null
}

# so that the watching worker writes
new_pod() {
    control /pod "{\"namespace\": \"new\", \"name\": \"p$1\",
        \"node\": \"node-00003\", \"containers\":
        [{\"name\": \"c\", \"cpu\": 25000000, \"memory\": 1048576}]}"
}

del_pod() {
    control /pod "{\"namespace\": \"new\", \"name\": \"p$1\"}" -X DELETE
}


ok 'a worker is killed while it copies for a reader' \
    killed_in 2 copy_str_locked list
ok 'and replaced' await 5 two_workers
is 'nothing is started afresh' "$(resets)" 0
is 'all nodes are served at once' "$(items nodes)" 20
is 'and all pods' "$(items pods)" 200

# codes FILE: what a client that asks all the time is told, each once, until
# the file "done" is there
codes() {
    local i
    for ((i = 0; i < 600; i++)); do
        [ ! -e "$run/done" ] || break
        ask $api/nodes -o /dev/null -w '%{http_code}\n' 2> /dev/null || true
        sleep 0.1
    done | sort -u > "$1"
}

# written N PLACE WHAT PODS COMMAND...
n=0
written() {
    local workers=$1 place=$2 what=$3 pods=$4 client
    shift 4
    n=$((n + 1))
    rm -f "$run/done"
    codes "$run/codes" &
    client=$!
    ok "a worker is killed while it $what" killed_in "$workers" "$place" "$@"
    ok 'and replaced' await 5 two_workers
    ok 'the zone is started afresh' await 10 eval '[ "$(resets)" -ge '$n' ]'
    ok 'its nodes come back' await 60 has_items nodes 20
    ok 'its pods come back' await 60 has_items pods "$pods"
    touch "$run/done"
    wait $client
    is 'meanwhile an answer is 200 or 503, if it is not cut' \
        "$(grep -vxE '200|503|000' "$run/codes" | tr '\n' ' ')" ''
}

written 1 'store_unlock if store->zone->dirty' 'ends a change' 200 true
written 2 record_create_locked 'makes a record' 201 new_pod 1
written 2 record_delete_locked 'deletes a record' 200 del_pod 1
written 2 index_insert_locked 'puts a name into the order' 201 new_pod 2

is 'each once, and said once' "$(resets)" $n
is "no alert but the core's own and those" "$(own_alerts)" 0

finished
