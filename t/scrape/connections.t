#!/usr/bin/env bash
#
# More nodes than worker_connections: all are scraped, and clients are served.

set -eu

net=127.90
port=10312
# shellcheck source=t/lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"

n=120

start_standin -nodes $n -pods 2
start_nginx 1 10s 8m 64
await 40 has_items nodes $n

is 'one line says what is needed' "$(count_logged 'need 240 worker_conn')" 1
ok 'and set' logged \
    '\[warn\].* 1 worker\(s\) need 240 worker_connections each and as many open files, set are 64 worker_connections and 20000 open files'

count_anew() {
    curl -sS -o "$run/stats" -X POST "http://$control/stats"
}

# clients during two rounds, eight at a time
count_anew
refused=0
asked=0
for ((i = 0; i < 600; i++)); do
    pids=()
    for ((j = 0; j < 8; j++)); do
        ask /readyz -o /dev/null -f 2> /dev/null &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || refused=$((refused + 1))
    done
    asked=$((asked + 8))
    [ "$(stat scrapes)" -lt $((5 * n / 2)) ] || break
done

is "clients are served ($asked asked)" $refused 0
ok 'all nodes are scraped meanwhile' \
    test "$(stat scrapes)" -ge $((2 * n))
is 'each of them' "$(curl -sS "http://$control/stats" | tr -d ' \n' \
    | sed 's/.*"perNode":{\([^}]*\)}.*/\1/' | tr , '\n' | grep -c .)" $n
ok "connections to half of them at most ($(stat connections))" \
    test "$(stat connections)" -le 40
is 'all nodes are served' "$(items nodes)" $n

# enough: a notice

sed -i "s/worker_connections 64/worker_connections 512/
    s/^worker_processes .*/worker_processes 2;/" "$run/nginx.conf"
kill -HUP "$nginx_pid"
ok 'after a reload, with enough, a notice' await 20 logged \
    '\[notice\].* 2 worker\(s\) need 144 worker_connections each'
is 'of one worker' "$(count_logged 'need 144 worker_connections')" 1
is 'no alert' "$(count_logged '\[(alert|emerg|crit)\]')" 0

finished
