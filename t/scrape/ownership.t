#!/usr/bin/env bash
#
# With several workers each node is scraped by exactly one, once a round; death,
# reload and shutdown of workers move nodes without a lost or a doubled round.

set -eu

net=127.81
port=10295
# shellcheck source=t/lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"

n=40
start_standin -nodes $n -pods 2 -window 9500ms
start_nginx 4 10s 8m 512
await 40 has_items nodes $n

# of MAP: lines of "node number", sorted
per_node() {
    curl -sS "http://$control/stats" | tr -d ' \n' \
        | sed "s/.*\"$1\":{\([^}]*\)}.*/\1/" | tr , '\n' | tr -d '"' \
        | tr : ' ' | sort
}

most() {
    per_node "$1" | awk '$2 > n { n = $2 } END { print n + 0 }'
}

# all nodes were scraped N times since the counting began
fewest() {
    [ "$(per_node perNode | awk -v n="$1" '$2 >= n' | wc -l)" = $n ]
}

count_anew() {
    curl -sS -o "$run/stats" -X POST "http://$control/stats"
}

# now, and a time of the stand-in's, are ms since 1970
now() {
    date +%s%3N
}

await_time() {
    local when=$1
    await 30 eval '[ "$(now)" -ge "$when" ]'
}

# moves NAME COMMAND...: nodes move, and nothing is lost or done twice
moves() {
    local name=$1
    shift
    count_anew
    "$@"
    ok "$name: all nodes are scraped on" await 40 fewest 2
    ok "$name: no node waits longer than a round and 2 s ($(most maxGapOf) ms)" \
        test "$(most maxGapOf)" -le 12000
    is "$name: no node is scraped twice in one round" "$(stat maxPerWindow)" 1
}

reload() {
    sed -i "s/^worker_processes .*/worker_processes $1;/" "$run/nginx.conf"
    kill -HUP "$nginx_pid"
}

kill_first() {
    kill "$1" "$(worker | head -n 1)"
}

kill_all() {
    # shellcheck disable=SC2046
    kill -KILL $(worker)
}


# by the third scrape each node is in its phase
await 60 fewest 4

moves 'four workers' true
moves 'a killed worker' kill_first -KILL
moves 'a worker that quits' kill_first -QUIT
moves 'all workers killed' kill_all
moves 'a reload' reload 4
moves 'a reload with fewer workers' reload 2
moves 'a reload with more workers' reload 3

# a scrape that is under way when its worker is killed is made up for

last_of() {
    per_node lastOf | awk -v n="$1" '$1 == n { print $2 }'
}

node=$(per_node lastOf | head -n 1 | cut -d ' ' -f 1)
last=$(last_of "$node")
await_time $((last + 9000))
fault "$node" hang
await_time $((last + 10500))
asked=$(last_of "$node")
kill_all
fault "$node" ''
ok 'a node whose scrape was cut is scraped in that same round' \
    await 10 eval '[ "$(last_of "$node")" -gt "$asked" ]'
ok "within two seconds ($(($(last_of "$node") - asked)) ms)" \
    test $(($(last_of "$node") - asked)) -le 2500

is 'every node is served' "$(items nodes)" $n
is "no alert but the core's own" \
    "$(grep -E '\[(alert|emerg|crit)\]' "$run/error.log" \
       | grep -cvE 'exited on signal 9|was locked by' || true)" 0

finished
