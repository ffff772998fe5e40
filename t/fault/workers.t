#!/usr/bin/env bash
#
# Reload, a killed worker and quit while clients read lists and nodes are
# scraped: no answer is lost but those of the killed worker, collection goes on.

set -eu

net=127.72
port=10282
# shellcheck source=t/lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"

start_standin -nodes 100 -pods 30
start_nginx 2 10s 64m 2048
await 40 has_items nodes 100
await 40 has_items pods 3000

# load N: so many lists of all pods, one line for each
load() {
    local i
    for ((i = 0; i < $1; i++)); do
        ask /apis/metrics.k8s.io/v1beta1/pods -o "$run/body.$2" \
            -w '%{http_code}\n' 2>> "$run/curl" || echo "curl: $?"
        grep -o '"creationTimestamp"' "$run/body.$2" | wc -l
    done
}

load 60 a > "$run/a" &
a=$!
load 60 b > "$run/b" &
b=$!

for _ in 1 2 3; do
    before=$(worker | tr '\n' ' ')
    kill -HUP "$nginx_pid"
    ok 'new workers after a reload' \
        await 10 eval '[ "$(worker | wc -l)" -ge 2 ] && [ "$(worker | tr "\n" " ")" != "$before" ]'
done

wait $a $b
is 'no list was cut or refused during reloads' \
    "$(cat "$run/a" "$run/b" | sort | uniq -c | tr -s ' \n' ' ')" \
    ' 120 200 120 3000 '

# the new workers go on with the samples that are there
is 'every node is served after the reloads' "$(items nodes)" 100
n0=$(stat scrapes)
ok 'scrapes go on' await 15 eval '[ "$(stat scrapes)" -ge $((n0 + 90)) ]'

victim=$(worker | head -n 1)
kill -KILL "$victim"
ok 'the killed worker is replaced' \
    await 5 eval '[ "$(worker | wc -l)" = 2 ] && ! worker | grep -qx "$victim"'
is 'every node is served after the kill' "$(items nodes)" 100
n0=$(stat scrapes)
ok 'scrapes go on after the kill' \
    await 15 eval '[ "$(stat scrapes)" -ge $((n0 + 90)) ]'

control /pod '{"namespace": "late", "name": "comer", "node": "node-00007",
    "containers": [{"name": "c", "cpu": 25000000, "memory": 1048576}]}'
ok 'and the watches do, too' await 40 eval 'ask \
    /apis/metrics.k8s.io/v1beta1/namespaces/late/pods/comer | grep -q "1Mi"'

is "no alert but the core's own" \
    "$(grep -E '\[(alert|emerg|crit)\]' "$run/error.log" \
       | grep -cvE 'exited on signal 9|was locked by' || true)" 0

load 5 c > "$run/c" &
c=$!
await 5 test -s "$run/c"
kill -QUIT "$nginx_pid"
ok 'quit ends' await 20 eval '! kill -0 "$nginx_pid"'
wait $c || true
ok 'and every answer that was begun was whole' \
    eval '! grep -qE "^([0-2]?[0-9]{0,3}|curl: 18)$" <(grep -vxE "200|3001|0|curl: 7|curl: 56|000" "$run/c")'
is 'no alert at the end' \
    "$(grep -E '\[(alert|emerg|crit)\]' "$run/error.log" \
       | grep -cvE 'exited on signal 9|was locked by' || true)" 0

finished
