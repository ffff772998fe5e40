#!/usr/bin/env bash
#
# Reload, a killed worker and quit while clients read lists and nodes are
# scraped: no answer is lost but those of the killed worker, collection goes on.

set -eu

net=127.72
port=10282
# shellcheck source=t/lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"

# where little is on its way, so that a slow reader holds its worker
slow=$net.0.3:8443
server="listen $slow ssl sndbuf=32k;
        add_header X-Pid \$pid always;"
pods=3000
list=/apis/metrics.k8s.io/v1beta1/pods

start_standin -nodes 100 -pods 30
start_nginx 2 10s 64m 2048
await 40 has_items nodes 100
await 40 has_items pods $pods

two_workers() {
    [ "$(worker | wc -l)" = 2 ]
}

other_workers() {
    two_workers && [ "$(worker | tr '\n' ' ')" != "$1" ]
}

# alerts that no test expects; a worker killed under the zone's lock costs one
alerts() {
    grep -E '\[(alert|emerg|crit)\]' "$run/error.log" \
        | grep -cvE 'exited on signal 9|was locked by|started afresh' || true
}

# request NAME [curl's options]: one list; what became of it is a line of
# NAME.is: HTTP status, curl's exit code, items, pid of the worker
request() {
    local name=$run/$1 told code=0
    shift
    told=$(ask $list -o "$name.body" -D "$name.head" \
        -w '%{http_code} %header{x-pid}' "$@" 2> /dev/null) || code=$?
    echo "${told%% *} $code $(grep -o '"creationTimestamp"' "$name.body" \
        2> /dev/null | wc -l) ${told#* }" >> "$name.is"
}

# load NAME N: so many lists, one after another
load() {
    local i
    for ((i = 0; i < $2; i++)); do
        request "$1"
    done
}

# not_whole FILE...: how many answers were not a whole list
not_whole() {
    cat "$@" | grep -cv "^200 0 $pods " || true
}

# slow_readers NAME: lists that take some seconds, on both workers, all begun
slow_readers() {
    local i
    readers=()
    for ((i = 0; i < 40; i++)); do
        front=$slow request "$1.$i" --limit-rate 100k &
        readers+=($!)
        await 10 grep -q '^X-Pid' "$run/$1.$i.head"
        [ "$i" -lt 5 ] || [ "$(on_workers "$1" | sort | uniq -c \
            | awk '$1 >= 2' | wc -l)" -lt 2 ] || return 0
    done
}

# pid of each reader's worker
on_workers() {
    sed -n 's/^X-Pid: \([0-9]*\).*/\1/p' "$run/$1".*.head
}


# --- reload ---

load a 60 &
a=$!
load b 60 &
b=$!

for _ in 1 2 3; do
    before=$(worker | tr '\n' ' ')
    kill -HUP "$nginx_pid"
    ok 'new workers after a reload' await 20 other_workers "$before"
done

wait $a $b
is 'all lists were asked for' "$(cat "$run/a.is" "$run/b.is" | wc -l)" 120
is 'none was cut or refused during reloads' \
    "$(not_whole "$run/a.is" "$run/b.is")" 0

# the new workers go on with the samples that are there
is 'every node is served after the reloads' "$(items nodes)" 100
n0=$(stat scrapes)
ok 'scrapes go on' await 15 eval '[ "$(stat scrapes)" -ge $((n0 + 90)) ]'


# --- a killed worker ---

await 20 two_workers
slow_readers k

victim=$(on_workers k | head -n 1)
kill -KILL "$victim"
ok 'the killed worker is replaced' \
    await 5 eval 'two_workers && ! worker | grep -qx "$victim"'
wait "${readers[@]}"

cat "$run"/k.*.is > "$run/k"
ok 'answers of the killed worker are cut' \
    test "$(grep " $victim\$" "$run/k" | grep -cv "^200 0 $pods ")" -gt 0
ok 'the other one has as many readers' \
    test "$(grep -cv " $victim\$" "$run/k")" -ge 2
is 'and all its answers are whole' \
    "$(grep -v " $victim\$" "$run/k" | grep -cv "^200 0 $pods " || true)" 0

# where it died under the lock all is collected again
resets=$(count_logged 'started afresh')
ok 'at most once started afresh' test "$resets" -le 1
[ "$resets" = 0 ] || await 60 has_items pods $pods
is 'every node is served after the kill' "$(items nodes)" 100
n0=$(stat scrapes)
ok 'scrapes go on after the kill' \
    await 15 eval '[ "$(stat scrapes)" -ge $((n0 + 90)) ]'

control /pod '{"namespace": "late", "name": "comer", "node": "node-00007",
    "containers": [{"name": "c", "cpu": 25000000, "memory": 1048576}]}'
pods=$((pods + 1))
ok 'and the watches do, too' await 40 eval 'ask \
    /apis/metrics.k8s.io/v1beta1/namespaces/late/pods/comer | grep -q "1Mi"'

is "no alert but the core's own" "$(alerts)" 0


# --- quit ---

slow_readers q
n0=$(count_logged 'gracefully shutting down')
kill -QUIT "$nginx_pid"
await 5 eval '[ "$(count_logged "gracefully shutting down")" -ge $((n0 + 2)) ]'

# whoever comes now is refused, or gets all
load late 3
ok 'those who are served take some time' kill -0 "$nginx_pid"
ok 'quit ends' await 30 eval '! kill -0 "$nginx_pid"'
wait "${readers[@]}"

is 'every answer that was begun is whole' "$(not_whole "$run"/q.*.is)" 0
is 'who came later was refused' \
    "$(grep -cvE "^(000 7 0 |200 0 $pods )" "$run/late.is" || true)" 0
is 'no alert at the end' "$(alerts)" 0

finished
